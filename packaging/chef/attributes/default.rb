# frozen_string_literal: true

# A deb or rpm on the node to install; nil: what the node's repositories have.
default['ilod']['package_source'] = nil

# The content of /etc/ilod/ilod.toml; nil: leave it as it is. No secrets belong there.
default['ilod']['configuration'] = nil
