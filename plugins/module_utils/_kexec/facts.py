# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and present the facts C(fleet_kexec), which C(modules/boot_facts.py) documents."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any, Callable, Dict, FrozenSet, List, Mapping, Optional, Tuple, Union

from .._arch.architectures import architecture_of
from .._arch.interface import Cpu, StubStamps
from .._bootloader.boot_entry import BootChoice
from .._bootloader.default_entry import read_default_entry
from .._command import Runner
from .._finding_kinds import explained
from .._host.boot_history import Timeline, read_history
from .._host.facts import HostFacts, gather
from .._host.fast_images import FastImage, list_fast_images
from .._host.files import HostFiles
from .._host.guests import Guests
from .._host.installed import newest
from .._host.kernel import RunningKernel, read_running_kernel
from .._host.running_system import SoftReboot, SystemId, read_soft_reboot, read_system_id
from .._host.stub_stamps import read_stub_stamps
from .._host.surroundings import Surroundings, read_surroundings
from .._host.watchdog import Watchdogs
from .._machine.reading import take_snapshot
from .._machine.settling import MachineComparison, compare_once
from .._machine.snapshot import MachineSnapshot
from .._one_boot_args import token_of
from .._reasons import Reason
from .._text import printable, printable_values
from .boot_source import entry_risks
from .candidate import payload_format
from .cmdline import line_changes
from .least import Need, least_for
from .policy import Policy, read_policy
from .preferences import LOADERS, Preferences, read_preferences
from .proof import Evidence
from .reboot_need import RebootEvidence, read_evidence, reasons_below_userspace, reboot_needs
from .record import StagedRecord
from .reservation import ReservationFacts, read_reservation_facts
from .risks import risks
from .soft import SoftVerdict, decide_soft, present_soft
from .staging import StagingPlan, current_record, try_plan
from .subsets import BOOT, ENTRY, FINDINGS, HISTORY, HOST_SUBSETS, MACHINE, REBOOT_NEEDED, SOFT, SUBSETS, VERDICT, surroundings_of
from .verdict import Choice, decide, loader_obstacle
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


@dataclass(frozen=True)
class HostReading:
    """Everything the collection read from a host, limited to the requested subsets.

    :ivar system: without the number of soft reboots unless a requested subset needs it.
    :ivar facts: None if no requested subset needs them.
    :ivar boot: what the bootloader would boot.
    :ivar planned: what staging would do if nothing is asked for, or why it would fail.
    :ivar payload_formats: compression of each installed kernel, by path.
    :ivar stub: time stamps of the fast image's stub, if this boot went through one.
    :ivar policy: the host's own policy with the task's overrides.
    :ivar history: timelines of its boots, oldest first.
    :ivar reboot_needs: why it needs a reboot; None if that was not read.
    :ivar soft: what a soft reboot would meet, and whether it is possible; None if that was not read.
    :ivar machine: the machine now, and compared with the remembered one; None if that was not read.
    """

    subsets: FrozenSet[str]
    system: SystemId
    kernel: RunningKernel
    facts: Optional[HostFacts]
    payload_formats: Dict[str, Optional[str]]
    record: Optional[StagedRecord]
    boot: Optional[BootChoice]
    planned: Union[StagingPlan, Reason, None]
    preferences: Preferences
    fast_images: List[FastImage]
    stub: Optional[StubStamps]
    surroundings: Surroundings
    reservations: Optional[ReservationFacts]
    policy: Policy
    history: List[Timeline]
    reboot_needs: Optional[List[Need]]
    soft: Optional[Tuple[SoftReboot, SoftVerdict]]
    machine: Optional[Tuple[MachineSnapshot, MachineComparison]]

    @property
    def evidence(self) -> Evidence:
        kernel = self.kernel
        return Evidence(self.system, kernel.release, kernel.cmdline, kernel.bootloader_type)

    def _cpu_risks(self, cpu: Cpu) -> List[Reason]:
        return list(architecture_of(self.kernel.machine).cpu_risks(cpu, self.kernel.series))

    @property
    def risks(self) -> List[Reason]:
        """Reasons why a kexec is risky, from the subsets that were read."""
        return [
            *(entry_risks(self.boot) if self.boot else []),
            *(self._cpu_risks(self.facts.cpu) if self.facts else []),
            *risks(self.surroundings, self.evidence.kexecs, self.kernel.series),
            *(self.reservations.notes if self.reservations else []),
        ]


def read(
    files: HostFiles, run: Runner, subsets: FrozenSet[str] = SUBSETS, wanted_policy: Optional[Mapping[str, Any]] = None
) -> HostReading:
    """Read the requested subsets of a host.

    :param wanted_policy: effects by code that override the host's own.
    :raises KexecError: C(CONFIG_INVALID), C(POLICY_INVALID).
    """
    facts = gather(files, run) if subsets & HOST_SUBSETS else None
    kernel = facts.kernel if facts else read_running_kernel(files, os.uname().machine)
    architecture = architecture_of(kernel.machine)
    judging = VERDICT in subsets
    system = read_system_id(files, run) if subsets & {BOOT, MACHINE, REBOOT_NEEDED, SOFT} else SystemId(kernel.boot_id)
    policy = (read_policy(files) if subsets & {VERDICT, MACHINE, SOFT} else Policy()).override(wanted_policy or {}, "policy")
    boot = read_default_entry(files) if facts and (judging or subsets & {ENTRY, REBOOT_NEEDED, SOFT}) else None
    surroundings = read_surroundings(files, run, surroundings_of(subsets))
    # Only the whole answer takes the host's tools.
    evidence = (
        read_evidence(files, run, facts, boot, surroundings.pending or [], system=system, tools=REBOOT_NEEDED in subsets)
        if facts and boot and subsets & {REBOOT_NEEDED, SOFT}
        else None
    )
    return HostReading(
        subsets=subsets,
        system=system,
        kernel=kernel,
        facts=facts,
        payload_formats={each.kernel: payload_format(files, architecture, each.kernel) for each in facts.installed}
        if facts and "kernels" in subsets
        else {},
        record=current_record(files) if "kexec" in subsets else None,
        boot=boot,
        planned=try_plan(facts, files, boot, policy) if facts and boot and judging else None,
        preferences=read_preferences(files) if judging or "defaults" in subsets else Preferences(),
        fast_images=list_fast_images(files) if "fast_images" in subsets else [],
        stub=read_stub_stamps(files, kernel.machine) if BOOT in subsets else None,
        surroundings=surroundings,
        reservations=read_reservation_facts(files, run) if facts and (judging or "reservations" in subsets) else None,
        policy=policy,
        history=read_history(files) if subsets & {FINDINGS, HISTORY} else [],
        reboot_needs=reboot_needs(evidence) if evidence and REBOOT_NEEDED in subsets else None,
        soft=_soft_verdict(files, run, facts, evidence, policy, guests=surroundings.guests)
        if facts and evidence and SOFT in subsets
        else None,
        machine=_read_machine(files, run, system, policy) if MACHINE in subsets else None,
    )


def _soft_verdict(
    files: HostFiles, run: Runner, facts: HostFacts, evidence: RebootEvidence, policy: Policy, *, guests: Optional[Guests]
) -> Tuple[SoftReboot, SoftVerdict]:
    soft = read_soft_reboot(files, run)
    return soft, decide_soft(facts, soft, guests, reasons_below_userspace(evidence), policy)


def _read_machine(files: HostFiles, run: Runner, system: SystemId, policy: Policy) -> Tuple[MachineSnapshot, MachineComparison]:
    snapshot = take_snapshot(files, run, journal=False)
    return snapshot, compare_once(files, system, policy.effects, snapshot)


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
        presented[FINDINGS] = _present_findings(reading.history[-1] if reading.history else {})
    return dict(printable_values(presented))


def _present_findings(timeline: Timeline) -> Dict[str, Any]:
    return {
        "boot_id": timeline.get("boot_id"),
        "gain_ms": timeline.get("gain_ms"),
        "findings": explained(timeline.get("findings")),
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
        VERDICT: lambda: _present_verdict(reading, facts),
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


def _present_verdict(reading: HostReading, facts: HostFacts) -> Dict[str, Any]:
    planned = reading.planned
    if planned is None:
        raise ValueError("the subset %s was not read" % VERDICT)
    nothing: Dict[str, Any] = {"image": None, "loader": None, "integrity": None, "placement": None}
    nothing.update(predicted_ms=None, notes=[])
    if isinstance(planned, StagingPlan):
        verdict = decide(facts, planned.choice, reading.risks, reading.policy)
        way, release = _present_plan(planned) if verdict.choice else nothing, planned.image.release
    else:
        verdict = decide(facts, planned, reading.risks, reading.policy)
        way, release = nothing, None
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
