#!/usr/bin/python
# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: ledger
short_description: Show, update, merge, export or clear what was proven on which machines
version_added: 0.1.0
author: [fleet.kexec contributors (@fleet-kexec)]
description:
  - Keeps the ledger of reboots, a file on the controller. It counts reboots by class, which is a host class (the machine with its
    firmware and the drivers of its network, storage and graphics devices) with the kernels before and after the reboot.
  - M(fleet.kexec.rolling_reboot) updates the ledger by itself at the end of a run. Whatever is taken in again counts once.
  - A class is proven after O(proven_after) reboots by kexec that went well, and unproven before. It is blocked from the moment
    when a reboot by kexec failed or brought back a degraded machine until someone clears it.
  - The ledger has no names of hosts.
  - Runs once, on the controller, for all hosts. Connects to no host.
extends_documentation_fragment: [fleet.kexec.attributes, fleet.kexec.attributes.action, fleet.kexec.attributes.action_group]
attributes:
  action_group:
    membership: [fleet.kexec.journal]
  bypass_host_loop:
    support: full
  check_mode:
    support: full
  diff_mode:
    support: full
    details: A line for each class. As elsewhere in Ansible, more than 100 KiB are not shown.
options:
  state:
    description:
      - V(updated) takes in the journals in O(run_directory) that have grown since, the ledgers of O(merge), and with
        O(histories) the latest boots of the play's hosts.
      - V(cleared) does so, too, and then clears the classes that O(host_class), O(before) and O(after) name.
      - V(shown) only reads the ledger.
      - V(exported) copies it to O(dest), for O(merge) on another controller.
    type: str
    choices: [updated, shown, exported, cleared]
    default: updated
  ledger:
    description: Path of the ledger. If omitted, C(ledger.json) in O(run_directory).
    type: path
  run_directory:
    description: Directory of the journals, as O(fleet.kexec.rolling_reboot#module:run_directory).
    type: path
  merge:
    description: Paths of ledgers that other controllers exported. A run that several of them have counts once.
    type: list
    elements: path
    default: []
  histories:
    description:
      - Whether the latest boot of each host of the play is taken in, from the fact C(history) that M(fleet.kexec.boot_facts) has
        gathered, unless a run made it. It is that of M(fleet.kexec.reboot), of C(fleet-kexec) on the console, or of others.
      - A history does not say what a reboot was meant to be, so it adds no failures. Reboots from the console count only with the
        fact C(hardware), and a machine that is not what it was before, by the fact C(machine), does not count.
    type: bool
    default: false
  dest:
    description: Path of the copy. Required if O(state=exported).
    type: path
  host_class:
    description: Host class to clear, as the result has it. Required if O(state=cleared).
    type: str
  before:
    description: Kernel before the reboot, of the classes to clear. If omitted, any.
    type: str
  after:
    description: Kernel after the reboot, of the classes to clear. If omitted, any.
    type: str
  reason:
    description: Purpose of the clearing, which the ledger keeps with the name of the user and the time. Required if
      O(state=cleared).
    type: str
  proven_after:
    description: Number of reboots by kexec that went well after which a class is proven.
    type: int
    default: 1
  names:
    description: Whether the result names the hosts that failed or came back degraded. They are looked up in the journals.
    type: bool
    default: false
seealso:
  - module: fleet.kexec.rolling_reboot
  - module: fleet.kexec.report
"""

EXAMPLES = r"""
- name: Show what was proven on which machines
  fleet.kexec.ledger:
  register: proven

- name: Require that no class is blocked
  ansible.builtin.assert:
    that: proven.totals.blocked == 0

- name: Merge the ledgers of two other controllers
  fleet.kexec.ledger:
    merge: [/srv/ledgers/admin1.json, /srv/ledgers/admin2.json]

- name: Clear a class
  fleet.kexec.ledger:
    state: cleared
    host_class: Dell Inc. PowerEdge R650, board 0F2X5K, firmware 2.14.1, drivers ixgbe nvme
    after: 6.12.57+deb13-amd64
    reason: the cable of eth1 was loose, CHG-4711
"""

RETURN = r"""
ledger:
  description: Path of the ledger.
  returned: success
  type: str
  sample: /home/admin/.local/state/fleet.kexec/runs/ledger.json
dest:
  description: Path of the copy.
  returned: if O(state=exported)
  type: str
totals:
  description: Numbers of classes, in all and by standing.
  returned: success
  type: dict
  sample: {classes: 3, proven: 2, unproven: 0, blocked: 1}
lines:
  description: The ledger in words, a line for each class, with O(names=true) one for each host that failed below it, and one for
    the totals.
  returned: success
  type: list
  elements: str
classes:
  description: Classes, blocked ones first.
  returned: success
  type: list
  elements: dict
  contains:
    host_class:
      description: Host class.
      type: str
      sample: Dell Inc. PowerEdge R650, board 0F2X5K, firmware 2.14.1, drivers ixgbe nvme
    before:
      description: Kernel before the reboot. Empty if unknown.
      type: str
    after:
      description: Kernel after it, or that which was staged. Empty if unknown.
      type: str
    standing:
      description: V(proven), V(unproven) or V(blocked).
      type: str
    kexec:
      description: Number of reboots by kexec that went well.
      type: int
    degraded:
      description: Number of reboots by kexec after which the machine was not the same.
      type: int
    failed:
      description: Number of hosts that were to reboot by kexec, and did not come back, or not as staged.
      type: int
    unclear:
      description: Number of reboots by kexec after which something else went wrong, such as a hook or a login.
      type: int
    firmware:
      description: Number of reboots through firmware, as intended.
      type: int
    firmware_failed:
      description: Number of reboots through firmware that failed.
      type: int
    fallbacks:
      description: Number of degraded or failed reboots after which the host went through firmware or was power-cycled.
      type: int
    failure_bound:
      description: Upper bound on the probability that a reboot by kexec of this class fails or ends degraded, at 95 % confidence.
        Null if there was none.
      type: float
      sample: 0.00994
    differences:
      description: Number of reboots by kexec or through firmware after which something was different, by code.
      type: dict
      sample: {CLOCKSOURCE_CHANGED: 2}
    durations:
      description: Durations of reboots that went well, by path and phase, each with C(count), C(p50_ms), C(p95_ms) and
        C(longest_ms), within 4.5 %.
      type: dict
      sample: {kexec: {outage: {count: 12, p50_ms: 8548.0, p95_ms: 10165.0, longest_ms: 10165.0}}}
    last_at:
      description: Time of the last reboot, in UTC. Null if it is no longer known.
      type: str
    failed_at:
      description: Time of the last one that failed or ended degraded. Null if there was none.
      type: str
    cleared:
      description: Latest clearing, with C(at), C(by) and C(reason). Null if there was none.
      type: dict
    bad_hosts:
      description: Names of up to 20 hosts that failed or came back degraded, as far as there are journals.
      returned: if O(names=true)
      type: list
      elements: str
code:
  description: Code of the failure. The collection's documentation lists all codes.
  returned: failure
  type: str
  sample: LEDGER_CLASS_UNKNOWN
hint:
  description: How to resolve the failure.
  returned: failure
  type: str
"""
