require 'json'
require 'open3'

# A small inventory of the server from the agent's cache, however old. It does not ask
# the iLO. Without an agent, or with an empty cache, the fact does not exist.
Facter.add(:ilod, timeout: 10) do
  setcode do
    ilod = Facter::Core::Execution.which('ilod')
    ask = lambda do |*args|
      out, _err, status = Open3.capture3(ilod, *args, '--json', '--timeout', '2s', stdin_data: '', binmode: true)
      [out.force_encoding(Encoding::UTF_8), status.success?]
    end
    begin
      next unless ilod && ask.call('agent', 'status').last

      root, system = JSON.parse(ask.call('get', '--offline', '/redfish/v1/', '/redfish/v1/Systems/1/').first)
      oem = root.to_h['Oem'].to_h
      manager = ((oem['Hpe'] || oem['Hp']).to_h['Manager'] || []).first.to_h
      inventory = {
        'model' => system.to_h['Model'],
        'serial' => system.to_h['SerialNumber'],
        'power' => system.to_h['PowerState'],
        'health' => system.to_h['Status'].to_h['Health'],
        'generation' => manager['ManagerType'],
        'firmware' => manager['ManagerFirmwareVersion'],
      }.compact
      inventory unless inventory.empty?
    rescue StandardError => e
      Facter.debug("ilod: #{e.message}")
      nil
    end
  end
end
