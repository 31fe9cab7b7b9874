# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparison of a machine before a reboot with the same machine after it.

Losses and changes for the worse are differences. Gains are none, nor is what was as bad before, nor what a new kernel is meant
to bring.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Callable, Dict, FrozenSet, Iterator, List, Mapping, Optional, Sequence, Tuple, TypeVar

from .._host.pci import lends_device
from .codes import DIFFERENCES, FAIL, IGNORE
from .kernel_errors import normalised
from .snapshot import MachineSnapshot, MemorySize, NetworkInterface, PciFunction, Raid, RdmaDevice
from .wording import clipped, size_words, taint_words

_Item = TypeVar("_Item")
# Base classes of devices that work for users: storage, network, display, multimedia, serial bus, wireless, intelligent,
# satellite, encryption, accelerator, coprocessor (PCI Code and ID Assignment Specification). Drivers of the others, such as those
# of performance counters, change from kernel to kernel.
_WORKING_CLASSES = frozenset((0x01, 0x02, 0x03, 0x04, 0x0C, 0x0D, 0x0E, 0x0F, 0x10, 0x12, 0x40))
# Kernels reserve some memory before they count it.
_USABLE_TOLERANCE = 0.02
_USABLE_TOLERANCE_BYTES = 64 << 20
# Slow to read, with the kernel's ratings of them; it falls back to them if it finds the time-stamp counter unreliable. Sources:
# the drivers of hpet, drivers/clocksource/acpi_pm.c, drivers/clocksource/i8253.c, kernel/time/jiffies.c.
_SLOW_CLOCK_SOURCES = {"hpet": 250, "acpi_pm": 200, "pit": 110, "refined-jiffies": 2, "jiffies": 1}
# Documentation/admin-guide/tainted-kernels.rst: machine check, bad page, oops, soft lockup.
_OOPS_TAINTS = 1 << 4 | 1 << 5 | 1 << 7 | 1 << 14
# Forced or out of specification, overridden ACPI table, warning, firmware bug. The others tell which modules are loaded.
_OTHER_TAINTS = 1 << 1 | 1 << 2 | 1 << 8 | 1 << 9 | 1 << 11
_STARTING = frozenset(("initializing", "starting"))
_SHOWN_ERRORS = 3


@dataclass(frozen=True)
class Difference:
    """Difference between a machine before and after; C(before) and C(after) are short texts, or None."""

    code: str
    subject: str
    before: Optional[str]
    after: Optional[str]
    effect: str
    message: str

    @property
    def settles(self) -> bool:
        """Whether time can mend it."""
        return DIFFERENCES[self.code].settles

    def as_dict(self) -> Dict[str, Any]:
        return asdict(self)


# Code, subject, before, after, and a sentence.
_Found = Tuple[str, str, Optional[str], Optional[str], str]


def compare(before: MachineSnapshot, after: MachineSnapshot, effects: Mapping[str, str]) -> List[Difference]:
    """Compare two snapshots of a machine.

    :param effects: effect by code; differences that are ignored are left out.
    :returns: sorted by effect, code and subject.
    """
    found = [each for section in _SECTIONS for each in section(before, after)]
    return judge_differences(found, effects)


def judge_differences(found: Sequence[_Found], effects: Mapping[str, str]) -> List[Difference]:
    """Give each difference its effect, and sort them."""
    judged = (
        Difference(
            code=code,
            subject=clipped(subject),
            before=None if was is None else clipped(was),
            after=None if now is None else clipped(now),
            effect=effects[code],
            message=message,
        )
        for code, subject, was, now, message in found
        if effects[code] != IGNORE
    )
    return sorted(judged, key=lambda each: (each.effect != FAIL, each.code, each.subject))


def pair(
    before: Sequence[_Item], after: Sequence[_Item], keys: Sequence[Callable[[_Item], Optional[str]]]
) -> List[Tuple[_Item, Optional[_Item]]]:
    """Find each item's counterpart: by the first key, those left over by the next.

    A key that is None identifies nothing. Items that share all their keys are paired in their order.
    """
    partners: Dict[int, int] = {}
    for unique in (True, False):
        for key in keys:
            known = _by_key(after, key, frozenset(partners.values()))
            for name, indices in _by_key(before, key, frozenset(partners)).items():
                others = known.get(name, [])
                if not unique or len(indices) == len(others) == 1:
                    partners.update(zip(indices, others))
    return [(item, after[partners[index]] if index in partners else None) for index, item in enumerate(before)]


def _by_key(items: Sequence[_Item], key: Callable[[_Item], Optional[str]], without: FrozenSet[int]) -> Dict[str, List[int]]:
    """Indices of items by key."""
    found: Dict[str, List[int]] = {}
    for index, item in enumerate(items):
        name = key(item)
        if name is not None and index not in without:
            found.setdefault(name, []).append(index)
    return found


def _pci(before: MachineSnapshot, after: MachineSnapshot) -> Iterator[_Found]:
    unmatched_after = {address for address, device in after.pci.items() if _id_at(before, address) != device.id}
    for address, device in sorted(before.pci.items()):
        partner = after.pci.get(address)
        if partner is None or partner.id != device.id:
            moved = next((each for each in sorted(unmatched_after) if after.pci[each].id == device.id), None)
            if moved is None:
                yield "PCI_DEVICE_LOST", address, _described(device), None, "the PCI device %s is gone" % _named(device)
                continue
            unmatched_after.discard(moved)
            partner = after.pci[moved]
            yield "PCI_DEVICE_MOVED", address, address, moved, "the PCI device %s is now at %s" % (_named(device), moved)
        yield from _pci_function(device, partner)


def _id_at(snapshot: MachineSnapshot, address: str) -> Optional[str]:
    device = snapshot.pci.get(address)
    return device.id if device else None


def _described(device: PciFunction) -> str:
    return "%s (%s)" % (device.id, device.driver) if device.driver else device.id


def _named(device: PciFunction) -> str:
    return "%s (%s)" % (device.address, ", ".join(filter(None, (device.id, device.driver))))


def _pci_function(was: PciFunction, now: PciFunction) -> Iterator[_Found]:
    name = _named(was)
    if was.driver and was.driver != now.driver:
        lost = now.driver is None and was.kind >> 16 in _WORKING_CLASSES
        text = "has the driver %s now" % now.driver if now.driver else "has no driver"
        message = "the PCI device %s %s" % (name, text)
        yield "DRIVER_LOST" if lost else "DRIVER_CHANGED", was.address, was.driver, now.driver, message
    for unit, old, new in (("MT/s", was.link_mts, now.link_mts), ("lanes", was.link_width, now.link_width)):
        if old is not None and new is not None and new < old:
            message = "the link of the PCI device %s has %d %s, and had %d" % (name, new, unit, old)
            yield "LINK_DEGRADED", was.address, "%d %s" % (old, unit), "%d %s" % (new, unit), message
    if now.virtual_functions < was.virtual_functions:
        message = "the PCI device %s has %d virtual functions, and had %d" % (name, now.virtual_functions, was.virtual_functions)
        yield "VIRTUAL_FUNCTIONS_LOST", was.address, str(was.virtual_functions), str(now.virtual_functions), message


def _interfaces(before: MachineSnapshot, after: MachineSnapshot) -> Iterator[_Found]:
    for was, now in pair(before.interfaces, after.interfaces, (lambda each: each.address, lambda each: each.bus)):
        address = was.bus.partition("#")[0]
        if now is None:
            if not _is_lent(after, address):
                message = "the network interface %s (%s) is gone" % (was.name, was.address or was.bus)
                yield "NIC_LOST", was.name, was.address or was.bus, None, message
            continue
        yield from _interface(was, now)
        if address not in before.pci and was.driver and now.driver and now.driver != was.driver:
            message = "the network interface %s has the driver %s, and had %s" % (was.name, now.driver, was.driver)
            yield "DRIVER_CHANGED", was.name, was.driver, now.driver, message


def _is_lent(after: MachineSnapshot, address: str) -> bool:
    """Whether a guest or a process holds a PCI function, from its start to its end; the comparison of drivers tells of it."""
    device = after.pci.get(address)
    return device is not None and device.driver is not None and lends_device(device.driver)


def _interface(was: NetworkInterface, now: NetworkInterface) -> Iterator[_Found]:
    if now.name != was.name:
        message = "the network interface %s (%s) is called %s now" % (was.name, was.address or was.bus, now.name)
        yield "NIC_RENAMED", was.name, was.name, now.name, message
    if was.carrier and not now.carrier:
        yield "NIC_NO_CARRIER", was.name, "link up", "no link", "the network interface %s has no link" % was.name
    elif was.speed_mbps is not None and now.speed_mbps is not None and now.speed_mbps < was.speed_mbps:
        message = "the network interface %s has %d Mb/s, and had %d" % (was.name, now.speed_mbps, was.speed_mbps)
        yield "NIC_SLOWER", was.name, "%d Mb/s" % was.speed_mbps, "%d Mb/s" % now.speed_mbps, message
    if was.master and now.master != was.master:
        message = "the network interface %s is not part of %s any more" % (was.name, was.master)
        yield "NIC_DETACHED", was.name, was.master, now.master, message


def _rdma(before: MachineSnapshot, after: MachineSnapshot) -> Iterator[_Found]:
    for was, now in pair(before.rdma, after.rdma, (lambda each: each.bus, lambda each: each.name)):
        if now is None:
            if not _is_lent(after, was.bus):
                yield "RDMA_LOST", was.name, was.bus, None, "the RDMA device %s is gone" % was.name
        else:
            yield from _rdma_device(was, now)


def _rdma_device(was: RdmaDevice, now: RdmaDevice) -> Iterator[_Found]:
    if now.nodes < was.nodes:
        message = "the RDMA device %s has %d character devices, and had %d" % (was.name, now.nodes, was.nodes)
        yield "RDMA_LOST", was.name, "%d nodes" % was.nodes, "%d nodes" % now.nodes, message
    for port in was.active_ports:
        if port not in now.active_ports:
            message = "port %d of the RDMA device %s is not active" % (port, was.name)
            yield "NIC_NO_CARRIER", "%s port %d" % (was.name, port), "active", "not active", message


def _disks(before: MachineSnapshot, after: MachineSnapshot) -> Iterator[_Found]:
    for identity, was in before.disks.items():
        now = after.disks.get(identity)
        # Users know a device by its name, though the kernel may give it another one in each boot.
        subject, called = min(was.names, default=identity), "the block device %s (%s)" % (", ".join(was.names), identity)
        if now is None:
            if not was.functions or not all(_is_lent(after, address) for address in was.functions):
                message = "%s of %s is gone" % (called, size_words(was.size_bytes))
                yield "BLOCK_DEVICE_LOST", subject, identity, None, message
            continue
        if now.size_bytes < was.size_bytes:
            message = "%s has %d bytes, and had %d" % (called, now.size_bytes, was.size_bytes)
            yield "BLOCK_DEVICE_SHRUNK", subject, size_words(was.size_bytes), size_words(now.size_bytes), message
        if now.paths < was.paths:
            message = "%d paths lead to %s, and %d did" % (now.paths, called, was.paths)
            yield "BLOCK_PATH_LOST", subject, str(was.paths), str(now.paths), message


def _processors(before: MachineSnapshot, after: MachineSnapshot) -> Iterator[_Found]:
    if after.cpus < before.cpus:
        message = "%d of %d processors are online" % (after.cpus, before.cpus)
        yield "CPU_LOST", "processors", str(before.cpus), str(after.cpus), message
    if before.microcode is not None and after.microcode is not None and after.microcode < before.microcode:
        was, now = "0x%x" % before.microcode, "0x%x" % after.microcode
        yield "MICROCODE_OLDER", "microcode", was, now, "the microcode is %s, and was %s" % (now, was)
    if _is_slower_clock(before.clock_source, after.clock_source):
        message = "the clock source is %s, and was %s" % (after.clock_source, before.clock_source)
        yield "CLOCKSOURCE_CHANGED", "clock source", before.clock_source, after.clock_source, message


def _is_slower_clock(was: Optional[str], now: Optional[str]) -> bool:
    # For its first second, the kernel calls it tsc-early.
    if was is None or now is None or was.partition("-early")[0] == now.partition("-early")[0]:
        return False
    if was not in _SLOW_CLOCK_SOURCES:
        return True
    return now in _SLOW_CLOCK_SOURCES and _SLOW_CLOCK_SOURCES[now] < _SLOW_CLOCK_SOURCES[was]


def _memory(before: MachineSnapshot, after: MachineSnapshot) -> Iterator[_Found]:
    lost = _lost_memory(before.memory, after.memory)
    if lost is not None:
        was, now = lost
        message = "there are %s of memory, and there were %s" % (size_words(now), size_words(was))
        yield "MEMORY_LOST", "memory", size_words(was), size_words(now), message
    if after.numa_nodes < before.numa_nodes:
        message = "there are %d NUMA nodes, and there were %d" % (after.numa_nodes, before.numa_nodes)
        yield "NUMA_NODE_LOST", "NUMA nodes", str(before.numa_nodes), str(after.numa_nodes), message
    for size_kib, was in before.huge_pages.items():
        now = after.huge_pages.get(size_kib, 0)
        if now < was:
            message = "there are %d huge pages of %s KiB, and there were %d" % (now, size_kib, was)
            yield "HUGE_PAGES_LOST", "%s KiB" % size_kib, str(was), str(now), message
    if after.swap_bytes < before.swap_bytes:
        was, now = before.swap_bytes, after.swap_bytes
        message = "there are %s of swap space, and there were %s" % (size_words(now), size_words(was))
        yield "SWAP_LOST", "swap", size_words(was), size_words(now), message
    # Counted from boot: those of the boot before tell whether they are anything new.
    for kind, was, now in (
        ("uncorrected", before.uncorrected_errors, after.uncorrected_errors),
        ("corrected", before.corrected_errors, after.corrected_errors),
    ):
        if now and not was:
            message = "the memory had %d %s errors since boot, and none in the boot before" % (now, kind)
            yield "MEMORY_ERRORS", kind, "0", str(now), message


def _lost_memory(was: MemorySize, now: MemorySize) -> Optional[Tuple[int, int]]:
    # A kernel that divides memory into smaller blocks counts less of it.
    comparable = was.block_bytes == now.block_bytes
    if comparable and was.physical_bytes is not None and now.physical_bytes is not None:
        return (was.physical_bytes, now.physical_bytes) if now.physical_bytes < was.physical_bytes else None
    tolerated = max(_USABLE_TOLERANCE_BYTES, was.usable_bytes * _USABLE_TOLERANCE)
    return (was.usable_bytes, now.usable_bytes) if was.usable_bytes - now.usable_bytes > tolerated else None


def _storage(before: MachineSnapshot, after: MachineSnapshot) -> Iterator[_Found]:
    for point, writable in before.mounts.items():
        if point not in after.mounts:
            yield "MOUNT_LOST", point, "mounted", None, "nothing is mounted at %s" % clipped(point)
        elif writable and not after.mounts[point]:
            yield "MOUNT_READ_ONLY", point, "writable", "read-only", "%s is mounted read-only" % clipped(point)
    for identity, raid in before.raids.items():
        now = after.raids.get(identity)
        if now is None:
            yield "RAID_DEGRADED", raid.name, "present", None, "%s is gone" % raid.name
        elif now.missing > raid.missing or (raid.healthy and not now.healthy):
            message = "%s is degraded%s" % (raid.name, ": %d of its devices are missing" % now.missing if now.missing else "")
            yield "RAID_DEGRADED", raid.name, _health(raid), _health(now), message
    for identity, name in before.volumes.items():
        if identity not in after.volumes:
            yield "VOLUME_LOST", name, "active", None, "the volume %s is not active" % name


def _health(raid: Raid) -> str:
    state = "healthy" if raid.healthy else "degraded"
    return "%s, %d missing" % (state, raid.missing) if raid.missing else state


def _platform(before: MachineSnapshot, after: MachineSnapshot) -> Iterator[_Found]:
    if after.tpms < before.tpms:
        yield "TPM_LOST", "TPM", str(before.tpms), str(after.tpms), "the TPM is gone"
    left = list(after.watchdogs)
    for identity in before.watchdogs:
        if identity in left:
            left.remove(identity)
        else:
            yield "WATCHDOG_LOST", identity, "present", None, "the watchdog %s is gone" % identity
    for name in before.modules:
        if name not in after.modules:
            message = "the module %s is configured to be loaded at boot, and is not" % name
            yield "MODULE_LOST", name, "loaded", None, message


def _kernel(before: MachineSnapshot, after: MachineSnapshot) -> Iterator[_Found]:
    new = after.taint & ~before.taint
    for code, mask in (("KERNEL_OOPS", _OOPS_TAINTS), ("KERNEL_TAINTED", _OTHER_TAINTS)):
        if new & mask:
            message = "the kernel is tainted, and was not: %s" % taint_words(new & mask)
            yield code, "taint", str(before.taint), str(after.taint), message
    if before.kernel_errors is not None and after.kernel_errors is not None:
        known = frozenset(map(normalised, before.kernel_errors))
        errors = [each for each in after.kernel_errors if normalised(each) not in known]
        if errors:
            shown = "; ".join(clipped(each) for each in errors[:_SHOWN_ERRORS])
            more = "; and %d more" % (len(errors) - _SHOWN_ERRORS) if len(errors) > _SHOWN_ERRORS else ""
            message = "the kernel logged errors that it did not log before: %s%s" % (shown, more)
            yield "KERNEL_ERRORS", "kernel log", None, "%d new" % len(errors), message


def _units(before: MachineSnapshot, after: MachineSnapshot) -> Iterator[_Found]:
    was, now = before.system_state, after.system_state
    if was is not None and was not in _STARTING and (now is None or now in _STARTING):
        text = "does not answer" if now is None else "is still starting units, which can't be judged yet"
        yield "SYSTEM_STARTING", "systemd", was, now, "systemd %s" % text
    if before.failed_units is not None and after.failed_units is not None:
        for unit in after.failed_units:
            if unit not in before.failed_units:
                yield "UNIT_FAILED", unit, None, "failed", "the unit %s failed" % unit


_SECTIONS: Tuple[Callable[[MachineSnapshot, MachineSnapshot], Iterator[_Found]], ...] = (
    _pci,
    _interfaces,
    _rdma,
    _disks,
    _processors,
    _memory,
    _storage,
    _platform,
    _kernel,
    _units,
)
