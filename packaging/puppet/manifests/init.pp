# Installs ilod, configures it, and runs its agent.
#
# @param config
#   The content of the configuration file, with its own names. Other keys keep ilod's
#   default.
# @param credentials
#   User name and password of an iLO account, for the service of the package. Only for an iLO whose security state
#   requires credentials from its host.
# @param manage_package
#   Whether to install the package.
# @param package_name
#   Its name.
# @param package_ensure
#   Its version, or installed, latest or absent.
# @param package_source
#   A file to install it from.
# @param package_provider
#   How to install it, such as apt for a file on Debian.
# @param manage_service
#   Whether to manage the services.
# @param service_ensure
#   Whether the socket and the agent run.
# @param service_enable
#   Whether they start with the system.
# @param inventory
#   Whether the agent reads the values that the fact ilod shows in the next run.
# @param config_file
#   The configuration file.
#
# @example The agent, which a group may use for reading
#   class { 'ilod':
#     config => { 'roles' => { 'reader' => { 'groups' => ['monitoring'] } } },
#   }
class ilod (
  Ilod::Config $config = {},
  Optional[Sensitive[Struct[{ username => String[1], password => String[1] }]]] $credentials = undef,
  Boolean $manage_package = true,
  String[1] $package_name = 'ilod',
  String[1] $package_ensure = 'installed',
  Optional[String[1]] $package_source = undef,
  Optional[String[1]] $package_provider = undef,
  Boolean $manage_service = true,
  Enum['running', 'stopped'] $service_ensure = 'running',
  Boolean $service_enable = true,
  Boolean $inventory = true,
  Pattern[/\A\//] $config_file = '/etc/ilod/ilod.toml',
) {
  unless $facts['kernel'] == 'Linux' {
    fail("class ilod is for Linux, not for ${facts['kernel']}; the types work where ilod is installed")
  }

  if $manage_package {
    package { 'ilod':
      ensure   => $package_ensure,
      name     => $package_name,
      source   => $package_source,
      provider => $package_provider,
    }
  }

  unless $package_ensure in ['absent', 'purged'] {
    file { $config_file:
      ensure       => file,
      mode         => '0644',
      content      => "# Puppet writes this file.\n${ilod::toml($config)}",
      validate_cmd => 'ilod --config % config show',
    }
    if $manage_package {
      Package['ilod'] -> File[$config_file]
    }

    if $credentials {
      $account = $credentials.unwrap
      file { '/etc/credstore':
        ensure => directory,
        mode   => '0700',
      }
      file { '/etc/credstore/ilo-credentials':
        ensure    => file,
        mode      => '0600',
        show_diff => false,
        content   => Sensitive(ilod::toml($account)),
      }
    }

    if $manage_service {
      service { ['ilod.socket', 'ilod.service']:
        ensure => $service_ensure,
        enable => $service_enable,
      }
      Service['ilod.socket'] -> Service['ilod.service']
      File[$config_file] ~> Service['ilod.service']
      if $credentials {
        File['/etc/credstore/ilo-credentials'] ~> Service['ilod.service']
      }
    }

    if $inventory and $service_ensure == 'running' {
      # A read must not count as a change, and a missing answer not as a failure. So the
      # check reads, and the command never runs.
      exec { 'ilod: read the inventory':
        command  => 'false',
        onlyif   => 'ilod get /redfish/v1/ /redfish/v1/Systems/1/ && false',
        provider => shell,
        path     => $facts['path'],
        require  => File[$config_file],
      }
      if $manage_service {
        Service['ilod.service'] -> Exec['ilod: read the inventory']
      }
    }
  }
}
