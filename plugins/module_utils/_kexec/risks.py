# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Risks of a kexec that is possible, from facts alone (pure); C(policy.py) decides what they lead to."""

from __future__ import annotations

from typing import Callable, Dict, Iterable, List, Optional, Sequence, Tuple

from .._host.console import Console
from .._host.guests import Guests
from .._host.hypervisor import AZURE, GOOGLE, Hypervisor
from .._host.pci import UIO, VFIO, PciDevice
from .._host.pending import PendingReason
from .._host.surroundings import Surroundings
from .._host.tpm_disks import TpmDisks
from .._host.watchdog import Watchdogs
from .._reasons import Reason, reason
from .doubtful_drivers import Doubt, doubt_of
from .watchdog_jump import across_jump

CONSOLE_MAX_MS = 1000
KEXECS_MAX = 50

# Clouds whose virtual machines were seen stuck after a kexec, with the source.
_CLOUDS = {
    AZURE: ("an Azure VM", "https://github.com/nix-community/nixos-anywhere/issues/400"),
    GOOGLE: ("a Google Compute Engine VM", "https://github.com/siderolabs/talos/pull/8838"),
}
_XEN_SOFT_RESET = "https://git.kernel.org/torvalds/c/0b34a166f291d255755be46e43ed5497cdd194f2"
_HYPERV = "https://lore.kernel.org/linux-hyperv/20260403190613.47026-6-jloeser@linux.microsoft.com/"
# Names that a message lists before it counts the rest.
_NAMED_MAX = 5


def _named(names: Sequence[str]) -> str:
    """List the first few names, repeated ones once with their count."""
    counts = {name: names.count(name) for name in names}
    different = [name if count == 1 else "%s (%d times)" % (name, count) for name, count in counts.items()]
    more = len(different) - _NAMED_MAX
    return ", ".join(different[:_NAMED_MAX]) + (" and %d more" % more if more > 0 else "")


def _of_devices(devices: List[PciDevice], series: Tuple[int, int]) -> Iterable[Reason]:
    doubts: Dict[str, Tuple[Doubt, List[str]]] = {}
    for device in devices:
        doubt = doubt_of(device, series)
        if doubt is not None:
            doubts.setdefault(device.driver, (doubt, []))[1].append(device.address)
    for driver, (doubt, addresses) in sorted(doubts.items()):
        yield reason("DRIVER_RISK", "%s drives %s: %s (%s)" % (driver, _named(addresses), doubt.why, doubt.source))
    shared = ["%s (%d)" % (device.address, device.virtual_functions) for device in devices if device.virtual_functions]
    if shared:
        yield reason("SRIOV_IN_USE", "devices have virtual functions in use: %s" % _named(shared))
    for code, holder in (("VFIO_IN_USE", VFIO), ("UIO_IN_USE", UIO)):
        held = ["%s (%s)" % (device.address, device.driver) for device in devices if device.held_by == holder]
        if held:
            yield reason(code, "devices are bound to %s: %s" % (holder, _named(held)))


def guest_risks(guests: Guests) -> Iterable[Reason]:
    """Find the risks that come of guests, which any reboot stops."""
    if guests.vms:
        yield reason("GUESTS_RUNNING", "virtual machines run here: %s" % _named(guests.vms))
    if guests.containers:
        yield reason("CONTAINERS_RUNNING", "containers run here: %s" % _named(guests.containers))


def _of_disks(disks: TpmDisks) -> Iterable[Reason]:
    if disks.bound:
        yield reason("TPM_BOUND_DISK", "a TPM unlocks %s by what was measured at boot" % _named(disks.bound))
    if disks.unreadable:
        unknown = "the header of %s can't be read, so it is unknown whether a TPM unlocks it" % _named(disks.unreadable)
        yield reason("DISK_UNREADABLE", unknown)


def _of_pending(pending: List[PendingReason]) -> Iterable[Reason]:
    cold = [each.message for each in pending if each.cold]
    if cold:
        yield reason("COLD_BOOT_PENDING", _named(cold))


def _of_hypervisor(hypervisor: Hypervisor) -> Iterable[Reason]:
    if hypervisor.xen_dom0:
        yield reason("XEN_DOM0", "this is the control domain of a Xen host, and kexec would replace Xen")
    if hypervisor.xen_guest:
        message = "this is a guest of Xen (%s): where its toolstack knows no soft reset, a kexec destroys it (%s)"
        yield reason("XEN_GUEST", message % (hypervisor.xen_guest, _XEN_SOFT_RESET))
    if hypervisor.hyperv_parent:
        message = "this runs guests on Microsoft's hypervisor, which may go on signalling into the next kernel's memory (%s)"
        yield reason("HYPERV_PARENT", message % _HYPERV)
    cloud = _CLOUDS.get(hypervisor.cloud or "")
    if cloud is not None:
        yield reason("CLOUD_RISK", "this is %s, where guests have got stuck after a kexec (%s)" % cloud)


def _of_watchdog(watchdogs: Watchdogs) -> Iterable[Reason]:
    across = across_jump(watchdogs)
    if not across.runs:
        yield reason("NO_WATCHDOG", across.why)


def _of_console(console: Console) -> Iterable[Reason]:
    if console.cost_ms is not None and console.cost_ms > CONSOLE_MAX_MS:
        yield reason(
            "CONSOLE_SLOW",
            "%d bytes of kernel messages take at most %d ms on the slowest serial console"
            % (console.message_bytes or 0, console.cost_ms),
        )


def _some(found: Callable[..., Iterable[Reason]], facts: Optional[object], *more: object) -> List[Reason]:
    return list(found(facts, *more)) if facts is not None else []


def risks(surroundings: Surroundings, kexecs: Optional[int], series: Tuple[int, int]) -> List[Reason]:
    """Find all risks of a kexec but those of the processor; surroundings that were not read add none.

    :param series: series of the running kernel.
    """
    found = [
        *_some(_of_devices, surroundings.pci, series),
        *_some(_of_disks, surroundings.tpm_disks),
        *_some(_of_pending, surroundings.pending),
        *_some(_of_hypervisor, surroundings.hypervisor),
        *_some(guest_risks, surroundings.guests),
        *_some(_of_watchdog, surroundings.watchdog),
        *_some(_of_console, surroundings.console),
    ]
    if kexecs is not None and kexecs > KEXECS_MAX:
        found.append(reason("MANY_KEXECS", "the host was rebooted via kexec %d times since firmware last booted it" % kexecs))
    return found
