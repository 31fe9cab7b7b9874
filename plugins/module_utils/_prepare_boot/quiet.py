# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have the kernel of the next boots via kexec print errors only: a setting in C(/etc/fleet-kexec.conf) that staging reads."""

from __future__ import annotations

from .._prepare.record import PreparationRecord
from .._prepare.steps import Step
from .boot_setting import PlannedConfig, plan_setting

PART = "quiet"


def plan(config_file: PlannedConfig, record: PreparationRecord, wanted: bool) -> Step:
    """Plan the setting; raises as :func:`plan_setting`."""
    return plan_setting(PART, config_file, record, wanted, False)
