# frozen_string_literal: true

unified_mode true
provides :ilod_resource

description 'Sets properties of a Redfish resource of the local iLO to the wanted values, in one transaction.'
examples <<~RUBY
  ilod_resource '/redfish/v1/Systems/1/' do
    properties 'AssetTag' => 'rack 7', 'Boot' => { 'BootSourceOverrideTarget' => 'Pxe', 'BootSourceOverrideEnabled' => 'Once' }
  end
RUBY

property :path, String, name_property: true, regex: %r{\A/},
         description: 'The path of the resource.'
property :properties, Hash, default: {}, coerce: proc { |value| JSON.parse(JSON.generate(value)) },
         description: 'Properties in the form that the resource has. Others stay as they are; an array is replaced as a whole.'
property :secrets, Hash, default: {}, sensitive: true, coerce: proc { |value| JSON.parse(JSON.generate(value)) },
         description: 'More properties. Nothing shows their values. The iLO does not show passwords, so each run sets them.'

include IlodCookbook::Helpers

# In why-run, ilod may be missing, because this run would install it.
load_current_value do |wanted|
  changes = ilod_changes(wanted.path, wanted.properties, wanted.secrets)
  properties ilod_before(wanted.properties, changes)
  secrets ilod_before(wanted.secrets, changes)
rescue Errno::ENOENT
  current_value_does_not_exist!
end

action_class do
  include IlodCookbook::Helpers
end

action :configure, description: 'Set the properties.' do
  converge_if_changed :properties, :secrets do
    ilod_changes(new_resource.path, new_resource.properties, new_resource.secrets, action: :run)
  end
end
