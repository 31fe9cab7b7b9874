#!/usr/bin/python
# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: check_variables
short_description: Fail hosts that have misspelt variables
version_added: 0.1.0
author: [fleet.kexec contributors (@fleet-kexec)]
description:
  - Fails a host that has a variable which begins with O(prefix) and is not O(known). The message has the known name that is most
    like it.
  - Names that begin with C(fleet_kexec_) are always checked. C(fleet_kexec_become), C(fleet_kexec_hosts) and
    C(fleet_kexec_policy) are known.
  - Ansible takes a misspelt variable for one that nobody uses, and M(ansible.builtin.validate_argument_spec) checks only known
    ones. The collection's roles and playbooks begin with this task; M(fleet.kexec.rolling_reboot) does the same for its role.
  - Connects to no host.
extends_documentation_fragment: [fleet.kexec.attributes, fleet.kexec.attributes.action]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
options:
  prefix:
    description: Beginning of the names to check.
    type: str
    required: true
  known:
    description: Names that begin with O(prefix) and mean something.
    type: list
    elements: str
    required: true
  shared:
    description: Whether others may use O(prefix), too. Then only a name that is like a known one fails the host; other unknown
      names are warned of.
    type: bool
    default: false
seealso:
  - module: ansible.builtin.validate_argument_spec
"""

EXAMPLES = r"""
- name: Refuse misspelt variables of the playbook
  fleet.kexec.check_variables:
    prefix: nightly_
    known: [nightly_hosts, nightly_window]
"""

RETURN = r"""
code:
  description: Code of the failure. The collection's documentation lists all codes.
  returned: failure
  type: str
  sample: VARIABLE_UNKNOWN
hint:
  description: How to resolve the failure.
  returned: failure
  type: str
"""
