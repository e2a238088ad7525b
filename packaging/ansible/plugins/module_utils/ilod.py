# Copyright: The authors of ilod
# Apache-2.0 (see https://www.apache.org/licenses/LICENSE-2.0)

"""What the modules have in common: they call the program ilod on the host."""

import json
import re

# ilod's exit code for a commit that the iLO has accepted and not finished.
ACCEPTED = 105


def run_ilod(module, *arguments, operations=None, secret=False):
    """Return what ilod prints as JSON; operations go to its standard input.

    What ilod says of a failure fails the module. With secret that shows no value
    from the operations; Ansible knows only those that are there unabridged.
    """
    data = json.dumps({'operations': operations}) if operations else None
    command = [module.get_bin_path('ilod', required=True, opt_dirs=['/usr/local/bin'])]
    code, out, err = module.run_command(command + list(arguments) + ['--json'], data=data)
    if code in (0, ACCEPTED):
        return json.loads(out)
    failure = {'rc': code}
    try:  # ilod may have said something before it failed
        error = json.loads(err.strip().splitlines()[-1])['error']
        failure['msg'] = error['message']
        failure['error'] = error['name']
        if error.get('hint'):
            failure['msg'] += f" ({error['hint']})"
    except (IndexError, KeyError, TypeError, ValueError):
        failure['msg'] = err.strip() or f'ilod failed with exit code {code}'
    try:  # a commit that failed prints what became of each write
        failure['result'] = json.loads(out)['result']
    except (KeyError, TypeError, ValueError):
        pass
    if secret:
        failure['msg'] = re.sub(r'"(?:[^"\\]|\\.)*"', '"******"', failure['msg'])
    module.fail_json(**failure)


def merged(first, second, where=''):
    """Return both objects as one; fail on a property that is in both."""
    both = dict(first)
    for name, value in second.items():
        path = f'{where}/{name}'
        if name not in first:
            both[name] = value
        elif isinstance(first[name], dict) and isinstance(value, dict):
            both[name] = merged(first[name], value, path)
        else:
            raise ValueError(f'{path} is given twice')
    return both


def pointers(value, where=''):
    """Return the JSON pointers of what is in an object."""
    if not isinstance(value, dict):
        return [where]
    found = []
    for name, inner in value.items():
        found += pointers(inner, where + '/' + str(name).replace('~', '~0').replace('/', '~1'))
    return found


def hide(changes, secrets):
    """Hide the values of the changes that have to do with secrets, the former ones too."""
    secret = [p + '/' for p in pointers(secrets)]
    for c in changes:
        at = c['property'] + '/'
        if any(at.startswith(p) or p.startswith(at) for p in secret):
            c['from'] = c['to'] = '******'


def ensure(module, path, body, secrets=None):
    """Give the resource at path the properties of body, and return the module's result.

    In check mode nothing is sent. Only what differs from the iLO's present state counts
    and is sent, as one transaction. The values of secrets, which are part of body, are
    not in the result.
    """
    arguments = ['tx', 'run', '--needed', '-']
    if module.check_mode:
        arguments.append('--dry-run')
    operations = [{'method': 'PATCH', 'path': path, 'body': body}]
    answer = run_ilod(module, *arguments, operations=operations, secret=bool(secrets))
    changes = answer['changes']
    hide(changes, secrets or {})
    result = {
        'changed': bool(changes),
        'changes': [
            {'path': c['path'], 'property': c['property'], 'from': c['from'], 'to': c['to']} for c in changes
        ],
    }
    if not module.check_mode:
        result['result'] = answer['result']
        result['reboot_required'] = answer['resetRequired']
        reset = answer.get('reset') or {}  # there is none if nothing was sent
        result['ilo_reset_required'] = reset.get('ilo', False)
        result['device_reset_required'] = reset.get('device', False)
    if module._diff:
        result['diff'] = {
            'before_header': path,
            'after_header': path,
            'before': {c['property']: c['from'] for c in changes},
            'after': {c['property']: c['to'] for c in changes},
        }
    return result
