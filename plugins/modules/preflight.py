#!/usr/bin/python
# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Show how the hosts of a play would reboot
version_added: 0.1.0
author: [fleet.kexec contributors (@fleet-kexec)]
description:
  - Shows a table of how each host of the play would reboot, and why, from the facts that M(fleet.kexec.boot_facts) has gathered.
    The playbook C(fleet.kexec.preflight) gathers them first.
  - From 41 hosts on, hosts that would reboot alike share a row, with their number and their names.
  - The table is shown as text, whatever callback plugin is used, except for those that write JSON. It fits the terminal, by
    leaving out columns; in a log it has all of them.
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
    support: none
options:
  ledger:
    description:
      - Path of the ledger (M(fleet.kexec.ledger)), by which hosts of classes that failed before go through firmware, and those of
        unproven classes are warned of, as the policy of each host says. If omitted, C(ledger.json) in O(run_directory).
      - Classes are those of the fact C(hardware). A rolling reboot that names its O(fleet.kexec.rolling_reboot#module:host_class)
        shows its own in check mode.
      - One that is missing or damaged is warned of, and replaced by what the newest journals have. Nothing is written.
    type: path
  run_directory:
    description: Directory of the journals, as O(fleet.kexec.rolling_reboot#module:run_directory).
    type: path
  proven_after:
    description: Number of reboots by kexec that went well after which a class is proven.
    type: int
    default: 1
seealso:
  - module: fleet.kexec.boot_facts
  - module: fleet.kexec.rolling_reboot
"""

EXAMPLES = r"""
- name: Show how the web servers would reboot
  hosts: web
  become: true
  gather_facts: false
  tasks:
    - name: Read the hosts
      fleet.kexec.boot_facts:

    - name: Show how they would reboot
      fleet.kexec.preflight:
      register: preflight

    - name: Require that none is refused
      ansible.builtin.assert:
        that: preflight.totals.refused == 0
      run_once: true
"""

RETURN = r"""
totals:
  description: Numbers of hosts in total (C(hosts)), by method (C(kexec), C(firmware), C(refused)), able to reboot softly if that
    is asked for (C(soft)), by the method that O(fleet.kexec.reboot#module:method=least) would take (C(least_none), C(least_soft),
    C(least_kexec), C(least_firmware)), without valid facts (C(unread)), with a fast image (C(fast_image)), in need of a reboot
    (C(reboot_needed)), and by O(ledger) of a class that is not proven (C(unproven)) or that failed (C(class_failed)), unless the
    policy allows it.
  returned: always
  type: dict
  sample: {hosts: 3, kexec: 1, fast_image: 1, firmware: 1, refused: 1, soft: 2, least_none: 0, least_soft: 1, least_kexec: 1,
    least_firmware: 0, unread: 0, reboot_needed: 2, unproven: 1, class_failed: 1}
hosts:
  description: For each host, by its name, C(method), C(image), C(integrity), C(loader), C(predicted_ms), C(notes) and
    C(release) of its verdict, C(running_release), C(last_boot), and the facts C(entry), C(reboot_needed), C(soft), C(blockers),
    C(warnings), C(staged) and C(loaded) of M(fleet.kexec.boot_facts). C(least) has the C(method) that
    O(fleet.kexec.reboot#module:method=least) would take (null for none), the one that V(auto) would take
    (C(auto)), why lesser ones are C(ruled_out), and by how many seconds the outage is predicted to be shorter than by other
    methods (C(saves_s)), from earlier runs. Null for a host without valid facts.
  returned: always
  type: dict
unread:
  description: Why there are no valid facts of a host, by its name, with C(code), C(message) and C(hint).
  returned: always
  type: dict
  sample: {db1: {code: FACTS_UNREADABLE, hint: Correct what the message of the failed module reports.,
    message: "there are no facts of this host: boot_facts did not run on it, or failed"}}
"""
