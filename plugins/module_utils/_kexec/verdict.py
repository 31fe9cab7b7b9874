# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How this host should reboot, and why: pure, from facts alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional

from .._host.facts import HostFacts
from .._host.installed import newest
from .._reasons import Reason, reason
from .errors import KexecError

KEXEC_LOAD = "kexec_load"
KEXEC_FILE_LOAD = "kexec_file_load"
LOADERS = (KEXEC_LOAD, KEXEC_FILE_LOAD)

# Codes that say what the host can't do, against those that say that something
# asked for is wrong. Only the first are a reason to reboot another way.
HOST_CODES = frozenset(
    (
        "ARCH_UNSUPPORTED",
        "CMA_BZIMAGE",
        "KEXEC_LOAD_DISABLED",
        "KEXEC_LOAD_LIMIT",
        "LOADER_UNAVAILABLE",
        "LOAD_FAILED",
        "LOAD_UNVERIFIED",
        "LOCKDOWN",
        "NO_KERNEL",
        "NO_KEXEC_SUPPORT",
        "NO_KEXEC_TOOLS",
        "NO_MEMORY",
        "NO_SYSTEMD",
    )
)


@dataclass(frozen=True)
class Verdict:
    """How a host should reboot.

    :ivar method: C(kexec), C(firmware), or C(refuse) where there is nothing
        to reboot.
    :ivar loader: one of :data:`LOADERS`; None unless the method is C(kexec).
    :ivar reasons: why it is not C(kexec); empty if it is.
    """

    method: str
    loader: Optional[str]
    reasons: List[Reason]


def loader_obstacle(facts: HostFacts, loader: str) -> Optional[Reason]:
    """Why a loader can't load a distribution's bzImage on this host; None if it can."""
    return _kexec_load_obstacle(facts) if loader == KEXEC_LOAD else _kexec_file_load_obstacle(facts)


def _kexec_load_obstacle(facts: HostFacts) -> Optional[Reason]:
    kernel = facts.kernel
    if kernel.config.get("KEXEC", "y") != "y":
        return reason("LOADER_UNAVAILABLE", "the running kernel was built without CONFIG_KEXEC: no kexec_load")
    if kernel.lockdown != "none":
        return reason("LOCKDOWN", "the running kernel is locked down (%s) and refuses kexec_load" % kernel.lockdown)
    return None


def _kexec_file_load_obstacle(facts: HostFacts) -> Optional[Reason]:
    kernel = facts.kernel
    if kernel.config.get("KEXEC_FILE", "y") != "y":
        return reason("LOADER_UNAVAILABLE", "the running kernel was built without CONFIG_KEXEC_FILE: no kexec_file_load")
    if kernel.lockdown != "none" and kernel.config.get("KEXEC_SIG", "y") != "y":
        return reason("LOCKDOWN", "the running kernel is locked down and was built without CONFIG_KEXEC_SIG")
    if facts.memory.cma_total_bytes:
        # The kernel puts the image into CMA at 1 MiB alignment; the
        # decompressor moves itself up to 2 MiB and overruns its segment into
        # the initrd: "Initramfs unpacking failed", then a panic.
        return reason(
            "CMA_BZIMAGE",
            "the host has %d MiB of CMA, where kexec_file_load places a compressed kernel so that it destroys its initrd"
            % (facts.memory.cma_total_bytes >> 20),
        )
    return None


def choose_loader(facts: HostFacts, wanted: str = "auto") -> str:
    """The loader to use.

    kexec_file_load comes first: it is the one that works under lockdown, and
    the kernel itself hands on what firmware told it.

    :param wanted: C(auto) or one of :data:`LOADERS`.
    :raises KexecError: the wanted loader, or any, is not to be had.
    """
    candidates = (KEXEC_FILE_LOAD, KEXEC_LOAD) if wanted == "auto" else (wanted,)
    obstacles = []
    for loader in candidates:
        obstacle = loader_obstacle(facts, loader)
        if obstacle is None:
            return loader
        obstacles.append(obstacle)
    raise KexecError(obstacles[0].code, "; ".join(obstacle.message for obstacle in obstacles))


# Loading holds every file twice for a moment: as read, and as segments.
_COPIES_WHILE_LOADING = 2
_MEMORY_SLACK_BYTES = 32 << 20


def memory_obstacle(facts: HostFacts, image_bytes: int) -> Optional[Reason]:
    """Why kernel and initrd of this size can't be loaded now; None if they can."""
    needed = _COPIES_WHILE_LOADING * image_bytes + _MEMORY_SLACK_BYTES
    available = facts.memory.available_bytes
    if needed <= available:
        return None
    return reason("NO_MEMORY", "loading needs %d MiB, %d MiB are available" % (needed >> 20, available >> 20))


def host_blockers(facts: HostFacts) -> List[Reason]:
    """What keeps the host from kexec whatever the image is, most fundamental first."""
    kernel = facts.kernel
    found: List[Reason] = []
    if facts.container:
        found.append(reason("CONTAINER", "this is a %s container: it has no kernel of its own" % facts.container))
    if kernel.machine != "x86_64":
        found.append(reason("ARCH_UNSUPPORTED", "the host is %s" % kernel.machine))
    if not facts.systemd:
        found.append(reason("NO_SYSTEMD", "systemd is not PID 1"))
    if kernel.loaded is None:
        found.append(reason("NO_KEXEC_SUPPORT", "the running kernel %s has no kexec" % kernel.release))
    if facts.tools is None:
        found.append(reason("NO_KEXEC_TOOLS", "there is no kexec program on the host"))
    if kernel.load_disabled:
        found.append(reason("KEXEC_LOAD_DISABLED", "kernel.kexec_load_disabled is 1"))
    if kernel.load_limit_reboot == 0:
        found.append(reason("KEXEC_LOAD_LIMIT", "kernel.kexec_load_limit_reboot is 0: no image may be loaded any more"))
    return found


def image_blockers(facts: HostFacts) -> List[Reason]:
    """What keeps the host from loading its newest kernel by any loader; another image may fare otherwise."""
    found: List[Reason] = []
    if facts.kernel.loaded is not None:
        try:
            choose_loader(facts)
        except KexecError as error:
            found.append(error.reason)
    candidate = newest(facts.installed, facts.kernel.release)
    if candidate is None:
        found.append(reason("NO_KERNEL", "no kernel is installed in /boot"))
    else:
        obstacle = memory_obstacle(facts, candidate.size_bytes)
        if obstacle is not None:
            found.append(obstacle)
    return found


def decide(facts: HostFacts) -> Verdict:
    """How the host should reboot into its newest kernel."""
    reasons = host_blockers(facts) + image_blockers(facts)
    if facts.container:
        return Verdict("refuse", None, reasons)
    if reasons:
        return Verdict("firmware", None, reasons)
    return Verdict("kexec", choose_loader(facts), [])
