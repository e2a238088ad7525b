# frozen_string_literal: true

control 'ilod-settings' do
  title 'The iLO has what the recipe ilod_test wants'

  describe json(command: 'ilod get --fresh /redfish/v1/Systems/1/') do
    its('AssetTag') { should eq 'rack 7' }
    its(%w(Boot BootSourceOverrideTarget)) { should eq 'Pxe' }
  end
end
