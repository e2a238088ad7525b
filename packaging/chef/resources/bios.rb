# frozen_string_literal: true

unified_mode true
provides :ilod_bios

description 'Has BIOS attributes of the local server as they are wanted with its next reset, which others are to do.'
examples <<~RUBY
  ilod_bios 'for virtual machines' do
    attributes 'WorkloadProfile' => 'Virtualization-MaxPerformance'
    notifies :request_reboot, 'reboot[for BIOS settings]'
  end
RUBY

property :attributes, Hash, required: true, coerce: proc { |value| JSON.parse(JSON.generate(value)) },
         description: 'BIOS attributes, as "ilod list --select Bios." names them.'

include IlodCookbook::Helpers

# What has to be installed in the same run is not there yet when why-run asks.
load_current_value do |wanted|
  attributes ilod_before(wanted.attributes, ilod_bios_changes(wanted.attributes))
rescue Errno::ENOENT
  current_value_does_not_exist!
end

action_class do
  include IlodCookbook::Helpers
end

action :configure, description: 'Have the attributes.' do
  converge_if_changed :attributes do
    ilod_bios_changes(new_resource.attributes, action: :run)
  end
end
