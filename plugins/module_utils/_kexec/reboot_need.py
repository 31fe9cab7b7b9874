# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reasons why a host needs a reboot, from what was read (pure), and the reading of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Callable, List, Optional

from .._bootloader.boot_entry import BootChoice
from .._cmdline import CmdlineError
from .._command import Runner
from .._host.deployments import other_deployment, runs_deployment
from .._host.facts import HostFacts
from .._host.files import HostFiles
from .._host.kernel import RunningKernel
from .._host.pending import (
    DEPLOYMENT,
    EFI_CAPSULE,
    FIRMWARE_UPDATE,
    NEWER_KERNEL,
    REPLACED,
    PendingReason,
    RebootFlag,
    read_reboot_flag,
)
from .._host.running_system import SystemId
from .._host.update_tools import ToolAnswer, ask_needrestart, ask_package_tool
from .._reasons import Reason, reason
from .boot_source import KernelVersion, default_kernel
from .cmdline import line_changes
from .least import FIRMWARE, KEXEC, SOFT, Need, loads_into_cpu, method_for

# Arguments that a message names.
_ARGUMENTS_SHOWN = 10


@dataclass(frozen=True)
class RebootEvidence:
    """What tells whether a host needs a reboot.

    :ivar default: kernel of the default entry; None if unknown.
    :ivar pending: changes that wait for a reboot.
    :ivar flag: by which packages ask for a reboot; None if none does, or a soft reboot has applied what they ask for.
    :ivar kernels_told: whether the installed kernels could be listed, one of which is the next; or, where deployments bring them
        along, whether the next deployment is known.
    :ivar package_tool: answer of the package manager; None if it has no tool for it.
    :ivar needrestart: answer of needrestart; None if it does not know, or need not be asked.
    """

    running: RunningKernel
    boot: BootChoice
    default: Optional[KernelVersion]
    pending: List[PendingReason]
    flag: Optional[RebootFlag]
    kernels_told: bool
    package_tool: Optional[ToolAnswer]
    needrestart: Optional[ToolAnswer]


def kernel_began_ns() -> int:
    """When CLOCK_MONOTONIC began, in nanoseconds since 1970, by the clock as it is now."""
    return time.time_ns() - time.monotonic_ns()


def read_evidence(
    files: HostFiles,
    run: Runner,
    facts: HostFacts,
    boot: BootChoice,
    pending: List[PendingReason],
    *,
    system: SystemId,
    tools: bool = True,
    began_ns: Callable[[], int] = kernel_began_ns,
) -> RebootEvidence:
    """Read what tells whether a host needs a reboot.

    :param system: the running one.
    :param tools: whether the host's tools are asked, too, which may take as long as they may.
    """
    default = default_kernel(boot, facts.installed, facts.kernel.machine, files)
    return RebootEvidence(
        running=facts.kernel,
        boot=boot,
        default=default,
        pending=pending,
        flag=_flag_of(read_reboot_flag(files), system, began_ns),
        kernels_told=other_deployment(files) is not None if runs_deployment(files) else bool(facts.installed),
        package_tool=ask_package_tool(files, run) if tools else None,
        # It can't know the kernel of the next boot better than the default entry does.
        needrestart=ask_needrestart(files, run) if tools and default is None else None,
    )


def _flag_of(flag: Optional[RebootFlag], system: SystemId, began_ns: Callable[[], int]) -> Optional[RebootFlag]:
    """Leave out a flag that a soft reboot has done away with: it lies in C(/run), which outlives one."""
    if flag is None or not system.soft_reboots or system.userspace_us is None or method_for(flag.packages) != SOFT:
        return flag
    return flag if flag.raised_ns > began_ns() + system.userspace_us * 1000 else None


def reboot_needs(evidence: RebootEvidence) -> List[Need]:
    """Reasons why a host needs a reboot, and what does away with each; empty if it certainly needs none.

    Where nothing asks for more than a soft reboot but something could not be read, C(PENDING_UNKNOWN) is among them: a host that
    is spared by mistake goes on without its updates, and nobody notices. Only firmware certainly boots a kernel that nobody can
    name.
    """
    found = [
        *_of_flag(evidence.flag),
        *_of_firmware(evidence),
        *_of_package_tool(evidence.package_tool),
        *_of_replaced(evidence),
        *_of_kernel(evidence),
        *_of_boot(evidence),
        *_of_deployment(evidence),
    ]
    return found if any(need.method != SOFT for need in found) else [*found, *_unknown(evidence)]


def reasons_below_userspace(evidence: RebootEvidence) -> List[Reason]:
    """Reasons for a reboot that a soft one, which keeps the kernel, certainly does not do away with."""
    flag = evidence.flag if evidence.flag is not None and any(map(loads_into_cpu, evidence.flag.packages)) else None
    found = (_of_flag(flag), _of_firmware(evidence), _of_kernel(evidence), _of_boot(evidence), _of_deployment(evidence))
    return [need.reason for needs in found for need in needs]


def _of_flag(flag: Optional[RebootFlag]) -> List[Need]:
    return [Need(reason("PENDING_REBOOT_REQUIRED", flag.message), method_for(flag.packages))] if flag is not None else []


def _of_firmware(evidence: RebootEvidence) -> List[Need]:
    firmware = [each.message for each in evidence.pending if each.kind in (FIRMWARE_UPDATE, EFI_CAPSULE)]
    wish = evidence.boot.one_shot
    return [
        *(Need(reason("PENDING_FIRMWARE", message), FIRMWARE) for message in firmware),
        *([Need(reason("PENDING_ONE_SHOT", wish), FIRMWARE)] if wish else []),
    ]


def _of_package_tool(answer: Optional[ToolAnswer]) -> List[Need]:
    if answer is None or not answer.needed:
        return []
    which = "%s were updated since the boot" % answer.words if answer.words else "updates wait for a reboot"
    return [Need(reason("PENDING_PACKAGES", "%s says that %s" % (answer.tool, which)), method_for(answer.packages))]


def _of_replaced(evidence: RebootEvidence) -> List[Need]:
    replaced = [each.message for each in evidence.pending if each.kind == REPLACED]
    return [Need(reason("PENDING_USERSPACE", message), SOFT) for message in replaced]


def _of_kernel(evidence: RebootEvidence) -> List[Need]:
    running, default = evidence.running, evidence.default
    message = ""
    if default is not None:
        if default.release != running.release:
            message = "the default entry boots %s, %s runs" % (default.release, running.release)
        elif default.build and running.build and default.build != running.build:
            message = "the default entry boots %s (%s), the running build is %s" % (default.release, default.build, running.build)
    else:
        message = next((each.message for each in evidence.pending if each.kind == NEWER_KERNEL), "")
        if not message and evidence.needrestart is not None and evidence.needrestart.needed:
            message = "needrestart says that another kernel than the running %s is expected" % running.release
    return [Need(reason("PENDING_KERNEL", message), KEXEC)] if message else []


def _of_boot(evidence: RebootEvidence) -> List[Need]:
    entry = evidence.boot.entry
    if entry is None:
        return []
    if evidence.boot.elsewhere:
        return [Need(reason("PENDING_SYSTEM", evidence.boot.elsewhere), FIRMWARE)]
    try:
        changes = line_changes(evidence.running.passed_cmdline, entry.cmdline)
    except CmdlineError:
        # The kernel is told apart, and a line that can't be read is no reason of its own.
        return []
    said = ["+" + each for each in changes.added] + ["-" + each for each in changes.removed]
    more = len(said) - _ARGUMENTS_SHOWN
    listed = " ".join(said[:_ARGUMENTS_SHOWN]) + (" and %d more" % more if more > 0 else "")
    return (
        [Need(reason("PENDING_CMDLINE", "the default entry changes the kernel's arguments: %s" % listed), KEXEC)] if said else []
    )


def _of_deployment(evidence: RebootEvidence) -> List[Need]:
    others = [each.message for each in evidence.pending if each.kind == DEPLOYMENT]
    return [Need(reason("PENDING_SYSTEM", message), FIRMWARE) for message in others]


def _unknown(evidence: RebootEvidence) -> List[Need]:
    unknown, method = [], KEXEC
    tool = evidence.package_tool
    if tool is not None and tool.needed is None:
        unknown.append("%s could not tell: %s" % (tool.tool, tool.words))
    if evidence.default is None and not evidence.kernels_told and evidence.needrestart is None:
        unknown.append("the next kernel can't be told: %s" % (evidence.boot.unknown or "that of the default entry can't be read"))
        method = FIRMWARE
    return [Need(reason("PENDING_UNKNOWN", "; ".join(unknown)), method)] if unknown else []
