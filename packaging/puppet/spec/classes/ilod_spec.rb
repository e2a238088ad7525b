require 'spec_helper'

describe 'ilod' do
  context 'with its defaults' do
    it { is_expected.to compile.with_all_deps }
    it { is_expected.to contain_package('ilod').with_ensure('installed').that_comes_before('File[/etc/ilod/ilod.toml]') }
    it { is_expected.to contain_file('/etc/ilod/ilod.toml').with_validate_cmd('ilod --config % config show').that_notifies('Service[ilod.service]') }
    it { is_expected.to contain_service('ilod.socket').with(ensure: 'running', enable: true).that_comes_before('Service[ilod.service]') }
    it { is_expected.to contain_exec('ilod: read the inventory').that_requires('Service[ilod.service]') }
    it { is_expected.not_to contain_file('/etc/credstore/ilo-credentials') }
  end

  context 'with a configuration' do
    let(:params) do
      { config: { 'cache' => { 'nocache' => true }, 'timeout' => '30s', 'roles' => { 'reader' => { 'groups' => ['a "b" \\'] } } } }
    end

    it do
      is_expected.to contain_file('/etc/ilod/ilod.toml').with_content(<<~'TOML')
        # Puppet writes this file.
        timeout = "30s"

        [cache]
        nocache = true

        [roles]

        [roles.reader]
        groups = ["a \"b\" \\"]
      TOML
    end
  end

  {
    { 'timeuot' => '30s' } => /unrecognized key 'timeuot'/,
    { 'timeout' => 30 } => /entry 'timeout' expects/,
    { 'channels' => 5 } => /entry 'channels' expects/,
    { 'session' => { 'limit-policy' => 'oldest' } } => /entry 'limit-policy' expects/,
  }.each do |config, message|
    context "with #{config}" do
      let(:params) { { config: config } }

      it { is_expected.to compile.and_raise_error(message) }
    end
  end

  context 'with credentials' do
    let(:params) { { credentials: sensitive({ 'username' => 'host', 'password' => 'b"c' }) } }

    it do
      is_expected.to contain_file('/etc/credstore/ilo-credentials')
        .with(mode: '0600', show_diff: false, content: sensitive(%(username = "host"\npassword = "b\\"c"\n)))
        .that_notifies('Service[ilod.service]')
    end
  end

  context 'when it is to be removed' do
    let(:params) { { package_ensure: 'absent' } }

    it { is_expected.to contain_package('ilod').with_ensure('absent') }
    it { is_expected.to have_resource_count(1) }
  end

  context 'when it is to be stopped' do
    let(:params) { { service_ensure: 'stopped', service_enable: false } }

    it { is_expected.to contain_service('ilod.socket').with(ensure: 'stopped', enable: false) }
    it { is_expected.to contain_service('ilod.service').with(ensure: 'stopped', enable: false) }
    it { is_expected.not_to contain_exec('ilod: read the inventory') }
  end

  context 'with another service manager' do
    let(:params) { { manage_package: false, manage_service: false } }

    it { is_expected.to compile.with_all_deps }
    it { is_expected.to have_resource_count(2) }
  end

  context 'on Windows' do
    let(:facts) { { kernel: 'windows' } }

    it { is_expected.to compile.and_raise_error(/is for Linux, not for windows/) }
  end
end
