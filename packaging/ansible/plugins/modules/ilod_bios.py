#!/usr/bin/python
# Copyright: The authors of ilod
# Apache-2.0 (see https://www.apache.org/licenses/LICENSE-2.0)

DOCUMENTATION = r'''
---
module: ilod_bios
short_description: BIOS settings of the local server
version_added: 0.1.0
description:
  - Sets BIOS attributes of the local server to the wanted values, with the next reset of the server. The module does
    not reset it.
  - The module finds the resource in the iLO's tree. It compares and changes the settings object, so it does not send
    again what already waits for a reset.
options:
  attributes:
    description: BIOS attributes and their values, as C(ilod list --select Bios.) names them.
    type: dict
    required: true
author:
  - The authors of ilod (@ilod)
requirements:
  - ilod on the managed host
  - root, or a role in the configuration of ilod's agent that may make the change
notes:
  - Supports C(check_mode) and C(diff).
'''

EXAMPLES = r'''
- name: Set the BIOS settings
  ilod.ilod.ilod_bios:
    attributes:
      WorkloadProfile: Virtualization-MaxPerformance
      BootMode: Uefi
  register: bios

- name: Reset the server if a setting waits for that
  ansible.builtin.reboot:
  when: bios.reboot_required
'''

RETURN = r'''
changes:
  description: Differences from the settings that wait for a reset. In check mode they are not changed.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Path of the settings object.
      type: str
    property:
      description: The property, as a JSON pointer.
      type: str
    from:
      description: Its value before.
      type: raw
    to:
      description: Its value after.
      type: raw
  sample:
    - path: /redfish/v1/systems/1/bios/settings/
      property: /Attributes/BootMode
      from: LegacyBios
      to: Uefi
result:
  description: The result of the transaction, such as C(unchanged) or C(committed).
  returned: never in check mode
  type: str
reboot_required:
  description: Whether one of the attributes waits for a reset of the server, from this run or from an earlier one.
  returned: success
  type: bool
error:
  description: Name of ilod's exit code, as C(ilod help exit-codes) has it.
  returned: failure
  type: str
'''

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ilod.ilod.plugins.module_utils.ilod import ensure, run_ilod


def waits(module, path, attributes):
    """Return whether one of the attributes differs from what is in effect."""
    for resource in run_ilod(module, 'pending', '--fresh'):
        if resource['path'].rstrip('/') == path.rstrip('/'):
            if any(d['property'] in attributes for d in resource['differences']):
                return True
    return False


def main():
    module = AnsibleModule(
        argument_spec={'attributes': {'type': 'dict', 'required': True}},
        supports_check_mode=True,
    )
    attributes = module.params['attributes']
    if not attributes:
        module.fail_json(msg='attributes must name an attribute')
    found = run_ilod(module, 'list', '@odata.id', '@odata.type', '--select', 'Bios.')
    if not isinstance(found, dict):
        module.fail_json(msg='there are several BIOS resources: use ilod_resource with the path of one of them')
    path = found['@odata.id']
    # On an iLO 4 the attributes are properties.
    body = {'Attributes': attributes} if found['@odata.type'].startswith('#Bios.') else attributes
    result = ensure(module, path, body)
    # A change back to what is in effect needs no reset. Check mode cannot know that yet.
    needed = result.get('reboot_required', result['changed'])
    result['reboot_required'] = needed or waits(module, path, attributes)
    module.exit_json(**result)


if __name__ == '__main__':
    main()
