require 'spec_helper'

describe Puppet::Type.type(:ilod_bios) do
  let(:provider) { described_class.provider(:cli) }

  # ilod gives the answer for its first argument.
  def ilod(**answers)
    @calls = []
    allow(provider).to receive(:ilod) do |*args, input: nil|
      @calls << [args, input]
      answers[args.first.to_sym]
    end
  end

  before { provider.instance_variable_set(:@bios, nil) }

  it 'finds the settings once, and puts the attributes where that server has them' do
    {
      '#Bios.v1_0_4.Bios' => '{"Attributes":{"BootMode":"Uefi"}}',
      '#HpBios.1.2.0.HpBios' => '{"BootMode":"Uefi"}',
    }.each do |type, body|
      provider.instance_variable_set(:@bios, nil)
      ilod(get: { '@odata.id' => '/b', '@odata.type' => type }, tx: { 'changes' => [] })
      property = described_class.new(name: 'x', attributes: { 'BootMode' => 'Uefi' }, provider: :cli).property(:attributes)
      2.times { property.retrieve }
      expect(@calls.map { |args, _| args.first }).to eq(%w[get tx tx])
      expect(@calls.last[1]).to eq(%({"operations":[{"method":"PATCH","path":"/b","body":#{body}}]}))
    end
  end

  it 'resets the server at the end of the run, where that is asked for and something waits for it' do
    [[:false, true, nil], [:ForceRestart, true, 'ForceRestart'], [:GracefulRestart, false, nil]].each do |reboot, required, want|
      ilod(get: { '@odata.id' => '/b', '@odata.type' => '#Bios.' }, tx: { 'changes' => [], 'resetRequired' => required })
      described_class.new(name: 'x', attributes: { 'A' => 1 }, reboot: reboot, provider: :cli).property(:attributes).tap(&:retrieve).sync
      provider.post_resource_eval
      expect(@calls.map(&:first).select { |args| args.first == 'reboot' }).to eq(want ? [['reboot', want, '--json']] : [])
    end
  end

  it 'wants attributes and a known reset' do
    expect { described_class.new(name: 'x') }.to raise_error(Puppet::Error, /attributes is missing/)
    expect { described_class.new(name: 'x', attributes: { 'A' => 1 }, reboot: 'On') }.to raise_error(Puppet::Error, /Invalid value/)
  end
end
