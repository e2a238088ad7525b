require_relative '../ilod'

Puppet::Type.type(:ilod_resource).provide(:cli, parent: Puppet::Provider::Ilod) do
  desc 'Runs the command line of ilod.'

  commands ilod: 'ilod'

  def path
    resource[:path]
  end

  def body(properties)
    properties
  end
end
