# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options for the comparison of a machine with what it was before its reboot."""

from __future__ import annotations


class ModuleDocFragment:
    """Comparison of the machine before and after a reboot."""

    DOCUMENTATION = r"""
options:
  compare:
    description:
      - Whether the machine is compared with what it was before the reboot, by M(fleet.kexec.machine). It is remembered before the
        trigger, and compared once its boot is proven.
      - What was lost fails the host (C(DEGRADED)), what changed is a warning. O(policy) sets the effect of each difference by its
        code.
      - If the machine cannot be remembered, the host is not rebooted. If it cannot be compared, the host fails
        (C(NOT_COMPARED)).
    type: bool
    default: true
  settle:
    description:
      - Seconds, at most 3600, in which the machine has to become what it was, because links and disks may come late. A machine
        that has is not waited for any longer.
    type: int
    default: 30
"""
