# frozen_string_literal: true

# A deb or rpm on the node to install; nil: install from the node's repositories.
default['ilod']['package_source'] = nil

# The content of /etc/ilod/ilod.toml; nil: leave it as it is. Put no secrets there.
default['ilod']['configuration'] = nil
