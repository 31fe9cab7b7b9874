# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what the facts C(fleet_kexec) tell of a host."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Tuple, Union

from .._arch.architectures import architecture_of
from .._arch.interface import Cpu, StubStamps
from .._bootloader.boot_entry import BootChoice
from .._bootloader.default_entry import read_default_entry
from .._command import Runner
from .._host.boot_history import Timeline, read_history
from .._host.boot_parts import read_boot_parts
from .._host.facts import HostFacts, gather
from .._host.fast_images import FastImage, list_fast_images
from .._host.files import HostFiles
from .._host.guests import Guests
from .._host.kernel import RunningKernel, read_running_kernel
from .._host.running_system import SoftReboot, SystemId, identify_system, read_manager, read_soft_reboot
from .._host.stub_stamps import read_stub_stamps
from .._host.surroundings import Surroundings, read_surroundings
from .._machine.reading import take_snapshot
from .._machine.settling import MachineComparison, compare_once
from .._machine.snapshot import MachineSnapshot
from .._reasons import Reason
from .boot_source import entry_risks
from .candidate import payload_format
from .least import KEXEC, LeastMethod, Need, decide_least
from .least import SOFT as SOFT_METHOD
from .policy import Policy, read_policy
from .preferences import Preferences, read_preferences
from .proof import Evidence
from .reboot_need import RebootEvidence, read_evidence, reasons_below_userspace, reboot_needs
from .record import StagedRecord
from .reservation import ReservationFacts, read_reservation_facts
from .risks import risks
from .soft import SoftVerdict, decide_soft
from .staging import StagingPlan, current_record, try_plan
from .subsets import BOOT, ENTRY, FINDINGS, HISTORY, HOST_SUBSETS, MACHINE, REBOOT_NEEDED, SOFT, SUBSETS, VERDICT, surroundings_of
from .verdict import Verdict, decide


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
    :ivar boot_parts: parts of C(prepare_boot), with the boot_id of the boot in which each was made.
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
    boot_parts: Mapping[str, str]
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

    @property
    def verdict(self) -> Verdict:
        """How the host should reboot if nothing is asked for."""
        if self.facts is None or self.planned is None:
            raise ValueError("the subset %s was not read" % VERDICT)
        image = self.planned.choice if isinstance(self.planned, StagingPlan) else self.planned
        return decide(self.facts, image, self.risks, self.policy)

    @property
    def least(self) -> LeastMethod:
        """Least reboot that applies all that is pending."""
        if self.soft is None or self.reboot_needs is None:
            raise ValueError("the subsets %s and %s were not read" % (SOFT, REBOOT_NEEDED))
        # Of a kexec that is possible there are none.
        return decide_least(self.reboot_needs, {SOFT_METHOD: self.soft[1].blockers, KEXEC: self.verdict.reasons})


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
    manager = read_manager(run) if subsets & {BOOT, MACHINE, REBOOT_NEEDED, SOFT} else {}
    system = identify_system(kernel.boot_id, manager)
    policy = (read_policy(files) if subsets & {VERDICT, MACHINE, SOFT} else Policy()).override(wanted_policy or {}, "policy")
    boot = read_default_entry(files) if facts and (judging or subsets & {ENTRY, REBOOT_NEEDED, SOFT}) else None
    surroundings = read_surroundings(files, run, surroundings_of(subsets))
    # Only the whole answer takes the host's tools.
    evidence = (
        read_evidence(files, run, facts, boot, surroundings.pending or [], system=system, tools=REBOOT_NEEDED in subsets)
        if facts and boot and subsets & {REBOOT_NEEDED, SOFT}
        else None
    )
    boot_parts = read_boot_parts(files) if BOOT in subsets else {}
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
        history=read_history(files) if boot_parts or subsets & {FINDINGS, HISTORY} else [],
        boot_parts=boot_parts,
        reboot_needs=reboot_needs(evidence) if evidence and REBOOT_NEEDED in subsets else None,
        soft=_decide_soft(read_soft_reboot(files, run, manager), facts, evidence, policy, guests=surroundings.guests)
        if facts and evidence and SOFT in subsets
        else None,
        machine=_read_machine(files, run, system, policy) if MACHINE in subsets else None,
    )


def _decide_soft(
    soft: SoftReboot, facts: HostFacts, evidence: RebootEvidence, policy: Policy, *, guests: Optional[Guests]
) -> Tuple[SoftReboot, SoftVerdict]:
    return soft, decide_soft(facts, soft, guests, reasons_below_userspace(evidence), policy)


def _read_machine(files: HostFiles, run: Runner, system: SystemId, policy: Policy) -> Tuple[MachineSnapshot, MachineComparison]:
    snapshot = take_snapshot(files, run, journal=False)
    return snapshot, compare_once(files, system, policy.effects, snapshot)
