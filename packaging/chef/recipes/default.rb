# frozen_string_literal: true

# Installs, configures and starts the agent.

if node['ilod']['package_source']
  declare_resource(platform_family?('debian') ? :dpkg_package : :rpm_package, 'ilod') do
    source node['ilod']['package_source']
  end
else
  package 'ilod'
end

if node['ilod']['configuration']
  file '/etc/ilod/ilod.toml' do
    content node['ilod']['configuration']
    mode '0644'
    notifies :restart, 'service[ilod]'
  end
end

service 'ilod' do
  action %i(enable start)
end
