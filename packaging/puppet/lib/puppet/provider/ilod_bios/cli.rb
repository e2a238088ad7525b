require_relative '../ilod'

Puppet::Type.type(:ilod_bios).provide(:cli, parent: Puppet::Provider::Ilod) do
  desc 'Asks the command line of ilod.'

  commands ilod: 'ilod'

  class << self
    # How the server is to be reset at the end of the run, nil if not.
    attr_accessor :reboot

    # The resource of the BIOS: where it is and its type, which differ by the generation
    # of the iLO. It is asked once in a run.
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

  # An iLO 4 has the attributes as properties.
  def body(attributes)
    bios['@odata.type'].start_with?('#Bios.') ? { 'Attributes' => attributes } : attributes
  end

  def changes(attributes)
    super.map { |c| c.merge('Property' => c['Property'].delete_prefix('/Attributes')) }
  end

  def reset_required
    self.class.reboot = resource[:reboot].to_s unless resource[:reboot] == :false
  end

  private

  def bios
    self.class.bios(resource[:path] || 'Bios.')
  end
end
