require_relative '../property/ilod'

Puppet::Type.newtype(:ilod_bios) do
  @doc = <<-DOC
    Attributes of the server's BIOS. What differs from the settings that the next boot would take is changed in one
    transaction. It takes effect with the next reset of the server.

        ilod_bios { 'settings':
          attributes => { 'BootMode' => 'Uefi', 'AdminName' => 'ops' },
        }
  DOC

  newparam(:name, namevar: true) do
    desc 'Any name.'
  end

  newparam(:path) do
    desc 'The path of the BIOS; by default that of the server, which ilod finds.'
  end

  newproperty(:attributes, parent: Puppet::Property::Ilod) do
    desc <<-DOC
      A hash of attributes, named as in the BIOS attribute registry of the server. Values that are `Sensitive`, the
      hash itself or any inside of it, are never shown.
    DOC
  end

  newparam(:reboot) do
    desc <<-DOC
      How to reset the server at the end of a run that has changed something which waits for a reset:
      `GracefulRestart` (by the operating system) or `ForceRestart` (at once). By default it is not reset.
    DOC

    newvalues(:false, :GracefulRestart, :ForceRestart)
    defaultto :false
  end

  validate do
    raise Puppet::Error, 'attributes is missing' unless self[:attributes]
  end

  autorequire(:package) { 'ilod' }
  autorequire(:file) { '/etc/ilod/ilod.toml' }
  autorequire(:service) { %w[ilod.socket ilod.service] }

  def leave_hidden?
    false
  end
end
