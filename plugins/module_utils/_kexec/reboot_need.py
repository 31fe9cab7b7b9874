# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reasons why a host needs a reboot, from what was read (pure), and the reading of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional

from .._bootloader.boot_entry import BootChoice
from .._cmdline import CmdlineError
from .._command import Runner
from .._host.facts import HostFacts
from .._host.files import HostFiles
from .._host.kernel import RunningKernel
from .._host.pending import EFI_CAPSULE, FIRMWARE_UPDATE, NEWER_KERNEL, REBOOT_REQUIRED, PendingReason
from .._host.update_tools import ToolAnswer, ask_needrestart, ask_package_tool
from .._reasons import Reason, reason
from .boot_source import KernelVersion, default_kernel
from .cmdline import line_changes

# Arguments that a message names.
_ARGUMENTS_SHOWN = 10


@dataclass(frozen=True)
class RebootEvidence:
    """What tells whether a host needs a reboot.

    :ivar default: kernel of the default entry; None if unknown.
    :ivar pending: changes that wait for a reboot.
    :ivar kernels_listed: whether the installed kernels could be listed.
    :ivar package_tool: answer of the package manager; None if it has no tool for it.
    :ivar needrestart: answer of needrestart; None if it does not know, or need not be asked.
    """

    running: RunningKernel
    boot: BootChoice
    default: Optional[KernelVersion]
    pending: List[PendingReason]
    kernels_listed: bool
    package_tool: Optional[ToolAnswer]
    needrestart: Optional[ToolAnswer]


def read_evidence(
    files: HostFiles, run: Runner, facts: HostFacts, boot: BootChoice, pending: List[PendingReason], *, tools: bool = True
) -> RebootEvidence:
    """Read what tells whether a host needs a reboot.

    :param tools: whether the host's tools are asked, too, which may take as long as they may.
    """
    default = default_kernel(boot, facts.installed, facts.kernel.machine, files)
    return RebootEvidence(
        running=facts.kernel,
        boot=boot,
        default=default,
        pending=pending,
        kernels_listed=bool(facts.installed),
        package_tool=ask_package_tool(files, run) if tools else None,
        # It can't know the kernel of the next boot better than the default entry does.
        needrestart=ask_needrestart(files, run) if tools and default is None else None,
    )


def reboot_reasons(evidence: RebootEvidence) -> List[Reason]:
    """Reasons why a host needs a reboot; empty if it certainly needs none.

    Where nothing asks for a reboot but something could not be read, the reason is C(PENDING_UNKNOWN): a host that is spared by
    mistake goes on without its updates, and nobody notices.
    """
    asked = [each.message for each in evidence.pending if each.kind == REBOOT_REQUIRED]
    found = [
        *(reason("PENDING_REBOOT_REQUIRED", message) for message in asked),
        *_of_firmware(evidence),
        *_of_package_tool(evidence.package_tool),
        *_of_kernel(evidence),
        *_of_boot(evidence),
    ]
    unknown = _unknown(evidence)
    return found if found or not unknown else [reason("PENDING_UNKNOWN", "; ".join(unknown))]


def reasons_below_userspace(evidence: RebootEvidence) -> List[Reason]:
    """Reasons for a reboot that a soft one, which keeps the kernel, does not do away with."""
    return [*_of_firmware(evidence), *_of_kernel(evidence), *_of_boot(evidence)]


def _of_firmware(evidence: RebootEvidence) -> List[Reason]:
    firmware = [each.message for each in evidence.pending if each.kind in (FIRMWARE_UPDATE, EFI_CAPSULE)]
    return [reason("PENDING_FIRMWARE", message) for message in firmware]


def _of_package_tool(answer: Optional[ToolAnswer]) -> List[Reason]:
    if answer is None or not answer.needed:
        return []
    which = "%s were updated since the boot" % answer.words if answer.words else "updates wait for a reboot"
    return [reason("PENDING_PACKAGES", "%s says that %s" % (answer.tool, which))]


def _of_kernel(evidence: RebootEvidence) -> List[Reason]:
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
    return [reason("PENDING_KERNEL", message)] if message else []


def _of_boot(evidence: RebootEvidence) -> List[Reason]:
    entry = evidence.boot.entry
    if entry is None:
        return []
    if evidence.boot.elsewhere:
        return [reason("PENDING_SYSTEM", evidence.boot.elsewhere)]
    try:
        changes = line_changes(evidence.running.passed_cmdline, entry.cmdline)
    except CmdlineError:
        # The kernel is told apart, and a line that can't be read is no reason of its own.
        return []
    said = ["+" + each for each in changes.added] + ["-" + each for each in changes.removed]
    more = len(said) - _ARGUMENTS_SHOWN
    listed = " ".join(said[:_ARGUMENTS_SHOWN]) + (" and %d more" % more if more > 0 else "")
    return [reason("PENDING_CMDLINE", "the default entry changes the kernel's arguments: %s" % listed)] if said else []


def _unknown(evidence: RebootEvidence) -> List[str]:
    unknown = []
    tool = evidence.package_tool
    if tool is not None and tool.needed is None:
        unknown.append("%s could not tell: %s" % (tool.tool, tool.words))
    if evidence.default is None and not evidence.kernels_listed and evidence.needrestart is None:
        unknown.append("the next kernel can't be told: %s" % (evidence.boot.unknown or "that of the default entry can't be read"))
    return unknown
