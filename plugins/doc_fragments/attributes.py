# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the attributes that the plugins share."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes. Each plugin documents its support for them."""

    DOCUMENTATION = r"""
options: {}
attributes:
  bypass_host_loop:
    description: Forces a 'global' task that does not execute per host.
    support: none
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
  platform:
    description: Target operating systems.
    platforms: linux
    support: full
    details: Hosts with an x86_64 or aarch64 kernel, systemd as PID 1 and kexec-tools.
"""

    FACTS = r"""
options: {}
attributes:
  facts:
    description: Action returns an C(ansible_facts) dictionary that will update existing host facts.
    support: full
"""

    ACTION = r"""
options: {}
attributes:
  action:
    description: Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
    support: full
"""

    ACTION_GROUP = r"""
options: {}
attributes:
  action_group:
    description: Groups for C(module_defaults) that the module belongs to, such as C(group/fleet.kexec.policy). Their members have
      options in common, which the collection's documentation lists.
    support: full
"""
