require 'json'

# The wanted properties of a Redfish resource: a hash, nested as in the resource.
# Other properties stay as they are.
class Puppet::Property::Ilod < Puppet::Property
  REDACTED = '[redacted]'.freeze

  # Names of properties that an iLO accepts and never shows, as in ilod's own list. Hide
  # their values even if they are not Sensitive.
  SECRET = /(password|passphrase|passwd|secret|token|key|credential)\z/i.freeze

  # ilod prints this for a value that the iLO does not show.
  UNKNOWN = '******'.freeze

  # The properties with their secrets. Puppet's own value has none, because Puppet writes
  # it into reports and files.
  attr_reader :wanted

  def unsafe_validate(value)
    raise ArgumentError, "must be a hash of properties, not #{value.class}" unless value.is_a?(Hash)
    raise ArgumentError, 'has no properties' if value.empty?
  end

  def unsafe_munge(value)
    @secrets = []
    @wanted = reveal(value)
    show(value)
  end

  # The present properties on the iLO.
  def retrieve
    return :absent unless wanted

    @changes = truthfully { provider.changes(wanted) }
    @changes = [] if resource.leave_hidden? && @changes.all? { |c| c['from'] == UNKNOWN }
    sensitive ? REDACTED : @changes.reduce(should) { |value, c| replace(value, names(c), shown(c, 'from')) }
  end

  def insync?(_is)
    # Puppet prints one line for the whole resource, without "from -> to".
    each_change { |name, from, to| send_log(resource[:loglevel], "#{name}: #{from} -> #{to} (noop)") } if noop
    @changes.empty?
  end

  def set(_value)
    truthfully { provider.change(wanted) }
  end

  def change_to_s(_is, _should)
    each_change { |name, from, to| "#{name}: #{from} -> #{to}" }.join(', ')
  end

  def is_to_s(_value)
    each_change { |name, from, _| "#{name}: #{from}" }.join(', ')
  end

  def should_to_s(_value)
    each_change { |name, _, to| "#{name}: #{to}" }.join(', ')
  end

  private

  def each_change
    @changes.to_a.map { |c| yield(names(c).join('/'), *%w[from to].map { |side| text(shown(c, side)) }) }
  end

  def text(value)
    value == REDACTED ? value : JSON.generate(value)
  end

  def names(change)
    change['property'].split('/').drop(1).map { |name| name.gsub('~1', '/').gsub('~0', '~') }
  end

  # A side of a change without secrets.
  def shown(change, side)
    hidden = sensitive || change['from'] == UNKNOWN || secret_at?(names(change))
    hidden ? REDACTED : change[side]
  end

  # Is part of the property a secret? If its place is not found, assume so.
  def secret_at?(names)
    declared = names.reduce(should) { |value, name| value.is_a?(Hash) ? value.fetch(name, REDACTED) : value }
    JSON.generate(declared).include?(REDACTED)
  end

  def replace(value, names, current)
    return current if names.empty? || !value.is_a?(Hash)

    value.merge(names.first => replace(value[names.first], names.drop(1), current))
  end

  def sensitive?(value)
    value.is_a?(Puppet::Pops::Types::PSensitiveType::Sensitive)
  end

  # The value to send.
  def reveal(value, secret = false)
    case value
    when Hash then value.to_h { |name, v| [name.to_s, reveal(v, secret || (v.is_a?(String) && SECRET.match?(name.to_s)))] }
    when Array then value.map { |v| reveal(v, secret) }
    when :undef then nil
    else
      return reveal(value.unwrap, true) if sensitive?(value)

      @secrets << value.to_s if secret
      value
    end
  end

  # The value to show.
  def show(value)
    case value
    when Hash then value.to_h { |name, v| [name.to_s, v.is_a?(String) && SECRET.match?(name.to_s) ? REDACTED : show(v)] }
    when Array then value.map { |v| show(v) }
    when :undef then nil
    else sensitive?(value) ? REDACTED : value
    end
  end

  # Runs the block and removes secrets from its errors: ilod may quote a value that the
  # iLO refuses.
  def truthfully
    yield
  rescue Puppet::Error => e
    reveal(wanted, true) if sensitive
    # A value in quotes may be a secret that was cut, so hide all quoted values.
    message = @secrets.empty? ? e.message : e.message.gsub(/"(?:[^"\\]|\\.)*"/, %("#{REDACTED}"))
    forms = @secrets.flat_map { |s| [s, JSON.generate(s)[1..-2], s.inspect[1..-2]] }.reject(&:empty?).uniq
    raise Puppet::Error, message.gsub(Regexp.union(forms.sort_by { |s| -s.length }), REDACTED), cause: nil
  end
end
