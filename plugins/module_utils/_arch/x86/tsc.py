# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The time-stamp counter."""

from __future__ import annotations

import re
from typing import Optional

from ..interface import Calibration, CycleCounter

# lfence; rdtsc; shl $32,%rdx; or %rdx,%rax; ret. The fence keeps the CPU from reading the counter early.
_RDTSC = bytes.fromhex("0faee8 0f31 48c1e220 4809d0 c3")
# arch/x86/entry/syscalls/syscall_64.tbl
_SYS_PERF_EVENT_OPEN = 298

# arch/x86/kernel/tsc.c; "MHz processor" when calibrated, "MHz TSC" if the CPU's clock differs.
_CALIBRATION = re.compile(r"tsc: (Detected|Refined TSC clocksource calibration:) (\d+)\.(\d{3}) MHz( TSC|)")


def parse_calibration(message: str) -> Optional[Calibration]:
    """Parse the TSC's frequency from a kernel log message; None if the message is another."""
    found = _CALIBRATION.match(message)
    if found is None:
        return None
    return Calibration(
        hz=int(found.group(2) + found.group(3)) * 1000, refined=found.group(1) != "Detected", exact=bool(found.group(4))
    )


TSC = CycleCounter("TSC", _RDTSC, _SYS_PERF_EVENT_OPEN, parse_calibration)
