#!/usr/bin/python
# Copyright: The authors of ilod
# Apache-2.0 (see https://www.apache.org/licenses/LICENSE-2.0)

DOCUMENTATION = r'''
---
module: ilod_facts
short_description: Inventory and health of the local server
version_added: 0.1.0
description:
  - Sets the fact C(ilod) to what the iLO knows about the local server.
  - It reads from the cache of C(ilod) if that is fresh enough, otherwise from the iLO.
options:
  offline:
    description:
      - Use the cache, however old it is, and open no session on the iLO.
      - The module fails if the cache is empty.
    type: bool
    default: false
author:
  - The authors of ilod (@ilod)
requirements:
  - ilod on the managed host
  - root, or a role in the configuration of ilod's agent
notes:
  - Supports C(check_mode).
'''

EXAMPLES = r'''
- name: Read the inventory from the cache
  ilod.ilod.ilod_facts:
    offline: true

- name: Show it
  ansible.builtin.debug:
    msg: "{{ ansible_facts.ilod.system.model }}, {{ ansible_facts.ilod.state }}"
'''

RETURN = r'''
ansible_facts:
  description: The fact C(ilod), with the output of C(ilod health --json).
  returned: success
  type: dict
  contains:
    ilod:
      description:
        - C(system), C(firmware), C(licenses), C(processors), C(memory), C(drives), C(fans), C(temperatures),
          C(powerSupplies), C(power), C(log), C(parts) with the state of each kind, C(problems).
        - C(state) is the state of the whole server; C(age) is the age of the oldest data, in seconds.
      type: dict
      returned: always
'''

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ilod.ilod.plugins.module_utils.ilod import run_ilod


def main():
    module = AnsibleModule(argument_spec={'offline': {'type': 'bool', 'default': False}}, supports_check_mode=True)
    arguments = ['health']
    if module.params['offline']:
        arguments.append('--offline')
    module.exit_json(changed=False, ansible_facts={'ilod': run_ilod(module, *arguments)})


if __name__ == '__main__':
    main()
