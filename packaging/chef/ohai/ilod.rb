# frozen_string_literal: true

require 'json'

# Facts about the server from ilod's cache. It opens no session on the iLO.
Ohai.plugin(:Ilod) do
  provides 'ilod_inventory'

  collect_data(:linux) do
    report = JSON.parse(shell_out('ilod health --offline --json').stdout)
    ilod_inventory Mash.new(report.slice('state', 'age', 'system', 'firmware', 'licenses'))
  rescue Ohai::Exceptions::Exec, JSON::ParserError => e
    logger.debug("Plugin Ilod: there is no report of ilod's: #{e.message}")
  end
end
