require_relative '../property/ilod'

Puppet::Type.newtype(:ilod_resource) do
  @doc = <<-DOC
    Properties of a resource of the server's iLO, by its Redfish path. The type changes the differences in one
    transaction; other properties stay as they are.

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
      raise ArgumentError, "#{value} is not the path of a Redfish resource, such as /redfish/v1/Systems/1/" unless value.match?(%r{\A/redfish/v1/[^?#\s]*\z})
    end
  end

  newproperty(:properties, parent: Puppet::Property::Ilod) do
    desc <<-DOC
      A hash of properties, which may be nested; a list is one value. Numbers and booleans are Puppet's. Nothing shows
      `Sensitive` values. The whole hash, or any value inside it, may be `Sensitive`.
    DOC
  end

  newparam(:hidden) do
    desc <<-DOC
      When to send properties that the iLO accepts and never shows, such as a password. They cannot be compared.
      `always` makes a change in each run. `refresh` sends them when the resource gets a notification or another of its
      properties changes.
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
