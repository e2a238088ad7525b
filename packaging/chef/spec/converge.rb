# frozen_string_literal: true

# A stand-in for the little of Chef that this cookbook needs. It evaluates the cookbook's
# unmodified files on this machine:
#
#   ruby spec/converge.rb [--why-run] [--node JSON] RECIPE...
#
# It prints Chef's own resources and assumes that they succeed.

require 'json'
require 'mixlib/shellout'
require 'optparse'

COOKBOOK = File.expand_path('..', __dir__)

# The parts of Chef: properties, load_current_value, actions, converge_if_changed.
module StandIn
  class Invalid < ArgumentError; end
  class NoCurrentValue < RuntimeError; end

  def self.why_run? = @why_run
  def self.why_run! = @why_run = true

  # Chef offers this to resources and to actions.
  module ShellOut
    def shell_out(*command, **options) = Mixlib::ShellOut.new(*command, **options).run_command
  end

  # A property as a resource declares it.
  Property = Struct.new(:name, :type, :options) do
    def read(resource)
      return resource.values[name] if resource.values.key?(name)
      return convert(resource, resource.name) if options[:name_property]

      options.key?(:default) ? convert(resource, options[:default]) : nil
    end

    def convert(resource, value)
      value = resource.instance_exec(value, &options[:coerce]) if options[:coerce]
      raise Invalid, "Property #{name} must be one of: #{type}" unless Array(type).any? { |kind| kind === value }
      raise Invalid, "Property #{name} must match #{options[:regex]}" if options[:regex] && !options[:regex].match?(value)

      value
    end

    def set?(resource) = resource.values.key?(name) || options.key?(:default)

    def show(value) = options[:sensitive] ? '(suppressed sensitive property)' : value.inspect
  end

  # The files in resources/ are evaluated in this.
  class Resource
    include ShellOut
    attr_reader :name, :values

    OPTIONS = %i(name_property default required sensitive coerce regex description).freeze

    class << self
      attr_reader :properties, :names, :default_action, :body, :loader, :provider

      def declare(file)
        Class.new(self) do
          @properties = {}
          @provider = Class.new(Provider)
          class_eval(File.read(file), file)
        end
      end

      def provides(*names) = @names = names
      def unified_mode(on) = on || raise(Invalid, 'unified_mode')
      def description(_text) = nil
      def examples(_text) = nil
      def load_current_value(&block) = @loader = block
      def action_class(&) = @provider.class_eval(&)

      def action(name, description:, &block)
        raise Invalid, "#{name}: one action is enough here, with a description" if @body || description.empty?

        @default_action = name
        @body = block
      end

      def property(name, type, **options)
        raise Invalid, "property #{name}: #{options.keys - OPTIONS}" unless (options.keys - OPTIONS).empty?

        @properties[name] = declared = Property.new(name, type, options)
        define_method(name) do |*given|
          given.empty? ? declared.read(self) : values[name] = declared.convert(self, given.first)
        end
      end
    end

    def initialize(name)
      @name = name
      @values = {}
    end

    def current_value_does_not_exist! = raise(NoCurrentValue)
    def notifies(*) = nil

    # Before the load, only the identity of the resource is known.
    def self.load(wanted)
      new(wanted.name).tap do |current|
        properties.each_value { |p| current.values[p.name] = p.read(wanted) if p.options[:name_property] }
        current.instance_exec(wanted, &loader)
      end
    rescue NoCurrentValue
      nil
    end

    def converge
      self.class.properties.each_value do |p|
        raise Invalid, "#{p.name} is a required property" if p.options[:required] && p.read(self).nil?
      end
      provider = self.class.provider.new(self, self.class.load(self))
      puts "* #{self.class.names.first}[#{name}] action #{self.class.default_action}"
      provider.instance_exec(&self.class.body)
      puts '  (up to date)' unless provider.updated
      self.class.load(self) # as Chef does, for its report
    end
  end

  # The action's block runs in this.
  class Provider
    include ShellOut
    attr_reader :new_resource, :current_resource, :updated

    def initialize(wanted, current)
      @new_resource = wanted
      @current_resource = current
    end

    def converge_if_changed(*names)
      changed = names.map { |n| new_resource.class.properties.fetch(n) }
      changed = changed.select { |p| p.set?(new_resource) && p.read(new_resource) != p.read(current_resource) } if current_resource
      return if changed.empty?

      @updated = true
      puts "  - #{'Would ' if StandIn.why_run?}#{current_resource ? 'update' : 'create'} #{new_resource.name}"
      changed.each do |p|
        was = " (was #{p.show(p.read(current_resource))})" if current_resource && !p.options[:sensitive]
        puts "  -   set #{p.name} to #{p.show(p.read(new_resource))}#{was}"
      end
      yield unless StandIn.why_run?
    end
  end

  # One of Chef's own resources, as the recipe declares it.
  class Foreign < BasicObject
    def initialize = @said = {}
    def method_missing(name, *values) = @said[name] = values # rubocop:disable Style/MissingRespondToMissing
    def said! = @said
  end

  # A recipe is evaluated in this.
  class Recipe
    attr_reader :node

    FOREIGN = %i(package dpkg_package rpm_package file service).freeze

    def initialize(node) = @node = node

    def platform_family?(*families) = families.include?(node['platform_family'])

    def declare_resource(type, name, &block)
      raise Invalid, "no resource #{type}" unless FOREIGN.include?(type)

      foreign = Foreign.new
      foreign.instance_eval(&block) if block
      puts "#{type}[#{name}] #{JSON.generate(foreign.said!)}"
    end

    FOREIGN.each { |type| define_method(type) { |name, &block| declare_resource(type, name, &block) } }

    def self.provide(resource)
      resource.names.each do |type|
        define_method(type) do |name, &block|
          resource.new(name).tap { |wanted| wanted.instance_eval(&block) if block }.converge
        end
      end
    end
  end
end

node = Hash.new { |attributes, name| attributes[name] = {} }
OptionParser.new do |o|
  o.on('--why-run') { StandIn.why_run! }
  o.on('--node JSON') { |text| node[:given] = JSON.parse(text) }
end.parse!
attributes = Object.new
attributes.define_singleton_method(:default) { node }
Dir["#{COOKBOOK}/attributes/*.rb"].each { |file| attributes.instance_eval(File.read(file), file) }
node.delete(:given)&.each { |name, value| value.is_a?(Hash) ? node[name].update(value) : node[name] = value }
Dir["#{COOKBOOK}/libraries/*.rb"].each { |file| require file }
Dir["#{COOKBOOK}/resources/*.rb"].each { |file| StandIn::Recipe.provide(StandIn::Resource.declare(file)) }
begin
  ARGV.each { |file| StandIn::Recipe.new(node).instance_eval(File.read(file), file) }
rescue StandardError => e
  abort("#{e.class}: #{e.message}")
end
