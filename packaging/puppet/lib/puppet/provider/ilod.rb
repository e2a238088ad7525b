require 'json'
require 'open3'

# The common part of the providers: they run ilod's command line, with JSON. They send
# values on its standard input, because others can see arguments and files.
class Puppet::Provider::Ilod < Puppet::Provider
  # The exit code for a commit that the iLO has accepted and not finished.
  ACCEPTED = 105

  # The document that ilod prints, if it prints one. An error has ilod's message.
  def self.ilod(*args, input: '')
    debug("ilod #{args.join(' ')}")
    out, err, status = Open3.capture3(command(:ilod), *args, stdin_data: input, binmode: true)
    [out, err].each { |text| text.force_encoding(Encoding::UTF_8).scrub! }
    raise Puppet::Error, "ilod: #{reason(err) || status}" unless status.success? || status.exitstatus == ACCEPTED

    JSON.parse(out, max_nesting: false) unless out.empty?
  rescue JSON::ParserError # whose message quotes the output, where a secret may be
    raise Puppet::Error, "ilod #{args.join(' ')}: the output is no JSON", cause: nil
  rescue SystemCallError => e
    raise Puppet::Error, "ilod #{args.join(' ')}: #{e.message}"
  end

  # --json writes this on standard error: message and remedy.
  def self.reason(err)
    error = err.lines.map { |line| JSON.parse(line) rescue nil }.grep(Hash).last&.fetch('error', nil)
    return err.strip[/.+/m] unless error.is_a?(Hash)

    [error['message'], error['hint']].compact.join('; ')
  end
  private_class_method :reason

  # Puppet calls this after the last resource of the catalog. The agent drops changed
  # resources from its cache; this fills the cache again for the fact.
  def self.post_resource_eval
    ilod('get', '--json', '/redfish/v1/', '/redfish/v1/Systems/1/')
  rescue Puppet::Error => e
    debug(e.message)
  end

  # The changes that the resource on the iLO needs to have the properties: hashes of
  # property, from, to.
  def changes(properties)
    run(properties, '--dry-run')['changes']
  end

  # Sets the properties of the resource, in one transaction.
  def change(properties)
    result = run(properties)
    resource.notice('the iLO has accepted this, and still works at it') if result['result'] == 'accepted'
    resource.notice('this takes effect with the next reset of the iLO') if result.dig('reset', 'ilo')
    resource.notice('this takes effect with the next reset of a device') if result.dig('reset', 'device')
    return unless result['resetRequired']

    resource.notice('this takes effect with the next reset of the server')
    reset_required
  end

  # A type overrides this to act on a change that waits for a reset.
  def reset_required; end

  private

  def run(properties, *flags)
    operation = { method: 'PATCH', path: path, body: body(properties) }
    self.class.ilod('tx', 'run', '--needed', *flags, '--json', '-', input: JSON.generate(operations: [operation]))
  end
end
