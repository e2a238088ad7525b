# frozen_string_literal: true

require 'json'

module IlodCookbook
  # A failure, with ilod's message.
  class Error < RuntimeError; end

  # The resources call the program ilod through these. They send values on its standard
  # input, so that no secret is an argument.
  module Helpers
    # ilod's exit code for a commit that the iLO has accepted and not finished.
    ACCEPTED = 105

    # Runs ilod and returns its JSON.
    def ilod(*arguments, input: nil)
      called = shell_out('ilod', *arguments, '--json', **(input ? { input: input } : {}))
      return JSON.parse(called.stdout) if !called.error? || called.exitstatus == ACCEPTED

      raise Error, ilod_failure(called)
    end

    # Compares the resource at path with the properties of both objects, and returns the
    # needed changes. With action :run it also makes them.
    def ilod_changes(path, properties, secrets = {}, action: :look)
      body = ilod_merged(properties, secrets)
      raise ArgumentError, "#{path}: no property is given" if body.empty?

      arguments = %w(tx run --needed -)
      arguments << '--dry-run' unless action == :run
      operations = [{ method: 'PATCH', path: path, body: body }]
      ilod(*arguments, input: JSON.generate(operations: operations))['changes']
    rescue Error => e
      raise if secrets.empty?

      # A value in quotes may be cut or escaped, so hide all quoted values.
      message = e.message.gsub(/"(?:[^"\\]|\\.)*"/, '"******"')
      raise Error, ilod_values(secrets).inject(message) { |text, secret| text.gsub(secret, '******') }
    end

    # The same for BIOS attributes, on the BIOS resource in the iLO's tree. ilod reads
    # and writes its settings object. On an iLO 4 the attributes are properties; the
    # changes always name them as attributes.
    def ilod_bios_changes(attributes, **options)
      raise ArgumentError, 'no attribute is given' if attributes.empty?

      found = ilod('list', '@odata.id', '@odata.type', '--select', 'Bios.')
      raise Error, 'there are several BIOS resources: use ilod_resource with the path of one' unless found.is_a?(Hash)

      body = found['@odata.type'].start_with?('#Bios.') ? { 'Attributes' => attributes } : attributes
      ilod_changes(found['@odata.id'], body, **options).map do |change|
        change.merge('property' => change['property'].delete_prefix('/Attributes'))
      end
    end

    # The wanted properties with their values before the changes.
    def ilod_before(wanted, changes)
      changes.each_with_object(JSON.parse(JSON.generate(wanted))) do |change, before|
        *outer, name = change['property'].split('/').drop(1).map { |part| part.gsub('~1', '/').gsub('~0', '~') }
        object = outer.inject(before) { |inner, part| inner[part] if inner.is_a?(Hash) }
        object[name] = change['from'] if object.is_a?(Hash) && object.key?(name)
      end
    end

    private

    def ilod_failure(called)
      error = JSON.parse(called.stderr.lines.last)['error']
      error['hint'] ? "#{error['message']} (#{error['hint']})" : error['message']
    rescue JSON::ParserError, NoMethodError, TypeError
      "ilod: exit code #{called.exitstatus}: #{called.stderr.strip}"
    end

    def ilod_merged(first, second)
      first.merge(second) do |name, one, other|
        raise ArgumentError, "#{name} is given twice" unless one.is_a?(Hash) && other.is_a?(Hash)

        ilod_merged(one, other)
      end
    end

    # The leaves of an object as text, the longest first.
    def ilod_values(object)
      leaves = lambda do |value|
        case value
        when Hash then value.values.flat_map(&leaves)
        when Array then value.flat_map(&leaves)
        else [value.to_s]
        end
      end
      leaves.call(object).reject(&:empty?).sort_by { |leaf| -leaf.size }
    end
  end
end
