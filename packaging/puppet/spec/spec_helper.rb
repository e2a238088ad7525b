require 'rspec-puppet'
require 'tmpdir'

lib = File.expand_path('../lib', __dir__)
$LOAD_PATH.unshift(lib) unless $LOAD_PATH.include?(lib)

# Puppet finds a module by the name of its directory.
MODULES = Dir.mktmpdir
File.symlink(File.expand_path('..', __dir__), File.join(MODULES, 'ilod'))

RSpec.configure do |c|
  c.module_path = MODULES
  c.setup_fixtures = false
  c.default_facts = { kernel: 'Linux', path: '/usr/bin:/bin', os: { family: 'Debian', name: 'Debian', release: { major: '12' } } }
  c.after(:suite) { FileUtils.remove_entry(MODULES) }
end
