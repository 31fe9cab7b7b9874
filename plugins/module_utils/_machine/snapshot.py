# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshot of a machine: plain values, which JSON keeps unchanged."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, Dict, List, Optional, Union, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class PciFunction:
    """A PCI function; virtual functions are counted at the physical one that has them.

    :ivar id: vendor and device, C(15b3:1013).
    :ivar kind: class code of 24 bits.
    :ivar driver: None without one, and for bridges.
    :ivar link_mts: speed of its link in megatransfers a second; None if it has no link, or one that saves power by being slow.
    :ivar link_width: number of lanes.
    """

    address: str
    id: str
    kind: int
    driver: Optional[str] = None
    link_mts: Optional[int] = None
    link_width: Optional[int] = None
    virtual_functions: int = 0


@dataclass(frozen=True)
class NetworkInterface:
    """A network interface of a device.

    :ivar address: permanent MAC address; None if it can't be told.
    :ivar bus: address of the device on its bus, with the port if the device has several.
    :ivar speed_mbps: None without a link or a defined speed.
    :ivar carrier: whether it has a link; False also if it is down.
    :ivar master: bond, bridge, team or switch that it is part of.
    """

    name: str
    address: Optional[str]
    bus: str
    driver: Optional[str] = None
    speed_mbps: Optional[int] = None
    carrier: bool = False
    master: Optional[str] = None


@dataclass(frozen=True)
class RdmaDevice:
    """An RDMA device.

    :ivar bus: address of the device on its bus.
    :ivar nodes: number of its character devices that exist in C(/dev/infiniband).
    :ivar active_ports: numbers of the ports that are active.
    """

    name: str
    bus: str
    nodes: int = 0
    active_ports: List[int] = field(default_factory=list)


@dataclass(frozen=True)
class Disk:
    """A physical block device, however many paths lead to it.

    :ivar names: of each path, or of the device.
    :ivar paths: number of paths that work.
    :ivar functions: addresses of the PCI functions that lead to it.
    """

    id: str
    names: List[str]
    size_bytes: int
    paths: int = 1
    functions: List[str] = field(default_factory=list)


@dataclass(frozen=True)
class MemorySize:
    """Size of the memory.

    :ivar physical_bytes: total of the kernel's memory blocks, whatever is reserved in them; None if it has none.
    :ivar usable_bytes: C(MemTotal) and the reservation for a crash kernel.
    :ivar block_bytes: size of a memory block, by which the total is rounded up; None if there are none.
    """

    physical_bytes: Optional[int]
    usable_bytes: int
    block_bytes: Optional[int] = None


@dataclass(frozen=True)
class Raid:
    """An md array or a ZFS pool.

    :ivar missing: number of missing members of an array.
    :ivar healthy: whether it is complete.
    """

    name: str
    healthy: bool
    missing: int = 0


@dataclass(frozen=True)
class MachineSnapshot:
    """State of a machine at one moment.

    :ivar pci: by address.
    :ivar disks: by their stable identity.
    :ivar cpus: number of processors online.
    :ivar microcode: revision of the boot processor's.
    :ivar huge_pages: persistent huge pages by size in KiB.
    :ivar corrected_errors: of the memory, by EDAC, since boot.
    :ivar taint: C(/proc/sys/kernel/tainted).
    :ivar mounts: mount points that the configuration asks for, with whether they are writable.
    :ivar raids: by their stable identity.
    :ivar volumes: names of logical and of encrypted volumes, by UUID of the device mapper.
    :ivar watchdogs: identities.
    :ivar modules: those that the configuration asks for and that are loaded or built in.
    :ivar system_state: systemd's, such as C(running); None if it does not answer.
    :ivar failed_units: None if they can't be told.
    :ivar kernel_errors: messages of this boot of level err and worse, each kind once; None if they can't all be told.
    """

    release: str = ""
    pci: Dict[str, PciFunction] = field(default_factory=dict)
    interfaces: List[NetworkInterface] = field(default_factory=list)
    rdma: List[RdmaDevice] = field(default_factory=list)
    disks: Dict[str, Disk] = field(default_factory=dict)
    cpus: int = 0
    microcode: Optional[int] = None
    memory: MemorySize = MemorySize(None, 0)
    numa_nodes: int = 0
    huge_pages: Dict[str, int] = field(default_factory=dict)
    clock_source: Optional[str] = None
    corrected_errors: int = 0
    uncorrected_errors: int = 0
    taint: int = 0
    swap_bytes: int = 0
    mounts: Dict[str, bool] = field(default_factory=dict)
    raids: Dict[str, Raid] = field(default_factory=dict)
    volumes: Dict[str, str] = field(default_factory=dict)
    tpms: int = 0
    watchdogs: List[str] = field(default_factory=list)
    modules: List[str] = field(default_factory=list)
    system_state: Optional[str] = None
    failed_units: Optional[List[str]] = None
    kernel_errors: Optional[List[str]] = None

    def as_dict(self) -> Dict[str, Any]:
        return asdict(self)


def parse_snapshot(value: Any) -> MachineSnapshot:
    """Parse what :meth:`MachineSnapshot.as_dict` made; raises ValueError if that has another form."""
    parsed: MachineSnapshot = _parse(MachineSnapshot, value, "machine")
    return parsed


def _parse(kind: Any, value: Any, path: str) -> Any:
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        names = [each.name for each in fields(kind)]
        if not isinstance(value, dict) or sorted(value) != sorted(names):
            raise ValueError("%s has not the expected keys" % path)
        return kind(**{name: _parse(hints[name], value[name], "%s.%s" % (path, name)) for name in names})
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Union:
        return None if value is None else _parse(arguments[0], value, path)
    if origin is list and isinstance(value, list):
        return [_parse(arguments[0], each, path) for each in value]
    if origin is dict and isinstance(value, dict):
        return {name: _parse(arguments[1], each, path) for name, each in value.items()}
    # A bool is an int to Python.
    if origin is None and isinstance(value, kind) and isinstance(value, bool) == (kind is bool):
        return value
    raise ValueError("%s has an unexpected value" % path)
