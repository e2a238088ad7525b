require 'spec_helper'

describe Puppet::Type.type(:ilod_resource) do
  def sensitive(value)
    Puppet::Pops::Types::PSensitiveType::Sensitive.new(value)
  end

  def resource(properties, **others)
    described_class.new(path: '/redfish/v1/Systems/1/', properties: properties, provider: :cli, **others)
  end

  # ilod stands in for the program. It keeps its arguments and input, and gives its
  # answers in order.
  def ilod(*answers)
    @calls = []
    allow(described_class.provider(:cli)).to receive(:command).with(:ilod).and_return('/bin/ilod')
    allow(Open3).to receive(:capture3) do |*args, **options|
      @calls << [args, options[:stdin_data]]
      out, err, success = answers.shift
      [out.dup, (err || '').dup, instance_double(Process::Status, success?: success != false && success != 105, exitstatus: success == 105 ? 105 : 1)]
    end
  end

  def dry_run(*changes)
    [JSON.generate('changes' => changes.map { |property, from, to| { 'property' => property, 'from' => from, 'to' => to } })]
  end

  it 'takes paths of resources only' do
    ['/', 'Systems/1', '/redfish/v1/Systems/1?x', '/redfish/v1/Systems/1#/AssetTag', '/redfish/v1/Sys tems/'].each do |path|
      expect { described_class.new(path: path, properties: { 'a' => 1 }) }.to raise_error(Puppet::Error, /is not the path of a Redfish resource/)
    end
  end

  it 'wants properties' do
    expect { described_class.new(path: '/redfish/v1/Systems/1/') }.to raise_error(Puppet::Error, /properties is missing/)
    expect { resource({}) }.to raise_error(Puppet::Error, /has no properties/)
    expect { resource('AssetTag') }.to raise_error(Puppet::Error, /must be a hash of properties, not String/)
    expect { resource({ 'a' => 1 }, hidden: :never) }.to raise_error(Puppet::Error, /Invalid value/)
  end

  it 'sends what is wanted on standard input' do
    ilod(dry_run(['/Boot/Target', 'None', 'Pxe']), ['{"result":"committed"}'])
    property = resource({ 'Boot' => { 'Target' => 'Pxe', 'Enabled' => true, 'Count' => 2, 'Not' => nil, 'List' => [1, 'a'] } }).property(:properties)
    expect(property.retrieve).to eq('Boot' => { 'Target' => 'None', 'Enabled' => true, 'Count' => 2, 'Not' => nil, 'List' => [1, 'a'] })
    expect(property.safe_insync?(nil)).to be(false)
    expect(property.change_to_s(nil, nil)).to eq('Boot/Target: "None" -> "Pxe"')
    property.sync
    input = '{"operations":[{"method":"PATCH","path":"/redfish/v1/Systems/1/",' \
            '"body":{"Boot":{"Target":"Pxe","Enabled":true,"Count":2,"Not":null,"List":[1,"a"]}}}]}'
    expect(@calls).to eq([[%w[/bin/ilod tx run --needed --dry-run --json -], input], [%w[/bin/ilod tx run --needed --json -], input]])
  end

  it 'says what a change waits for' do
    [
      [{ 'result' => 'committed', 'resetRequired' => true, 'reset' => { 'server' => true } }, true, ['this takes effect with the next reset of the server']],
      [{ 'result' => 'committed', 'resetRequired' => false, 'reset' => { 'ilo' => true } }, true, ['this takes effect with the next reset of the iLO']],
      [{ 'result' => 'accepted', 'resetRequired' => false, 'reset' => {} }, 105, ['the iLO has accepted this, and still works at it']],
      [{ 'result' => 'committed', 'resetRequired' => false, 'reset' => {} }, true, []],
    ].each do |result, status, want|
      ilod([JSON.generate(result), '', status])
      r = resource({ 'a' => 1 })
      said = []
      allow(r).to receive(:notice) { |text| said << text }
      r.property(:properties).set(nil)
      expect(said).to eq(want)
    end
  end

  it 'is in sync with nothing to change' do
    ilod(dry_run)
    property = resource({ 'a' => 1 }).property(:properties)
    expect(property.safe_insync?(property.retrieve)).to be(true)
  end

  it 'keeps secrets to itself' do
    ilod(dry_run(['/A~1B/C~0', 'was', 'is'], ['/Password', '******', '******'], ['/other/Case', 'x', 'is'], ['/List', [], ['is']], ['/D', 1, 2]))
    r = resource({ 'A/B' => { 'C~' => sensitive('is') }, 'Password' => 'plain', 'Other' => sensitive({ 'Case' => 'is' }), 'List' => [sensitive('is')], 'D' => 2 })
    property = r.property(:properties)
    property.retrieve
    expect(property.change_to_s(nil, nil)).to eq(
      'A/B/C~: [redacted] -> [redacted], Password: [redacted] -> [redacted], other/Case: [redacted] -> [redacted], ' \
      'List: [redacted] -> [redacted], D: 1 -> 2',
    )
    expect([property.should, property.event.desired_value, property.instance_variable_get(:@should)].inspect).not_to match(/is"|plain/)
    expect(@calls[0][1]).to include('{"A/B":{"C~":"is"},"Password":"plain","Other":{"Case":"is"},"List":["is"],"D":2}')
  end

  it 'has the message and remedy of ilod, without secrets' do
    ilod(['', %(note\n{"error":{"code":28,"message":"A cannot be \\"q\\\\\\"r\\"","hint":"ask q\\"r"}}\n), false])
    property = resource({ 'A' => sensitive('q"r') }).property(:properties)
    expect { property.retrieve }.to raise_error(Puppet::Error, 'ilod: A cannot be "[redacted]"; ask [redacted]')
    ilod(['{"result":"rolled-back","writes":[{"error":"no q\"r"},{}]}', '{"error":{"message":"rolled back: no q\"r"}}', false])
    expect { property.set(nil) }.to raise_error(Puppet::Error, 'ilod: rolled back: no [redacted]')
    ilod(['', '{"error":{"message":"A cannot be \"q...\"; allowed: B"}}', false])
    expect { property.retrieve }.to raise_error(Puppet::Error, 'ilod: A cannot be "[redacted]"; allowed: B')
    ilod(['', "panic\nmore\n", false], ['{', ''])
    expect { property.retrieve }.to raise_error(Puppet::Error, "ilod: panic\nmore")
    expect { property.retrieve }.to raise_error(Puppet::Error, 'ilod tx run --needed --dry-run --json -: the output is no JSON')
  end

  it 'sends what the iLO never shows as often as it is told to' do
    hidden = ['/Password', '******', '******']
    ilod(dry_run(hidden), dry_run(hidden), ['{}'], dry_run(hidden, ['/Name', 'a', 'b']))
    always = resource({ 'Password' => 'x' })
    expect(always.property(:properties).safe_insync?(always.property(:properties).retrieve)).to be(false)
    told = resource({ 'Password' => 'x', 'Name' => 'b' }, hidden: :refresh)
    property = told.property(:properties)
    expect(property.safe_insync?(property.retrieve)).to be(true)
    told.refresh
    expect(@calls.last[0]).to eq(%w[/bin/ilod tx run --needed --json -])
    expect(property.safe_insync?(property.retrieve)).to be(false)
  end
end
