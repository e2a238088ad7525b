# frozen_string_literal: true

control 'ilod' do
  title 'The agent is installed and started at boot'

  describe package('ilod') do
    it { should be_installed }
  end

  describe service('ilod') do
    it { should be_installed }
    it { should be_enabled }
  end

  describe file('/etc/ilod/ilod.toml') do
    it { should be_owned_by 'root' }
    it { should_not be_writable.by('others') }
  end

  describe command('ilod version') do
    its('exit_status') { should eq 0 }
  end
end
