#!/usr/bin/python
# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: outcome
short_description: Have each host end as it ended in a rolling reboot
version_added: 0.1.0
author:
  - fleet.kexec contributors (@fleet-kexec)
description:
  - Reads the journal of a run of M(fleet.kexec.rolling_reboot) and, for each host, fails if the host was not rebooted as
    asked, and sets its facts.
  - A rolling reboot is one task for all hosts, which can't fail for some of them. With this task behind it, the rest of the
    play goes on with the hosts that are well, and the play recap tells the others.
  - Nothing is connected to; all is in the journal.
extends_documentation_fragment:
  - fleet.kexec.attributes
  - fleet.kexec.attributes.action
  - fleet.kexec.attributes.facts
attributes:
  check_mode:
    support: full
    details: A check mode run of a rolling reboot has no journal, so there is nothing to read, and no host fails.
  diff_mode:
    support: none
  facts:
    support: full
options:
  run_id:
    description: The run, by its name, or V(latest).
    type: str
    default: latest
  run_directory:
    description: Where journals are kept, as O(fleet.kexec.rolling_reboot#module:run_directory).
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
    run_id: "{{ rollout.run_id | default(omit) }}"
"""

RETURN = r"""
status:
  description:
    - How the host ended, as RV(fleet.kexec.rolling_reboot#module:hosts) has it, or V(unfinished) if the controller ended
      before.
  returned: unless in check mode
  type: str
  sample: done
outcome:
  description: All that is known of it, as RV(fleet.kexec.rolling_reboot#module:hosts) has it.
  returned: unless in check mode
  type: dict
ansible_facts:
  description: Facts of the host; C(fleet_kexec.last_boot) is RV(outcome), for hosts that rebooted.
  returned: unless in check mode
  type: dict
code:
  description: Why it failed. The collection's documentation lists all codes.
  returned: failure
  type: str
  sample: REBOOT_TIMEOUT
hint:
  description: What to do about it.
  returned: failure
  type: str
"""
