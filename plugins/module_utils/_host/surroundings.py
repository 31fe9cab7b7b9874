# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's surroundings: hardware, firmware, devices, guests, consoles; each part is only read on request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, List, Optional

from .._command import Runner
from .console import Console, read_console
from .files import HostFiles
from .firmware import Firmware, read_firmware
from .guests import Guests, read_guests
from .hardware import Hardware, read_hardware
from .hypervisor import Hypervisor, read_hypervisor
from .pci import PciDevice, read_pci_devices
from .pending import PendingReason, read_pending
from .tpm_disks import TpmDisks, read_tpm_disks
from .watchdog import Watchdogs, read_watchdogs


@dataclass(frozen=True)
class Surroundings:
    """Parts of the surroundings; None for those not read."""

    firmware: Optional[Firmware] = None
    watchdog: Optional[Watchdogs] = None
    hypervisor: Optional[Hypervisor] = None
    tpm_disks: Optional[TpmDisks] = None
    pci: Optional[List[PciDevice]] = None
    guests: Optional[Guests] = None
    pending: Optional[List[PendingReason]] = None
    console: Optional[Console] = None
    hardware: Optional[Hardware] = None


READERS: Dict[str, Callable[[HostFiles, Runner], Any]] = {
    "firmware": lambda files, run: read_firmware(files),
    "watchdog": read_watchdogs,
    "hypervisor": read_hypervisor,
    "tpm_disks": lambda files, run: read_tpm_disks(files),
    "pci": lambda files, run: read_pci_devices(files),
    "guests": lambda files, run: read_guests(files),
    "pending": lambda files, run: read_pending(files),
    "console": lambda files, run: read_console(files),
    "hardware": lambda files, run: read_hardware(files),
}


def read_surroundings(files: HostFiles, run: Runner, names: Iterable[str] = tuple(READERS)) -> Surroundings:
    """Read the parts named, which are keys of :data:`READERS`."""
    return Surroundings(**{name: READERS[name](files, run) for name in names})
