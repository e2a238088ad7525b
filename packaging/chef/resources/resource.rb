# frozen_string_literal: true

unified_mode true
provides :ilod_resource

description 'Has properties of a Redfish resource of the local iLO as they are wanted, by one transaction.'
examples <<~RUBY
  ilod_resource '/redfish/v1/Systems/1/' do
    properties 'AssetTag' => 'rack 7', 'Boot' => { 'BootSourceOverrideTarget' => 'Pxe', 'BootSourceOverrideEnabled' => 'Once' }
  end
RUBY

property :path, String, name_property: true, regex: %r{\A/},
         description: 'The path of the resource.'
property :properties, Hash, default: {}, coerce: proc { |value| JSON.parse(JSON.generate(value)) },
         description: 'Properties as the resource has them. Those that are not named stay as they are; an array is replaced as a whole.'
property :secrets, Hash, default: {}, sensitive: true, coerce: proc { |value| JSON.parse(JSON.generate(value)) },
         description: 'More properties, whose values are shown nowhere. The iLO does not show passwords, so each run sets one.'

include IlodCookbook::Helpers

# What has to be installed in the same run is not there yet when why-run asks.
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

action :configure, description: 'Have the properties.' do
  converge_if_changed :properties, :secrets do
    ilod_changes(new_resource.path, new_resource.properties, new_resource.secrets, action: :run)
  end
end
