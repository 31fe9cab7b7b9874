#!/usr/bin/python
# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: outcome
short_description: Fail the hosts that failed in a rolling reboot
version_added: 0.1.0
author: [fleet.kexec contributors (@fleet-kexec)]
description:
  - Reads the journal of a run of M(fleet.kexec.rolling_reboot). For each host, sets its facts, and fails if it was not rebooted
    as requested. A host that was left out because it needs no reboot succeeds.
  - A rolling reboot is one task for all hosts and cannot fail for only some of them. After this task, the play continues with the
    hosts that succeeded, and the play recap shows the others.
  - A host that the conditions of the rolling reboot left out is skipped.
  - Connects to no host; everything is in the journal.
extends_documentation_fragment:
  - fleet.kexec.attributes
  - fleet.kexec.attributes.action
  - fleet.kexec.attributes.facts
  - fleet.kexec.attributes.action_group
attributes:
  action_group:
    membership: [fleet.kexec.journal]
  check_mode:
    support: full
    details: A rolling reboot in check mode writes no journal, so nothing is read and no host fails.
  diff_mode:
    support: none
  facts:
    support: full
options:
  run_id:
    description: Name of the run, or V(latest). An empty name fails (C(NO_RUN)), as for the result of a task that was skipped.
    type: str
    default: latest
  run_directory:
    description: Directory of the journals, as O(fleet.kexec.rolling_reboot#module:run_directory).
    type: path
seealso:
  - module: fleet.kexec.rolling_reboot
"""

EXAMPLES = r"""
- name: Reboot
  fleet.kexec.rolling_reboot:
    window: 2
    failures: report
  run_once: true
  become: true
  register: rollout

- name: Fail the hosts that failed
  fleet.kexec.outcome:
    run_id: "{{ rollout.run_id | default('') }}"
"""

RETURN = r"""
status:
  description: Status of the host, as in RV(fleet.kexec.rolling_reboot#module:hosts), or V(unfinished) if the controller ended
    first.
  returned: unless in check mode
  type: str
  sample: done
outcome:
  description: Everything known about the host's reboot, as in RV(fleet.kexec.rolling_reboot#module:hosts).
  returned: unless in check mode
  type: dict
ansible_facts:
  description: Facts of the host. C(fleet_kexec.last_boot) is RV(outcome), for hosts that rebooted.
  returned: unless in check mode
  type: dict
code:
  description: Code of the failure. The collection's documentation lists all codes.
  returned: failure
  type: str
  sample: REBOOT_TIMEOUT
hint:
  description: How to resolve the failure.
  returned: failure
  type: str
"""
