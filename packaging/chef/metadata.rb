# frozen_string_literal: true

name 'ilod'
maintainer 'The authors of ilod'
maintainer_email 'ilod@users.noreply.github.com'
license 'Apache-2.0'
description 'The agent of an HPE server\'s local iLO, and settings of iLO and BIOS through it'
version '0.1.0'
chef_version '>= 16.0'
source_url 'https://github.com/ilod/ilod'
issues_url 'https://github.com/ilod/ilod/issues'

supports 'debian'
supports 'ubuntu'
supports 'redhat'
supports 'suse'
