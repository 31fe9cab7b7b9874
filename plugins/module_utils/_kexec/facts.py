# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Present the facts C(fleet_kexec), which C(modules/boot_facts.py) documents, as plain values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Callable, Dict, List

from .._bootloader.boot_entry import BootChoice
from .._finding_kinds import explained
from .._finding_outcomes import last_pair, outcomes_of, untried_gain_ms
from .._host.boot_history import Timeline
from .._host.facts import HostFacts
from .._host.fast_images import FastImage
from .._host.installed import newest
from .._host.kernel import RunningKernel
from .._host.watchdog import Watchdogs
from .._machine.settling import MachineComparison
from .._machine.snapshot import MachineSnapshot
from .._one_boot_args import token_of
from .._text import printable, printable_values
from .cmdline import line_changes
from .least import Need, least_for
from .preferences import LOADERS
from .proof import PATH_KEXEC
from .reading import HostReading
from .soft import present_soft
from .staging import StagingPlan
from .subsets import BOOT, ENTRY, FINDINGS, HISTORY, MACHINE, REBOOT_NEEDED, SOFT, VERDICT
from .verdict import Choice, loader_obstacle
from .watchdog_jump import across_jump


def present_prediction(choice: Choice) -> Dict[str, float]:
    return dict(choice.predicted_ms, total=round(choice.total_ms, 1))


def _present_plan(planned: StagingPlan) -> Dict[str, Any]:
    return dict(
        planned.choice.way._asdict(),
        predicted_ms=present_prediction(planned.choice),
        notes=[note.as_dict() for note in planned.notes],
    )


def present_fast_image(fast: FastImage) -> Dict[str, Any]:
    return {
        "release": fast.release,
        "path": fast.image.path,
        "size_bytes": fast.image.size_bytes,
        "sha256": fast.image.sha256,
        "source": fast.source.path,
        "source_sha256": fast.source.sha256,
        "payload_format": fast.payload_format,
        "initrd": fast.initrd.path if fast.initrd else None,
        "initrd_bytes": fast.initrd.size_bytes if fast.initrd else None,
        "built_at": fast.built_at,
        "build_ms": fast.build_ms,
    }


def present(reading: HostReading) -> Dict[str, Any]:
    """Present the requested facts as plain values, in which every text is printable."""
    presented: Dict[str, Any] = {}
    if BOOT in reading.subsets:
        presented[BOOT] = _present_boot(reading)
    if "kernel" in reading.subsets:
        presented["kernel"] = _present_kernel(reading.kernel)
    if reading.facts is not None:
        presented.update(_present_host(reading, reading.facts))
    for name, present_piece in _PIECES.items():
        piece = getattr(reading.surroundings, name)
        if name in reading.subsets and piece is not None:
            presented[name] = present_piece(piece)
    if reading.soft is not None:
        presented[SOFT] = present_soft(*reading.soft)
    if reading.machine is not None:
        presented[MACHINE] = _present_machine(*reading.machine)
    if HISTORY in reading.subsets:
        presented[HISTORY] = {"boots": len(reading.history), "last": reading.history[-1] if reading.history else None}
    if FINDINGS in reading.subsets:
        presented[FINDINGS] = _present_findings(reading.history)
    return dict(printable_values(presented))


def _present_findings(history: List[Timeline]) -> Dict[str, Any]:
    timeline = history[-1] if history else {}
    pair = last_pair(history)
    return {
        "boot_id": timeline.get("boot_id"),
        "gain_ms": timeline.get("gain_ms"),
        "findings": explained(timeline.get("findings")),
        "compared_with": pair[0].get("boot_id") if pair else None,
        "outcomes": [each.as_dict() for each in outcomes_of(*pair)] if pair else [],
    }


def _present_boot(reading: HostReading) -> Dict[str, Any]:
    return {
        "boot_id": reading.system.boot_id,
        "soft_reboots": reading.system.soft_reboots,
        "userspace_us": reading.system.userspace_us,
        "path": reading.evidence.path,
        "bootloader_type": reading.kernel.bootloader_type,
        "token": token_of(reading.kernel.cmdline),
        "kexecs": reading.evidence.kexecs,
        "stub": asdict(reading.stub) if reading.stub else None,
        "prepared": {
            "parts": sorted(reading.boot_parts),
            "untried_ms": untried_gain_ms(reading.history, reading.boot_parts, PATH_KEXEC),
        },
    }


def _present_kernel(kernel: RunningKernel) -> Dict[str, Any]:
    return {
        "release": kernel.release,
        "machine": kernel.machine,
        "cmdline": printable(kernel.cmdline),
        "lockdown": kernel.lockdown,
        "signed_images_only": kernel.signed_images_only,
        "kexec_load_disabled": kernel.load_disabled,
        "kexec_load_limit_reboot": kernel.load_limit_reboot,
        "kexec_load_limit_panic": kernel.load_limit_panic,
        "panic_s": kernel.panic_s,
        "panic_on_oops": kernel.panic_on_oops,
    }


_BOOT_KEYS = ("unknown", "one_shot", "elsewhere")
_ENTRY_KEYS = ("kernel", "initrds", "cmdline", "title", "bootloader", "source", "added", "removed")


def _present_entry(boot: BootChoice, kernel: RunningKernel) -> Dict[str, Any]:
    entry = boot.entry
    presented: Dict[str, Any] = {name: printable(getattr(boot, name)) or None for name in _BOOT_KEYS}
    if entry is None:
        return {**dict.fromkeys(_ENTRY_KEYS), **presented}
    changes = line_changes(kernel.passed_cmdline, entry.cmdline)
    return {
        "kernel": printable(entry.kernel),
        "initrds": [printable(each) for each in entry.initrds],
        "cmdline": printable(entry.cmdline),
        "title": printable(entry.title),
        "bootloader": entry.bootloader,
        "source": printable(entry.source),
        "added": [printable(each) for each in changes.added],
        "removed": [printable(each) for each in changes.removed],
        **presented,
    }


def _present_host(reading: HostReading, facts: HostFacts) -> Dict[str, Any]:
    """Present the subsets that need the host's facts as a whole."""
    groups: Dict[str, Callable[[], Dict[str, Any]]] = {
        "kernels": lambda: _present_kernels(reading, facts),
        "memory": lambda: {"memory": asdict(facts.memory)},
        "cpu": lambda: {
            "cpu": asdict(facts.cpu),
            "throughput": dict(asdict(facts.throughput), measured=facts.throughput.measured),
        },
        "virtio": lambda: {"virtio_reset": facts.virtio_reset},
        "container": lambda: {"container": facts.container},
        "kexec": lambda: _present_kexec(reading, facts),
        "fast_images": lambda: {"fast_images": [present_fast_image(fast) for fast in reading.fast_images]},
        "defaults": lambda: {"defaults": asdict(reading.preferences)},
        "reservations": lambda: {"reservations": reading.reservations.as_dict() if reading.reservations else None},
        ENTRY: lambda: {ENTRY: _present_entry(reading.boot, facts.kernel) if reading.boot else None},
        REBOOT_NEEDED: lambda: {REBOOT_NEEDED: _present_need(reading.reboot_needs or [])},
        VERDICT: lambda: _present_verdict(reading),
    }
    presented: Dict[str, Any] = {}
    for name, group in groups.items():
        if name in reading.subsets:
            presented.update(group())
    return presented


def _present_kernels(reading: HostReading, facts: HostFacts) -> Dict[str, Any]:
    latest = newest(facts.installed, facts.kernel.release)
    return {
        "kernels": [
            dict(asdict(kernel), size_bytes=kernel.size_bytes, payload_format=reading.payload_formats.get(kernel.kernel))
            for kernel in facts.installed
        ],
        "newest_release": latest.release if latest else None,
    }


def _present_kexec(reading: HostReading, facts: HostFacts) -> Dict[str, Any]:
    record, loaded = reading.record, facts.kernel.loaded
    return {
        "kexec_tools": asdict(facts.tools) if facts.tools else None,
        "loaders": [loader for loader in reversed(LOADERS) if loaded is not None and loader_obstacle(facts, loader) is None],
        "loaded": loaded,
        "staged": dict(record.image.summary(), token=record.token) if record else None,
    }


def _present_verdict(reading: HostReading) -> Dict[str, Any]:
    verdict, planned = reading.verdict, reading.planned
    way: Dict[str, Any] = {"image": None, "loader": None, "integrity": None, "placement": None}
    way.update(predicted_ms=None, notes=[])
    if isinstance(planned, StagingPlan) and verdict.choice:
        way = _present_plan(planned)
    release = planned.image.release if isinstance(planned, StagingPlan) else None
    return {
        "verdict": dict(way, method=verdict.method, release=release),
        "blockers": [obstacle.as_dict() for obstacle in verdict.reasons],
        "warnings": [warning.as_dict() for warning in verdict.warnings],
        "policy": dict(reading.policy.effects),
    }


def _present_need(needs: List[Need]) -> Dict[str, Any]:
    reasons = [dict(need.reason.as_dict(), method=need.method) for need in needs]
    return {"needed": bool(needs), "method": least_for(needs), "reasons": reasons}


def _present_machine(snapshot: MachineSnapshot, comparison: MachineComparison) -> Dict[str, Any]:
    memory = snapshot.memory
    return {
        "model": comparison.model,
        "pci_devices": len(snapshot.pci),
        "network_interfaces": len(snapshot.interfaces),
        "block_devices": len(snapshot.disks),
        "cpus": snapshot.cpus,
        "numa_nodes": snapshot.numa_nodes,
        "memory_bytes": memory.usable_bytes if memory.physical_bytes is None else memory.physical_bytes,
        "clock_source": snapshot.clock_source,
        "system_state": snapshot.system_state,
        "failed_units": snapshot.failed_units,
        "compared": comparison.compared,
        "before": comparison.before.summary() if comparison.before else None,
        # Most hosts have nothing to be compared with, which is no difference here.
        "differences": [each.as_dict() for each in comparison.differences] if comparison.compared else [],
    }


def _present_watchdogs(watchdogs: Watchdogs) -> Dict[str, Any]:
    across = across_jump(watchdogs)
    return dict(asdict(watchdogs), across_jump=across.runs, why=across.why)


_PIECES: Dict[str, Callable[[Any], Any]] = {
    "firmware": asdict,
    "watchdog": _present_watchdogs,
    "hypervisor": asdict,
    "tpm_disks": asdict,
    "pci": lambda devices: [asdict(device) for device in devices],
    "guests": asdict,
    "pending": lambda pending: [asdict(each) for each in pending],
    "console": asdict,
    "hardware": asdict,
}
