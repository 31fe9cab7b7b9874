# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drivers whose devices are reported to fail after a kexec.

An entry needs a public report or commit. Fleets whose own hardware is known to be fine allow C(DRIVER_RISK) in their policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, FrozenSet, Optional

from .._host.pci import PciDevice


@dataclass(frozen=True)
class Doubt:
    """Known problem of a driver, the URL of its source, and the affected PCI devices as C(VENDOR:DEVICE); empty for all."""

    why: str
    source: str
    ids: FrozenSet[str] = frozenset()


DOUBTS: Dict[str, Doubt] = {
    "i915": Doubt(
        "repeated kexecs through kexec_file_load ended in oopses and lock-ups",
        "https://www.mail-archive.com/dri-devel@lists.freedesktop.org/msg552946.html",
    ),
    "mlx5_core": Doubt(
        "ConnectX-4 cards with firmware before 12.17.2020 did not work after a kexec",
        "https://github.com/open-power/op-build/issues/538",
        # ConnectX-4 and its virtual functions (include/linux/mlx5/driver.h, mlx5_core_pci_table).
        frozenset(("15b3:1013", "15b3:1014")),
    ),
    "nouveau": Doubt(
        "kernels without commit 310326bb7df4 hand over a GPU that still runs",
        "https://git.kernel.org/torvalds/c/310326bb7df4bba094a3fc60364c641c547fd923",
    ),
    "nvidia": Doubt(
        "its modules did not load after a kexec and did after a reset",
        "https://github.com/siderolabs/talos/issues/9041",
    ),
}


def doubt_of(device: PciDevice) -> Optional[Doubt]:
    """Known problem of a device's driver; None if there is none or the device can't write into memory."""
    doubt = DOUBTS.get(device.driver) if device.bus_master else None
    return doubt if doubt is not None and (not doubt.ids or device.id in doubt.ids) else None
