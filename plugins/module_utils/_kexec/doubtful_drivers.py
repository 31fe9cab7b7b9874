# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drivers whose devices are reported to fail after a kexec.

An entry needs a public report or commit, and the kernel that mended it if there is one. That is compared with the running kernel,
whose drivers quiesce the devices. A stable or distribution kernel of an older series may have the change, which its release does
not tell, so the doubt stays. Fleets whose own hardware is known to be fine allow C(DRIVER_RISK) in their policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, FrozenSet, Optional, Tuple

from .._host.pci import PciDevice


@dataclass(frozen=True)
class Doubt:
    """Known problem of a driver.

    :ivar source: its URL.
    :ivar ids: affected PCI devices as C(VENDOR:DEVICE); empty for all.
    :ivar mended: series of the first kernel without the problem; None if no kernel is known to be.
    """

    why: str
    source: str
    ids: FrozenSet[str] = frozenset()
    mended: Optional[Tuple[int, int]] = None


# drivers/net/ethernet/intel/e1000e/hw.h, E1000_DEV_ID_PCH_*_I219_*
_I219 = frozenset(
    "8086:" + device
    for device in (
        *("156f", "1570", "15b7", "15b8", "15b9", "15bb", "15bc", "15bd", "15be"),
        *("15d6", "15d7", "15d8", "15df", "15e0", "15e1", "15e2", "15e3"),
    )
)

DOUBTS: Dict[str, Doubt] = {
    # A server's card came up at 10 Mb/s: https://github.com/nix-community/nixos-anywhere/issues/346
    "e1000e": Doubt(
        "I219 cards got no answer from the network after a reboot, and a kexec is the suspect",
        "https://github.com/siderolabs/talos/issues/9100",
        _I219,
    ),
    "i915": Doubt(
        "repeated kexecs through kexec_file_load ended in oopses and lock-ups",
        "https://www.mail-archive.com/dri-devel@lists.freedesktop.org/msg552946.html",
    ),
    "iwlwifi": Doubt(
        "cards that were left running timed out in the next kernel's probe",
        "https://lore.kernel.org/linux-wireless/20251231015739.46024-1-me@linux.beauty/",
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
        # Applied to drm-misc-next for 7.1, and sent to the stable series later.
        mended=(7, 1),
    ),
    "nvidia": Doubt(
        "its modules did not load after a kexec and did after a reset",
        "https://github.com/siderolabs/talos/issues/9041",
    ),
}


def doubt_of(device: PciDevice, running: Tuple[int, int]) -> Optional[Doubt]:
    """Known problem of a device's driver; None if there is none or the device can't write into memory.

    :param running: series of the running kernel.
    """
    doubt = DOUBTS.get(device.driver) if device.bus_master else None
    if doubt is None or (doubt.ids and device.id not in doubt.ids):
        return None
    return None if doubt.mended is not None and running >= doubt.mended else doubt
