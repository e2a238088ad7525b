require_relative '../property/ilod'

Puppet::Type.newtype(:ilod_resource) do
  @doc = <<-DOC
    Properties of a resource of the server's iLO, by its Redfish path. What differs on the iLO now is changed in
    one transaction; what is not named is left alone.

        ilod_resource { '/redfish/v1/Systems/1/':
          properties => {
            'AssetTag' => 'rack 7',
            'Boot'     => { 'BootSourceOverrideEnabled' => 'Once', 'BootSourceOverrideTarget' => 'Pxe' },
          },
        }
  DOC

  newparam(:path, namevar: true) do
    desc 'The path, such as /redfish/v1/Systems/1/.'

    validate do |value|
      raise ArgumentError, "#{value} is no path of a Redfish resource, such as /redfish/v1/Systems/1/" unless value.match?(%r{\A/redfish/v1/[^?#\s]*\z})
    end
  end

  newproperty(:properties, parent: Puppet::Property::Ilod) do
    desc <<-DOC
      A hash of properties, which may be hashes themselves; a list is one value. Numbers and booleans are those of
      Puppet. Values that are `Sensitive`, the hash itself or any inside of it, are never shown.
    DOC
  end

  newparam(:hidden) do
    desc <<-DOC
      When to send properties that the iLO takes and never shows, such as a password, and which therefore cannot be
      compared: `always`, which is a change in each run, or `refresh`, that is, when the resource is notified or
      another of its properties is changed.
    DOC

    newvalues(:always, :refresh)
    defaultto :always
  end

  validate do
    raise Puppet::Error, 'properties is missing' unless self[:properties]
  end

  autorequire(:package) { 'ilod' }
  autorequire(:file) { '/etc/ilod/ilod.toml' }
  autorequire(:service) { %w[ilod.socket ilod.service] }

  def leave_hidden?
    self[:hidden] == :refresh
  end

  def refresh
    property(:properties).set(nil) if leave_hidden?
  end
end
