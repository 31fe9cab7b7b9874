# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PCI functions, network interfaces and RDMA devices of a machine.

Source: Documentation/ABI/testing/sysfs-bus-pci, sysfs-class-net and sysfs-class-infiniband of the kernel.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import Dict, List, Optional

from .._host.files import HostFiles
from .snapshot import NetworkInterface, PciFunction, RdmaDevice
from .wording import legible

_PCI = "/sys/bus/pci/devices"
_NET = "/sys/class/net"
_RDMA = "/sys/class/infiniband"
_VERBS = "/sys/class/infiniband_verbs"
_NODES = "/dev/infiniband"
_CLASS_BRIDGE = 0x06
# They lower the speed of their link while they are idle.
_CLASS_DISPLAY = 0x03
_PCI_ADDRESS = re.compile(r"[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
# C(virtio3), and C(2:0:1:0), which is host, channel, target and LUN.
_IN_ORDER = re.compile(r"^(virtio)\d+$|^\d+:(\d+:\d+:\d+)$")
_SCSI_PARENT = re.compile(r"host\d+|target\d+:\d+:\d+")
_HEX = re.compile(r"[0-9a-f]+", re.IGNORECASE)
_SPEED = re.compile(r"(\d+)(?:\.(\d+))? GT/s")
_NO_ADDRESS = "00:00:00:00:00:00"
# Documentation/ABI/testing/sysfs-class-net: the address is the device's own.
_ASSIGNED_PERMANENTLY = 0


def _properties(files: HostFiles, path: str) -> Dict[str, str]:
    """Properties of a device from its C(uevent)."""
    return dict(line.partition("=")[::2] for line in (files.read_text(path + "/uevent") or "").splitlines())


def parse_link_mts(text: Optional[str]) -> Optional[int]:
    """Parse the speed of a PCI link, C(8.0 GT/s PCIe), into megatransfers a second."""
    found = _SPEED.match(text or "")
    return int(found.group(1)) * 1000 + int((found.group(2) or "0").ljust(3, "0")[:3]) if found else None


def read_pci(files: HostFiles) -> Dict[str, PciFunction]:
    found = [device for device in (_read_pci_function(files, address) for address in files.listdir(_PCI)) if device is not None]
    displays = {_slot(device) for device in found if device.kind >> 16 == _CLASS_DISPLAY}
    # The other functions of a graphics card, such as sound, share its link.
    return {device.address: replace(device, link_mts=None) if _slot(device) in displays else device for device in found}


def _slot(device: PciFunction) -> str:
    """Address of a device without the number of its function."""
    return device.address.rpartition(".")[0]


def _read_pci_function(files: HostFiles, address: str) -> Optional[PciFunction]:
    base = "%s/%s" % (_PCI, address)
    said = _properties(files, base)
    if not said.get("PCI_ID") or files.link_name(base + "/physfn"):
        return None
    kind = int(said["PCI_CLASS"], 16) if _HEX.fullmatch(said.get("PCI_CLASS", "")) else 0
    # A bridge has no driver of its own worth comparing, and its link is that of the device behind it.
    bridge = kind >> 16 == _CLASS_BRIDGE
    return PciFunction(
        address=legible(address),
        id=legible(said["PCI_ID"].lower()),
        kind=kind,
        driver=None if bridge or not said.get("DRIVER") else legible(said["DRIVER"]),
        link_mts=None if bridge else parse_link_mts(files.read_text(base + "/current_link_speed")),
        # 0 while the link is down to save power.
        link_width=None if bridge else files.read_int(base + "/current_link_width") or None,
        virtual_functions=0 if bridge else files.read_int(base + "/sriov_numvfs") or 0,
    )


def bus_address(files: HostFiles, device: str) -> str:
    """Address of a device on its bus, from its path in C(/sys): the innermost PCI address, and what lies below it.

    Numbers that the kernel gives in the order in which it finds devices are left out: those of virtio and of SCSI hosts.
    """
    parts = files.real_path(device).split("/")[3:]
    innermost = max((index for index, part in enumerate(parts) if _PCI_ADDRESS.fullmatch(part)), default=0)
    kept = (_IN_ORDER.sub(r"\1\2", part) for part in parts[innermost:] if not _SCSI_PARENT.fullmatch(part))
    return legible("/".join(kept))


def pci_address(files: HostFiles, device: str) -> Optional[str]:
    """Innermost PCI address on the way to a device; None if there is none."""
    parts = reversed(files.real_path(device).split("/"))
    return next((part for part in parts if _PCI_ADDRESS.fullmatch(part)), None)


def read_interfaces(files: HostFiles) -> List[NetworkInterface]:
    """Read the interfaces of devices. Those of software, such as of containers, have none, and virtual functions come and go."""
    found = []
    for name in files.listdir(_NET):
        base = "%s/%s" % (_NET, name)
        device = base + "/device"
        if files.exists(device) and not files.link_name(device + "/physfn"):
            found.append(_read_interface(files, name, base))
    return found


def _read_interface(files: HostFiles, name: str, base: str) -> NetworkInterface:
    port = files.read_text(base + "/dev_port") or "0"
    speed_mbps = files.read_int(base + "/speed")
    driver = _properties(files, base + "/device").get("DRIVER")
    master = files.link_name(base + "/master")
    return NetworkInterface(
        name=legible(name),
        address=_permanent_address(files, base),
        bus="%s#%s" % (bus_address(files, base + "/device"), legible(port)),
        driver=legible(driver) if driver else None,
        # -1 is unknown.
        speed_mbps=speed_mbps if speed_mbps is not None and speed_mbps > 0 else None,
        carrier=files.read_int(base + "/carrier") == 1,
        master=legible(master) if master else None,
    )


def _permanent_address(files: HostFiles, base: str) -> Optional[str]:
    # All interfaces of a bond may share one address.
    address = files.read_text(base + "/bonding_slave/perm_hwaddr")
    if address is None and files.read_int(base + "/addr_assign_type") == _ASSIGNED_PERMANENTLY:
        address = files.read_text(base + "/address")
    return legible(address) if address and address != _NO_ADDRESS else None


def read_rdma(files: HostFiles) -> List[RdmaDevice]:
    """Read the RDMA devices, with the character devices that programs reach them by."""
    nodes: Dict[str, int] = {}
    for name in files.listdir(_VERBS):
        device = files.read_text("%s/%s/ibdev" % (_VERBS, name))
        if device and files.exists("%s/%s" % (_NODES, name)):
            nodes[device] = nodes.get(device, 0) + 1
    found = []
    for name in files.listdir(_RDMA):
        base = "%s/%s" % (_RDMA, name)
        if files.exists(base + "/device") and not files.link_name(base + "/device/physfn"):
            ports = [port for port in files.listdir(base + "/ports") if port.isdigit()]
            active = [int(port) for port in ports if "ACTIVE" in (files.read_text("%s/ports/%s/state" % (base, port)) or "")]
            found.append(RdmaDevice(legible(name), bus_address(files, base + "/device"), nodes.get(name, 0), sorted(active)))
    return found


def read_model(files: HostFiles) -> str:
    """Vendor and product of the machine as firmware names them; empty if unknown."""
    names = (files.read_text(os.path.join("/sys/class/dmi/id", name)) for name in ("sys_vendor", "product_name"))
    return legible(" ".join(" ".join(name.split()) for name in names if name))
