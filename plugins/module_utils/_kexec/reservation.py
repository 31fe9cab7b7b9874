# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan memory reservations: their sizes, whether they are possible, and the settings for the bootloader to apply."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from .._bootloader.cma import NAME as CMA
from .._bootloader.cma import resolve_cma
from .._bootloader.crashkernel import NAME as CRASHKERNEL
from .._bootloader.crashkernel import resolve_crashkernel
from .._bootloader.default_entry import read_default_entry
from .._bootloader.detection import detect
from .._bootloader.errors import BootloaderError
from .._bootloader.interface import ALL, ANY_ENTRY, Bootloader, BootloaderPlan, Setting, describe
from .._bootloader.sizes import MIB, format_size, round_up
from .._cmdline import values_of
from .._command import Runner
from .._host.files import HostFiles
from .._host.installed import list_installed
from .._host.kernel import read_config, read_running_kernel
from .._host.reservations import Reservations, read_reservations
from .._reasons import Reason, reason
from .boot_source import default_candidate
from .candidate import Candidate
from .placement import needed_bytes
from .preferences import AUTO, BZIMAGE, FAST

NAMES = (CRASHKERNEL, CMA)

# Memory left to the system itself.
SYSTEM_BYTES = 256 * MIB

# Rules for `auto`, which the module's documentation repeats.
_CRASH_UNIT_BYTES = 32 * MIB
_CRASH_SYSTEM_BYTES = 64 * MIB
_CRASH_INITRD_FACTOR = 4
_CRASH_RAM_SHARE = 4096
_CMA_UNIT_BYTES = 16 * MIB
_CMA_SLACK_BYTES = 16 * MIB


@dataclass(frozen=True)
class ReservationWish:
    """Desired state of one reservation; its size is C(auto), or values as the kernel reads them, separated by white space."""

    present: bool
    size: str = ""


@dataclass(frozen=True)
class ReservationPlan:
    """Changes that fulfil wishes.

    :ivar shrink_to_bytes: new size of the running crash reservation; None to leave it.
    """

    plan: BootloaderPlan
    settings: Mapping[str, Setting]
    shrink_to_bytes: Optional[int] = None

    @property
    def needed(self) -> bool:
        return self.plan.needed or self.shrink_to_bytes is not None


# --- sizes ----------------------------------------------------------------------------------


def _image_bytes(candidate: Candidate) -> int:
    """Memory for kernel and initrd, by whichever image takes more."""
    images = (BZIMAGE,) if candidate.fast is None else (BZIMAGE, FAST)
    return max(candidate.segment_bytes_of(image) + candidate.initrd_bytes_of(image) for image in images)


def auto_crashkernel_bytes(candidate: Candidate, ram_bytes: int) -> int:
    """Size for both uses of the reservation, of which the first usually needs more.

    A crash kernel takes its initrd packed and unpacked, a system to write the dump, and its memory tables. An image that waits
    there for a reboot takes kernel and initrd.
    """
    for_dump = candidate.header.memory_bytes + _CRASH_INITRD_FACTOR * candidate.initrd_bytes
    for_dump += _CRASH_SYSTEM_BYTES + ram_bytes // _CRASH_RAM_SHARE
    for_reboot = needed_bytes(candidate.segment_bytes_of(FAST), candidate.initrd_bytes_of(FAST))
    return round_up(max(for_dump, for_reboot), _CRASH_UNIT_BYTES)


def auto_cma_bytes(candidate: Candidate) -> int:
    """Size for kernel and initrd, a quarter more for what can't be moved away, and the loader's own segments."""
    image = _image_bytes(candidate)
    return round_up(image + image // 4 + _CMA_SLACK_BYTES, _CMA_UNIT_BYTES)


def _minimum_bytes(name: str, candidate: Candidate) -> int:
    return candidate.header.memory_bytes + candidate.initrd_bytes if name == CRASHKERNEL else _image_bytes(candidate)


def resolve(name: str, values: Sequence[str], ram_bytes: int) -> int:
    """Bytes that the kernel reserves for values of an argument.

    :raises ValueError: a value is invalid.
    """
    return resolve_cma(values) if name == CMA else resolve_crashkernel(values, ram_bytes).total_bytes


def _kernel_bytes(name: str, values: Sequence[str], ram_bytes: int) -> int:
    """Part of the reserved bytes that a kernel can be loaded into."""
    return resolve_cma(values) if name == CMA else resolve_crashkernel(values, ram_bytes).size_bytes


def _resolved(name: str, values: Sequence[str], ram_bytes: int) -> Optional[int]:
    """Bytes that the kernel reserves; None for invalid values."""
    try:
        return resolve(name, values, ram_bytes)
    except ValueError:
        return None


# --- feasibility ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Machine:
    """State of a machine that reservations depend on.

    :ivar candidate: kernel to boot; None if it is not readable.
    :ivar release: release of the kernel to be booted next; empty if unknown.
    :ivar cmdline: command line of the running kernel.
    """

    files: HostFiles
    reservations: Reservations
    candidate: Optional[Candidate]
    release: str
    cmdline: str


def read_machine(files: HostFiles, bootloader: Bootloader, sizing: bool = True) -> Machine:
    """Read the machine's present state; only planning (C(sizing)) needs the kernel to boot."""
    running = read_running_kernel(files, os.uname().machine)
    entry = bootloader.default_entry()
    return Machine(
        files=files,
        reservations=read_reservations(files),
        candidate=default_candidate(list_installed(files), running, files, read_default_entry(files)) if sizing else None,
        release=entry.release if entry else "",
        cmdline=running.cmdline,
    )


def wanted_values(name: str, wish: ReservationWish, machine: Machine) -> Tuple[str, ...]:
    """Values of an argument that fulfil a wish.

    :raises BootloaderError: C(SIZE_INVALID), C(RESERVATION_TOO_LARGE), C(RESERVATION_TOO_SMALL) or C(RESERVATION_UNSUPPORTED).
    """
    if not wish.present:
        return ()
    _check_supported(name, machine)
    ram_bytes, candidate = machine.reservations.ram_bytes, machine.candidate
    if wish.size == AUTO:
        if candidate is None:
            raise BootloaderError("NO_KERNEL", "there is no kernel to compute %s from" % name)
        size = auto_cma_bytes(candidate) if name == CMA else auto_crashkernel_bytes(candidate, ram_bytes)
        values: Tuple[str, ...] = (format_size(size),)
    else:
        values = tuple(wish.size.split())
    try:
        size_bytes = _kernel_bytes(name, values, ram_bytes)
    except ValueError as error:
        raise BootloaderError("SIZE_INVALID", "%s=%s: %s" % (name, " ".join(values), error)) from error
    if not values or (size_bytes == 0 and name == CMA):
        raise BootloaderError("SIZE_INVALID", "%s has no size" % name)
    if size_bytes and candidate is not None and size_bytes < _minimum_bytes(name, candidate):
        raise BootloaderError(
            "RESERVATION_TOO_SMALL",
            "%s: %d MiB do not hold kernel and initrd, which take %d MiB"
            % (describe(name, values), size_bytes // MIB, -(-_minimum_bytes(name, candidate) // MIB)),
        )
    return values


def _check_supported(name: str, machine: Machine) -> None:
    config = read_config(machine.files, machine.release) if machine.release else {}
    option = "DMA_CMA" if name == CMA else "CRASH_DUMP"
    if config.get(option, "y") != "y":
        raise BootloaderError(
            "RESERVATION_UNSUPPORTED",
            "the kernel %s was built without CONFIG_%s, and ignores %s=" % (machine.release, option, name),
        )


def _check_room(values: Mapping[str, Tuple[str, ...]], machine: Machine) -> None:
    ram_bytes = machine.reservations.ram_bytes
    total = _resolved(CMA, values.get(CMA, ()), ram_bytes) or 0
    # Invalid values are other tools': ours have been checked.
    with contextlib.suppress(ValueError):
        total += resolve_crashkernel(values.get(CRASHKERNEL, ()), ram_bytes).total_bytes
    if total + SYSTEM_BYTES > ram_bytes:
        raise BootloaderError(
            "RESERVATION_TOO_LARGE",
            "%s take %d MiB of the %d MiB there are, and leave less than %d"
            % (
                " and ".join(describe(name, found) for name, found in sorted(values.items()) if found),
                total // MIB,
                ram_bytes // MIB,
                SYSTEM_BYTES // MIB,
            ),
        )


# --- planning -------------------------------------------------------------------------------


def plan_reservations(
    wishes: Mapping[str, ReservationWish],
    machine: Machine,
    bootloader: Bootloader,
    *,
    kernels: str = ALL,
    overrule: bool = False,
    shrink: bool = False,
) -> ReservationPlan:
    """Plan the changes for wishes; changes nothing.

    :param overrule: whether to replace values that others have set.
    :param shrink: whether to release now what the running kernel reserves in excess.
    :raises BootloaderError: it is impossible, or needs C(overrule).
    """
    settings: Dict[str, Setting] = {}
    own = bootloader.own()
    for name, wish in wishes.items():
        values = wanted_values(name, wish, machine)
        others = bootloader.setters(name)
        others_values = tuple(value for other in others for value in other.values)
        overruled = name in own and own[name].overrule
        if others and values and name not in own and _is_so(bootloader, name, values, kernels):
            # Already as wanted, whoever set it.
            continue
        if others and values and not overrule:
            raise BootloaderError(
                "RESERVATION_FOREIGN",
                "%s is set by %s" % (describe(name, others_values), ", ".join(dict.fromkeys(other.source for other in others))),
            )
        settings[name] = Setting(values, overrule=(bool(others) and overrule) or (overruled and (wish.present or overrule)))
    plan = bootloader.plan(settings, kernels) if settings else BootloaderPlan(kernels=kernels)
    values_then = _planned_values(plan, bootloader)
    if any(setting.values for setting in settings.values()):
        _check_room(values_then, machine)
    return ReservationPlan(plan, settings, _shrink_to(values_then, machine) if shrink and CRASHKERNEL in wishes else None)


def _is_so(bootloader: Bootloader, name: str, values: Tuple[str, ...], kernels: str) -> bool:
    """Whether all affected entries have these values of an argument."""
    return bool(bootloader.affected(kernels)) and not any(bootloader.mismatches({ANY_ENTRY: {name: values}}, kernels))


def _planned_values(plan: BootloaderPlan, bootloader: Bootloader) -> Dict[str, Tuple[str, ...]]:
    """Values of the default entry once a plan is applied."""
    affected = bootloader.affected(plan.kernels)
    entry = bootloader.default_entry() or next(iter(affected), None)
    if entry is None:
        return {}
    expected = plan.expected.get(entry.source, plan.expected.get(ANY_ENTRY, {})) if entry in affected else {}
    return {name: expected.get(name, values_of(entry.cmdline, name)) for name in NAMES}


def _shrink_to(values: Mapping[str, Tuple[str, ...]], machine: Machine) -> Optional[int]:
    """Size to shrink the running crash reservation to for the configured values; None to leave it."""
    there = machine.reservations.crash_bytes
    if not there or CRASHKERNEL not in values:
        return None
    try:
        wanted = _kernel_bytes(CRASHKERNEL, values[CRASHKERNEL], machine.reservations.ram_bytes)
    except ValueError:
        return None
    if wanted:
        # The area below 4 GiB exists as long as there is one above.
        wanted += machine.reservations.crash_low_bytes
    if wanted >= there:
        return None
    if machine.reservations.crash_loaded:
        raise BootloaderError("SHRINK_FAILED", "a crash kernel is loaded into the %d MiB that are reserved" % (there // MIB))
    return wanted


def apply_reservations(planned: ReservationPlan, bootloader: Bootloader, shrink: Callable[[int], int]) -> None:
    """Apply a plan.

    :param shrink: shrinks the running crash reservation and returns the bytes that are left.
    :raises BootloaderError: it failed; nothing is changed unless the code is C(SHRINK_FAILED).
    """
    if planned.plan.needed:
        bootloader.apply(planned.plan)
    if planned.shrink_to_bytes is not None:
        try:
            left = shrink(planned.shrink_to_bytes)
        except OSError as error:
            raise BootloaderError("SHRINK_FAILED", "the kernel did not take it: %s" % error.strerror) from error
        if left > planned.shrink_to_bytes:
            raise BootloaderError("SHRINK_FAILED", "%d MiB are still reserved" % (left // MIB))


# --- status ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReservationStatus:
    """Status of one reservation, as argument values and as sizes.

    :ivar configured: values for the next boot.
    :ivar configured_bytes: their size on this machine; None if they are invalid.
    :ivar running: values on the running kernel's command line.
    :ivar effective_bytes: size that the running kernel has reserved.
    :ivar set_by: files and tools that set it, and C(fleet.kexec).
    :ivar reboot_required: whether the configured values take effect only after a reboot.
    """

    configured: Tuple[str, ...]
    configured_bytes: Optional[int]
    running: Tuple[str, ...]
    running_bytes: Optional[int]
    effective_bytes: int
    set_by: Tuple[str, ...]
    reboot_required: bool

    def as_dict(self) -> Dict[str, Any]:
        return {
            "configured": " ".join(self.configured) or None,
            "configured_bytes": self.configured_bytes,
            "running": " ".join(self.running) or None,
            "running_bytes": self.running_bytes,
            "effective_bytes": self.effective_bytes,
            "set_by": list(self.set_by),
            "reboot_required": self.reboot_required,
        }


def read_statuses(
    bootloader: Bootloader, machine: Machine, planned: Optional[ReservationPlan] = None
) -> Dict[str, ReservationStatus]:
    """Read the status of both reservations, as if a given plan were already applied."""
    configured = _planned_values(planned.plan if planned else BootloaderPlan(), bootloader)
    own = dict(bootloader.own(), **(planned.settings if planned else {}))
    there = {CRASHKERNEL: machine.reservations.crash_bytes or 0, CMA: machine.reservations.cma_bytes}
    if planned and planned.shrink_to_bytes is not None:
        there[CRASHKERNEL] = planned.shrink_to_bytes
    ram_bytes = machine.reservations.ram_bytes
    statuses: Dict[str, ReservationStatus] = {}
    for name in NAMES:
        values, running = configured.get(name, ()), values_of(machine.cmdline, name)
        configured_bytes, running_bytes = _resolved(name, values, ram_bytes), _resolved(name, running, ram_bytes)
        setting = own.get(name)
        others = () if setting is not None and setting.overrule else tuple(other.source for other in bootloader.setters(name))
        statuses[name] = ReservationStatus(
            configured=values,
            configured_bytes=configured_bytes,
            running=running,
            running_bytes=running_bytes,
            effective_bytes=there[name],
            set_by=(*others, *(("fleet.kexec",) if setting is not None and setting.values else ())),
            reboot_required=configured_bytes not in (running_bytes, there[name]),
        )
    return statuses


def notes(statuses: Mapping[str, ReservationStatus]) -> List[Reason]:
    """Find reservations that are pending or were not made."""
    found: List[Reason] = []
    for name, status in statuses.items():
        if status.reboot_required:
            found.append(
                reason(
                    "RESERVATION_PENDING",
                    "%s is configured, %s runs: it takes effect with a reboot"
                    % (describe(name, status.configured), describe(name, status.running)),
                )
            )
        elif status.running_bytes and not status.effective_bytes:
            found.append(
                reason(
                    "RESERVATION_NOT_MADE", "the kernel runs with %s and has reserved nothing" % describe(name, status.running)
                )
            )
    return found


@dataclass(frozen=True)
class ReservationFacts:
    """Bootloader, if detected, and its reservations, or the obstacle to reading them."""

    bootloader: Optional[str]
    statuses: Mapping[str, ReservationStatus]
    obstacle: Optional[Reason] = None

    @property
    def notes(self) -> List[Reason]:
        return notes(self.statuses)

    def as_dict(self) -> Dict[str, Any]:
        return {
            "bootloader": self.bootloader,
            "obstacle": self.obstacle.as_dict() if self.obstacle else None,
            **{name: self.statuses[name].as_dict() if name in self.statuses else None for name in NAMES},
            "reboot_required": any(status.reboot_required for status in self.statuses.values()),
        }


def read_reservation_facts(files: HostFiles, run: Runner) -> ReservationFacts:
    """Read what the current user can read: only root may read some bootloaders' configuration."""
    name = None
    try:
        bootloader = detect(files, run)
        name = bootloader.NAME
        return ReservationFacts(name, read_statuses(bootloader, read_machine(files, bootloader, sizing=False)))
    except BootloaderError as error:
        return ReservationFacts(name, {}, error.reason)
