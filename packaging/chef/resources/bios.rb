# frozen_string_literal: true

unified_mode true
provides :ilod_bios

description 'Sets BIOS attributes of the local server to the wanted values, with its next reset. It does not reset the server.'
examples <<~RUBY
  ilod_bios 'for virtual machines' do
    attributes 'WorkloadProfile' => 'Virtualization-MaxPerformance'
    notifies :request_reboot, 'reboot[for BIOS settings]'
  end
RUBY

property :attributes, Hash, required: true, coerce: proc { |value| JSON.parse(JSON.generate(value)) },
         description: 'BIOS attributes, as "ilod list --select Bios." names them.'

include IlodCookbook::Helpers

# In why-run, ilod may be missing, because this run would install it.
load_current_value do |wanted|
  attributes ilod_before(wanted.attributes, ilod_bios_changes(wanted.attributes))
rescue Errno::ENOENT
  current_value_does_not_exist!
end

action_class do
  include IlodCookbook::Helpers
end

action :configure, description: 'Set the attributes.' do
  converge_if_changed :attributes do
    ilod_bios_changes(new_resource.attributes, action: :run)
  end
end
