require_relative '../ilod'

Puppet::Type.type(:ilod_bios).provide(:cli, parent: Puppet::Provider::Ilod) do
  desc 'Runs the command line of ilod.'

  commands ilod: 'ilod'

  class << self
    # How to reset the server at the end of the run; nil: no reset.
    attr_accessor :reboot

    # The path and the type of the BIOS resource, which differ between iLO generations.
    # A run asks for them once.
    def bios(selector)
      @bios ||= {}
      @bios[selector] ||= ilod('get', '--select', selector, '--json', '@odata.id', '@odata.type')
    end

    def post_resource_eval
      how = reboot
      self.reboot = @bios = nil
      return super unless how

      Puppet.notice("Ilod_bios: reset of the server: #{how}")
      ilod('reboot', how, '--json')
    end
  end

  def path
    bios['@odata.id']
  end

  # On an iLO 4 the attributes are properties.
  def body(attributes)
    bios['@odata.type'].start_with?('#Bios.') ? { 'Attributes' => attributes } : attributes
  end

  def changes(attributes)
    super.map { |c| c.merge('property' => c['property'].delete_prefix('/Attributes')) }
  end

  def reset_required
    self.class.reboot = resource[:reboot].to_s unless resource[:reboot] == :false
  end

  private

  def bios
    self.class.bios(resource[:path] || 'Bios.')
  end
end
