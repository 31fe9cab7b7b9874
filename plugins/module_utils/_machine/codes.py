# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds of differences between a machine before a reboot and after it, by code.

A test compares this table with C(docs/proof.md) and C(docs/codes.md). Losses fail by default, changes warn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict

FAIL = "fail"
WARN = "warn"
IGNORE = "ignore"
DIFFERENCE_EFFECTS = (FAIL, WARN, IGNORE)


@dataclass(frozen=True)
class DifferenceKind:
    """Kind of difference.

    :ivar effect: default effect, C(fail) or C(warn).
    :ivar settles: whether time can mend it, because devices, links and units come up one by one after a boot.
    """

    effect: str
    settles: bool


DIFFERENCES: Dict[str, DifferenceKind] = {
    "BLOCK_DEVICE_LOST": DifferenceKind(FAIL, settles=True),
    "BLOCK_DEVICE_SHRUNK": DifferenceKind(FAIL, settles=True),
    "BLOCK_PATH_LOST": DifferenceKind(FAIL, settles=True),
    "CLOCKSOURCE_CHANGED": DifferenceKind(WARN, settles=True),
    "CPU_LOST": DifferenceKind(FAIL, settles=True),
    "DRIVER_CHANGED": DifferenceKind(WARN, settles=True),
    "DRIVER_LOST": DifferenceKind(FAIL, settles=True),
    "HUGE_PAGES_LOST": DifferenceKind(FAIL, settles=True),
    "KERNEL_ERRORS": DifferenceKind(WARN, settles=False),
    "KERNEL_OOPS": DifferenceKind(FAIL, settles=False),
    "KERNEL_TAINTED": DifferenceKind(WARN, settles=False),
    "LINK_DEGRADED": DifferenceKind(WARN, settles=True),
    "MACHINE_UNKNOWN": DifferenceKind(WARN, settles=False),
    "MEMORY_ERRORS": DifferenceKind(WARN, settles=False),
    "MEMORY_LOST": DifferenceKind(FAIL, settles=True),
    "MICROCODE_OLDER": DifferenceKind(WARN, settles=False),
    "MODULE_LOST": DifferenceKind(WARN, settles=True),
    "MOUNT_LOST": DifferenceKind(FAIL, settles=True),
    "MOUNT_READ_ONLY": DifferenceKind(FAIL, settles=True),
    "NIC_DETACHED": DifferenceKind(FAIL, settles=True),
    "NIC_LOST": DifferenceKind(FAIL, settles=True),
    "NIC_NO_CARRIER": DifferenceKind(FAIL, settles=True),
    "NIC_RENAMED": DifferenceKind(WARN, settles=True),
    "NIC_SLOWER": DifferenceKind(FAIL, settles=True),
    "NUMA_NODE_LOST": DifferenceKind(FAIL, settles=False),
    "PCI_DEVICE_LOST": DifferenceKind(FAIL, settles=True),
    "PCI_DEVICE_MOVED": DifferenceKind(WARN, settles=False),
    "RAID_DEGRADED": DifferenceKind(FAIL, settles=True),
    "RDMA_LOST": DifferenceKind(FAIL, settles=True),
    "SWAP_LOST": DifferenceKind(FAIL, settles=True),
    "SYSTEM_STARTING": DifferenceKind(WARN, settles=True),
    "TPM_LOST": DifferenceKind(FAIL, settles=True),
    "UNIT_FAILED": DifferenceKind(FAIL, settles=True),
    "VIRTUAL_FUNCTIONS_LOST": DifferenceKind(FAIL, settles=True),
    "VOLUME_LOST": DifferenceKind(WARN, settles=True),
    "WATCHDOG_LOST": DifferenceKind(WARN, settles=True),
}
DIFFERENCE_DEFAULTS: Dict[str, str] = {code: kind.effect for code, kind in DIFFERENCES.items()}
