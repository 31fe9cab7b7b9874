#!/usr/bin/python
# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: machine
short_description: Remember a machine before a reboot, and compare it after
version_added: 0.1.0
author: [fleet.kexec contributors (@fleet-kexec)]
description:
  - Takes a snapshot of what a host is - devices, links, processors, memory, disks, mounts, units - before a reboot, and reports
    what came back different after it.
  - A loss or a change for the worse is a difference, a gain is none. Nor is what was as bad before, nor what a new kernel is
    meant to bring. Only what is physical, or what the host's configuration asks for, is compared. The guide to proof in the
    collection's documentation lists all of it.
  - M(fleet.kexec.reboot) and M(fleet.kexec.rolling_reboot) run this module by themselves. Use it around reboots by other means.
extends_documentation_fragment:
  - fleet.kexec.attributes
  - fleet.kexec.attributes.action_group
  - fleet.kexec.policy
attributes:
  action_group:
    membership: [fleet.kexec.policy]
  check_mode:
    support: full
    details: Takes the snapshot without writing it.
  diff_mode:
    support: none
options:
  state:
    description:
      - V(remembered) takes a snapshot and writes it to C(/var/lib/fleet-kexec/machine.json) on the host, in the place of an
        earlier one.
      - V(compared) compares the host with that snapshot, and changes nothing.
    type: str
    choices: [compared, remembered]
    default: compared
  settle:
    description:
      - Longest time in seconds to wait for devices, links and units that come late.
      - The comparison is repeated until no difference is left that time can mend, so a host that came back as it was takes one.
    type: int
    default: 30
  system:
    description:
      - System in which the machine has to have been remembered, by its boot_id, followed by V(+) and the number of soft reboots
        since then if there were any.
      - A snapshot of another system is not compared with (C(MACHINE_UNKNOWN)). C(/var) may have been rolled back to an old one.
      - Any earlier system will do by default.
    type: str
notes:
  - Needs root, so usually C(become=true).
  - Differences never fail this module, whatever their effect.
seealso:
  - module: fleet.kexec.reboot
  - module: fleet.kexec.boot_facts
"""

EXAMPLES = r"""
- name: Remember the machine
  fleet.kexec.machine:
    state: remembered
  become: true

- name: Reboot it by other means
  ansible.builtin.reboot:
  become: true

- name: Compare it with what it was
  fleet.kexec.machine:
    settle: 60
    policy:
      CLOCKSOURCE_CHANGED: fail
      SWAP_LOST: ignore
  become: true
  register: machine

- name: Fail if something was lost
  ansible.builtin.assert:
    that: machine.differences | selectattr('effect', 'eq', 'fail') | length == 0
    fail_msg: "{{ machine.differences | map(attribute='message') | join('; ') }}"
"""

RETURN = r"""
machine:
  description: The snapshot that was written, or would be in check mode.
  returned: state is remembered
  type: dict
  contains:
    boot_id:
      description: ID of the current boot.
      type: str
      sample: 0e0a6d8e-9a0f-4d8e-8a4f-1d6f0a4b9c55
    soft_reboots:
      description: Number of soft reboots since that boot.
      type: int
      sample: 0
    taken_at:
      description: Time of the snapshot, in UTC.
      type: str
      sample: "2026-11-24T19:00:00Z"
    model:
      description: Vendor and product of the machine, as firmware names them. Empty if unknown.
      type: str
      sample: Dell Inc. PowerEdge R650
model:
  description: Vendor and product of the machine, as firmware names them. Empty if unknown.
  returned: state is compared
  type: str
  sample: Dell Inc. PowerEdge R650
compared:
  description: Whether there was a snapshot of an earlier boot to compare with.
  returned: state is compared
  type: bool
before:
  description: That snapshot, with C(boot_id), C(soft_reboots) and C(taken_at). Null if there is none that can be read.
  returned: state is compared
  type: dict
  sample: {boot_id: 5b1b4c0e-6d2f-4f8b-9a39-0c7f2f3f0d11, soft_reboots: 0, taken_at: "2026-11-24T19:00:00Z"}
settled_ms:
  description: Time from the first comparison to the last.
  returned: state is compared
  type: int
  sample: 0
differences:
  description:
    - Differences that the policy does not ignore, each with C(code), C(subject), C(before), C(after), C(effect) and C(message).
      Those with the effect V(fail) come first, then those with V(warn). C(before) and C(after) are null for what was not there.
    - C(MACHINE_UNKNOWN) is the only one if there was nothing to compare with.
  returned: state is compared
  type: list
  elements: dict
  sample:
    - code: NIC_NO_CARRIER
      subject: eno2
      before: link up
      after: no link
      effect: fail
      message: the network interface eno2 has no link
code:
  description: Code of the failure. The collection's documentation lists all codes.
  returned: failure
  type: str
  sample: MACHINE_NOT_REMEMBERED
hint:
  description: How to resolve the failure.
  returned: failure
  type: str
"""

import time
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleet.kexec.plugins.module_utils._command import run_command
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._host.running_system import read_system_id
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.policy import read_policy
from ansible_collections.fleet.kexec.plugins.module_utils._machine.reading import take_snapshot
from ansible_collections.fleet.kexec.plugins.module_utils._machine.remembered import read_machine, remember
from ansible_collections.fleet.kexec.plugins.module_utils._machine.settling import compare_settled
from ansible_collections.fleet.kexec.plugins.module_utils._module import run_module
from ansible_collections.fleet.kexec.plugins.module_utils._options import policy_argument_spec
from ansible_collections.fleet.kexec.plugins.module_utils._privileges import require_root


def work(module: AnsibleModule) -> Dict[str, Any]:
    require_root()
    files = HostFiles()
    # A mistake in the policy is better found before the reboot.
    policy = read_policy(files).override(module.params["policy"] or {}, "policy")
    if module.params["state"] == "remembered":
        machine = read_machine(files, run_command, time.time())
        if not module.check_mode:
            remember(files, machine)
        return {"changed": True, "machine": dict(machine.summary(), model=machine.model)}
    comparison = compare_settled(
        files,
        read_system_id(files, run_command),
        policy.effects,
        module.params["settle"],
        remembered=module.params["system"],
        take=lambda: take_snapshot(files, run_command),
        clock=time.monotonic,
        sleep=time.sleep,
    )
    return dict(comparison.as_dict(), changed=False)


def main() -> None:
    argument_spec = dict(
        policy_argument_spec(),
        state={"type": "str", "choices": ["compared", "remembered"], "default": "compared"},
        settle={"type": "int", "default": 30},
        system={"type": "str"},
    )
    module = AnsibleModule(argument_spec=argument_spec, supports_check_mode=True)
    run_module(module, lambda: work(module))


if __name__ == "__main__":
    main()
