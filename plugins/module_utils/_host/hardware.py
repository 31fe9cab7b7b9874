# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hardware of a machine as far as it decides how a kexec goes: model, firmware, and drivers of what it depends on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Dict, List, Optional, Set

from .files import HostFiles

_DMI = "/sys/class/dmi/id"
_DEVICE_TREE_MODEL = "/sys/firmware/devicetree/base/model"
_DEVICES = "/sys/bus/pci/devices"
_MODULES = "/sys/module"

# Base classes of PCI devices, PCI Code and ID Assignment Specification 1.
_STORAGE = 0x01
_NETWORK = 0x02
_DISPLAY = 0x03
_ACCELERATOR = 0x12
_KINDS = {_NETWORK: "network", _STORAGE: "storage", _DISPLAY: "display", _ACCELERATOR: "display"}
# A module with this taint was not built with the kernel, so its version is not that of the kernel.
_OUT_OF_TREE = "O"

TEXT_MAX_CHARS = 64
DRIVERS_MAX = 16


@dataclass(frozen=True)
class Hardware:
    """Hardware of a machine; a text is empty if it is not known.

    :ivar vendor: C(Dell Inc.).
    :ivar product: C(PowerEdge R650).
    :ivar board: model of the mainboard.
    :ivar firmware_version: of the BIOS or UEFI.
    :ivar drivers: names of PCI drivers, sorted, by kind of device (C(network), C(storage), C(display)); those that did not come
        with the kernel have their version.
    """

    vendor: str
    product: str
    board: str
    firmware_version: str
    drivers: Dict[str, List[str]]


def plain(text: Optional[str]) -> str:
    """Show a text of the firmware or the kernel as one short line of printable ASCII."""
    shown = "".join(char if " " <= char <= "~" else " " if char.isspace() else "?" for char in text or "")
    return " ".join(shown.split())[:TEXT_MAX_CHARS].strip()


def read_hardware(files: HostFiles) -> Hardware:
    product = plain(files.read_text(_DMI + "/product_name"))
    return Hardware(
        vendor=plain(files.read_text(_DMI + "/sys_vendor")),
        # A device tree has no DMI, and its texts end with a zero byte.
        product=product or plain((files.read_text(_DEVICE_TREE_MODEL) or "").rstrip("\0")),
        board=plain(files.read_text(_DMI + "/board_name")),
        firmware_version=plain(files.read_text(_DMI + "/bios_version")),
        drivers=_read_drivers(files),
    )


def _read_drivers(files: HostFiles) -> Dict[str, List[str]]:
    found: Dict[str, Set[str]] = {kind: set() for kind in _KINDS.values()}
    for address in files.listdir(_DEVICES):
        base = os.path.join(_DEVICES, address)
        kind = _KINDS.get(_base_class(files.read_text(base + "/class")))
        driver = files.link_name(base + "/driver") if kind is not None else None
        if kind is not None and driver is not None:
            found[kind].add(_with_version(files, driver))
    return {kind: sorted(drivers)[:DRIVERS_MAX] for kind, drivers in sorted(found.items())}


def _base_class(text: Optional[str]) -> int:
    try:
        return int(text or "", 16) >> 16
    except ValueError:
        return -1


def _with_version(files: HostFiles, driver: str) -> str:
    module = os.path.join(_MODULES, driver.replace("-", "_"))
    if _OUT_OF_TREE not in (files.read_text(module + "/taint") or ""):
        return plain(driver)
    return plain("%s %s" % (driver, files.read_text(module + "/version") or ""))
