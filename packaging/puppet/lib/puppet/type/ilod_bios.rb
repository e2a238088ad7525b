require_relative '../property/ilod'

Puppet::Type.newtype(:ilod_bios) do
  @doc = <<-DOC
    Attributes of the server's BIOS. The type compares them with the settings for the next boot, and changes the
    differences in one transaction. The changes take effect with the next reset of the server.

        ilod_bios { 'settings':
          attributes => { 'BootMode' => 'Uefi', 'AdminName' => 'ops' },
        }
  DOC

  newparam(:name, namevar: true) do
    desc 'Any name.'
  end

  newparam(:path) do
    desc 'The path of the BIOS; by default ilod finds it.'
  end

  newproperty(:attributes, parent: Puppet::Property::Ilod) do
    desc <<-DOC
      A hash of attributes, named as in the BIOS attribute registry of the server. Nothing shows `Sensitive` values. The
      whole hash, or any value inside it, may be `Sensitive`.
    DOC
  end

  newparam(:reboot) do
    desc <<-DOC
      How to reset the server at the end of a run, if a change of this run waits for a reset:
      `GracefulRestart` (by the operating system) or `ForceRestart` (at once). The default is no reset.
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
