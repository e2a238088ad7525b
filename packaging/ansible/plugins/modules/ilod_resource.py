#!/usr/bin/python
# Copyright: The authors of ilod
# Apache-2.0 (see https://www.apache.org/licenses/LICENSE-2.0)

DOCUMENTATION = r'''
---
module: ilod_resource
short_description: Properties of a Redfish resource of the local iLO
version_added: 0.1.0
description:
  - Sets properties of a resource of the local iLO to the wanted values. The module runs on the server.
  - It sends only what differs, as one transaction, and checks it first. If the iLO refuses a part, C(ilod) undoes the
    rest as far as the iLO lets it.
  - It reads the present state from the iLO, so it sees changes from elsewhere.
options:
  path:
    description: Path of the resource.
    type: str
    required: true
  properties:
    description:
      - Properties in the form that the resource has, also nested. Other properties stay as they are; an array is
        replaced as a whole.
      - Types matter. A template gives a string unless its task uses a filter such as C(int) and C(jinja2_native) is on.
    type: dict
    default: {}
  secrets:
    description:
      - More properties in the same form. No output and no log shows their values.
      - The iLO shows no passwords, so the module cannot compare them. A task that sets one changes the host in each run.
    type: dict
    default: {}
author:
  - The authors of ilod (@ilod)
requirements:
  - ilod on the managed host
  - root, or a role in the configuration of ilod's agent that may make the change
notes:
  - Supports C(check_mode) and C(diff).
  - Without ilod's agent each task opens its own session on the iLO and deletes it.
'''

EXAMPLES = r'''
- name: Set the asset tag, and boot from the network once
  ilod.ilod.ilod_resource:
    path: /redfish/v1/Systems/1/
    properties:
      AssetTag: rack 7
      Boot:
        BootSourceOverrideEnabled: Once
        BootSourceOverrideTarget: Pxe

- name: Set the password of an account of the iLO
  ilod.ilod.ilod_resource:
    path: /redfish/v1/AccountService/Accounts/1/
    secrets:
      Password: "{{ ilo_password }}"
'''

RETURN = r'''
changes:
  description: What differed, or in check mode differs. Secrets are hidden.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Path of the resource that takes the change. It may be the settings object of the given resource.
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
    - path: /redfish/v1/Systems/1/
      property: /AssetTag
      from: ''
      to: rack 7
result:
  description: What became of the transaction, such as C(unchanged), C(committed), C(accepted) (the iLO still
    works at it), C(rolled-back) or C(partly-rolled-back).
  returned: when something was sent, or nothing was to be sent; never in check mode
  type: str
reboot_required:
  description: Whether the change is effective only after a reset of the server.
  returned: success, but not in check mode
  type: bool
ilo_reset_required:
  description: Whether the change is effective only after a reset of the iLO, which leaves the server running.
  returned: success, but not in check mode
  type: bool
device_reset_required:
  description: Whether the change is effective only after a reset of a device, such as a drive or the chassis.
  returned: success, but not in check mode
  type: bool
error:
  description: Name of ilod's exit code, as C(ilod help exit-codes) has it.
  returned: failure
  type: str
'''

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ilod.ilod.plugins.module_utils.ilod import ensure, merged


def main():
    module = AnsibleModule(
        argument_spec={
            'path': {'type': 'str', 'required': True},
            'properties': {'type': 'dict', 'default': {}},
            'secrets': {'type': 'dict', 'default': {}, 'no_log': True},
        },
        supports_check_mode=True,
    )
    secrets = module.params['secrets']
    try:
        body = merged(module.params['properties'], secrets)
    except ValueError as e:
        module.fail_json(msg=str(e))
    if not body:
        module.fail_json(msg='properties or secrets must name a property')
    module.exit_json(**ensure(module, module.params['path'], body, secrets))


if __name__ == '__main__':
    main()
