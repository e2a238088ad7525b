require 'json'

# The text of a TOML file.
Puppet::Functions.create_function(:'ilod::toml') do
  # @param config keys with strings, numbers, booleans, lists of these, and tables
  # @return the text, first the keys without a table
  dispatch :document do
    param 'Hash[Pattern[/\A[A-Za-z0-9_-]+\z/], Variant[Scalar, Array[Scalar], Hash]]', :config
    return_type 'String'
  end

  def document(config)
    lines(config, []).join("\n") + "\n"
  end

  def lines(table, names)
    tables, keys = table.partition { |_, value| value.is_a?(Hash) }
    # A JSON string is also a TOML string.
    keys.map { |name, value| "#{name} = #{value.to_json}" } +
      tables.flat_map { |name, value| ['', "[#{[*names, name].join('.')}]", *lines(value, [*names, name])] }
  end
end
