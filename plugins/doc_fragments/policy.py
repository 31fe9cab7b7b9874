# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option that says what risks lead to, shared by everything that decides how a host reboots."""

from __future__ import annotations


class ModuleDocFragment:
    """What risks lead to."""

    DOCUMENTATION = r"""
options:
  policy:
    description:
      - What a risk of a kexec leads to, by its code.
      - V(block) keeps the host from rebooting by kexec, V(warn) names the risk among the warnings, V(allow) is silent.
      - Blocked by default are C(CLOUD_RISK), C(COLD_BOOT_PENDING), C(DRIVER_RISK), C(SRIOV_IN_USE), C(TPM_BOUND_DISK),
        C(VFIO_IN_USE) and C(XEN_DOM0). Warned of are C(CONSOLE_SLOW), C(CONTAINERS_RUNNING), C(GUESTS_RUNNING),
        C(MANY_KEXECS), C(NO_WATCHDOG), C(RESERVATION_NOT_MADE) and C(RESERVATION_PENDING). No other codes can be set. The
        collection's documentation says what each means.
      - Codes that are left out are as the host's own policy has them (section C([policy]) of C(/etc/fleet-kexec.conf)), or
        else as by default.
    type: dict
"""
