# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PCI devices that may write into memory or are assigned to guests."""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass
from typing import List, Optional

from .._text import shown_name
from .files import HostFiles

#: What hands a device to a process or a guest.
VFIO = "vfio"
UIO = "uio"

_DEVICES = "/sys/bus/pci/devices"
_UIO_DRIVERS = ("uio_pci_generic", "igb_uio")
# They keep a device for a guest, or for nobody.
_KEEPERS = ("pci-stub", "xen-pciback")
# PCI Local Bus Specification, 6.2.2: the command register.
_COMMAND_OFFSET = 4
_BUS_MASTER = 1 << 2
_CLASS_BRIDGE = 0x06


@dataclass(frozen=True)
class PciDevice:
    """A device with a driver that is not a bridge.

    :ivar address: C(0000:3b:00.0).
    :ivar id: vendor and device, C(15b3:1013).
    :ivar bus_master: whether it may write into memory.
    :ivar virtual_functions: number of SR-IOV functions in use.
    :ivar held_by: C(vfio) or C(uio) for a device that a process or a guest may drive; None for one that the kernel drives.
    """

    address: str
    id: str
    driver: str
    bus_master: bool
    virtual_functions: int
    held_by: Optional[str] = None


def lends_device(driver: str) -> bool:
    """Whether a driver, by its name alone, is one that hands devices to guests or processes."""
    return "vfio" in driver or driver in _UIO_DRIVERS or driver in _KEEPERS


def _holder(files: HostFiles, base: str, driver: str) -> Optional[str]:
    """Interface by which a process may drive a device; None if there is none.

    Drivers of vfio for a vendor's devices, such as C(mlx5_vfio_pci), do not tell by their names alone: their devices have a
    directory C(vfio-dev) (Documentation/ABI/testing/sysfs-devices-vfio-dev). Those of uio have C(uio).
    """
    if "vfio" in driver or files.exists(base + "/vfio-dev"):
        return VFIO
    return UIO if driver in _UIO_DRIVERS or files.exists(base + "/uio") else None


def _read_device(files: HostFiles, address: str) -> Optional[PciDevice]:
    base = os.path.join(_DEVICES, address)
    kind = re.match(r"0x([0-9a-f]{1,8})$", files.read_name(base + "/class") or "")
    driver = files.link_name(base + "/driver")
    if driver is None or (kind and int(kind.group(1), 16) >> 16 == _CLASS_BRIDGE):
        return None
    config = files.read_bytes(base + "/config", _COMMAND_OFFSET + 2) or b""
    command = struct.unpack_from("<H", config, _COMMAND_OFFSET)[0] if len(config) >= _COMMAND_OFFSET + 2 else 0
    numbers = [(files.read_name("%s/%s" % (base, name)) or "").replace("0x", "") for name in ("vendor", "device")]
    return PciDevice(
        address=shown_name(address),
        id=":".join(numbers),
        driver=driver,
        bus_master=bool(command & _BUS_MASTER),
        virtual_functions=files.read_int(base + "/sriov_numvfs") or 0,
        held_by=_holder(files, base, driver),
    )


def read_pci_devices(files: HostFiles) -> List[PciDevice]:
    """Read all such devices, by address."""
    found = (_read_device(files, address) for address in files.listdir(_DEVICES))
    return [device for device in found if device is not None]
