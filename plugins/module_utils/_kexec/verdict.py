# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide how a host should reboot, and why, from facts alone (pure).

A way to kexec is an image, a loader, an integrity check and a placement. The quickest available way wins; every way that C(auto)
considers has a check.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import product
from typing import Dict, List, NamedTuple, Optional, Sequence, Union

from .._arch.architectures import architecture_of
from .._host.facts import HostFacts
from .._reasons import Reason, reason
from .candidate import Candidate
from .cmdline import max_line_bytes
from .errors import KexecError
from .kernel_ways import loads_into_cma, may_skip_check
from .least import FIRMWARE, KEXEC
from .placement import RESERVABLE, placement_obstacle
from .policy import BLOCK, Policy, judge
from .prediction import lies_in_cma, predict
from .preferences import (
    AUTO,
    BZIMAGE,
    CMA,
    COPIED,
    CRC32C,
    FAST,
    IMAGES,
    INTEGRITIES,
    KEXEC_FILE_LOAD,
    KEXEC_LOAD,
    LOADERS,
    NO_CHECK,
    PLACEMENTS,
    RESERVED,
    SHA256,
    Preferences,
)
from .requests import StagingRequest, is_fault_of_host


class KexecWay(NamedTuple):
    """Way to kexec.

    :ivar image: C(fast) or C(bzimage).
    :ivar loader: C(kexec_load) or C(kexec_file_load).
    :ivar integrity: C(crc32c), C(sha256) or C(none).
    :ivar placement: C(reserved) or C(copied), or C(cma) where the running kernel itself spares the copy.
    """

    image: str
    loader: str
    integrity: str
    placement: str


@dataclass(frozen=True)
class Choice:
    """Chosen way.

    :ivar predicted_ms: duration of the jump by piece; see C(prediction.py).
    :ivar notes: why no quicker way was chosen, and what an override costs.
    """

    way: KexecWay
    predicted_ms: Dict[str, float]
    notes: List[Reason] = field(default_factory=list)

    @property
    def total_ms(self) -> float:
        return sum(self.predicted_ms.values())


#: Method of a host that is not to be rebooted.
REFUSE = "refuse"


@dataclass(frozen=True)
class Verdict:
    """How a host should reboot.

    :ivar method: C(kexec), C(firmware), or C(refuse) if there is nothing to reboot or a setting of the host is wrong.
    :ivar choice: None unless the method is C(kexec).
    :ivar reasons: why it is not C(kexec); empty if it is.
    :ivar warnings: risks to report, whatever the method.
    """

    method: str
    choice: Optional[Choice]
    reasons: List[Reason]
    warnings: List[Reason] = field(default_factory=list)


# --- obstacles -----------------------------------------------------------------------------


def loader_obstacle(facts: HostFacts, loader: str) -> Optional[Reason]:
    """Why a loader can't load a distribution's signed kernel on this host; None if it can."""
    kernel = facts.kernel
    untried = architecture_of(kernel.machine).untried_loaders.get(loader)
    if untried is not None:
        return reason("LOADER_UNAVAILABLE", untried)
    option = "KEXEC" if loader == KEXEC_LOAD else "KEXEC_FILE"
    if kernel.config.get(option, "y") != "y":
        return reason("LOADER_UNAVAILABLE", "the running kernel was built without CONFIG_%s: no %s" % (option, loader))
    if kernel.lockdown != "none" and loader == KEXEC_LOAD:
        return reason("LOCKDOWN", "the running kernel is locked down (%s) and refuses kexec_load" % kernel.lockdown)
    if kernel.lockdown != "none" and kernel.config.get("KEXEC_SIG", "y") != "y":
        return reason("LOCKDOWN", "the running kernel is locked down and was built without CONFIG_KEXEC_SIG")
    return None


def _length_obstacle(candidate: Candidate, loader: str) -> Optional[Reason]:
    max_bytes = max_line_bytes(candidate.architecture, loader, candidate.header.cmdline_max_bytes)
    if candidate.cmdline_bytes > max_bytes:
        message = "the command line has %d bytes; %s passes at most %d to this kernel"
        return reason("CMDLINE_TOO_LONG", message % (candidate.cmdline_bytes, loader, max_bytes))
    return None


def _bzimage_obstacle(facts: HostFacts, candidate: Candidate, loader: str) -> Optional[Reason]:
    # IMA may vouch for a file without a signature in it, but for none in memory, which has no attributes.
    if (
        loader == KEXEC_FILE_LOAD
        and facts.kernel.signed_images_only
        and candidate.kernel.section is not None
        and not candidate.header.signed
    ):
        return reason(
            "LOCKDOWN", "the running kernel loads signed images only, and %s has no signature of its own" % candidate.kernel
        )
    if loader == KEXEC_FILE_LOAD and loads_into_cma(facts) and architecture_of(facts.kernel.machine).overruns_in_cma:
        # The kernel overwrites the initrd behind it: "Initramfs unpacking failed", then a panic.
        return reason(
            "CMA_BZIMAGE",
            "the host has %d MiB of CMA, where kexec_file_load places a compressed kernel so that it destroys its initrd"
            % (facts.memory.cma_total_bytes >> 20),
        )
    return None


def _fast_obstacle(facts: HostFacts, candidate: Candidate, loader: str) -> Optional[Reason]:
    kernel = facts.kernel
    if facts.cpu.confidential:
        return reason(
            "CONFIDENTIAL_GUEST",
            "this guest's memory is encrypted (%s), which only the kernel's own decompressor sets up" % facts.cpu.confidential,
        )
    # A policy that only signed kernels run covers both loaders, though the kernel enforces it for only one.
    if kernel.config.get("KEXEC_SIG_FORCE", "n") == "y" or (loader == KEXEC_FILE_LOAD and kernel.lockdown != "none"):
        return reason("LOCKDOWN", "the running kernel loads signed images only, and a fast image has no signature")
    fast = candidate.architecture.fast
    own = fast.obstacle(candidate.header, facts.cpu, candidate.decompressor_args) if fast else None
    return own or candidate.fast_obstacle


def _stub_check_obstacle(facts: HostFacts, image: str) -> Optional[str]:
    """Why a stub can't check an image on this host; None if it can."""
    fast = architecture_of(facts.kernel.machine).fast
    if image == BZIMAGE or fast is None:
        return "only a fast image can check crc32c"
    own_code = "the host lets no process run code of its own making, which is what the sums for crc32c take"
    return fast.check_obstacle(facts.cpu) or (None if facts.cpu.own_code else own_code)


def _integrity_obstacle(facts: HostFacts, way: KexecWay) -> Optional[Reason]:
    why = None
    in_cma = loads_into_cma(facts)
    if way.integrity == CRC32C:
        why = _stub_check_obstacle(facts, way.image)
    elif way.integrity == NO_CHECK and way.loader == KEXEC_FILE_LOAD and not (way.image == FAST and in_cma):
        why = "kexec_file_load has no way to leave out the kernel's own check"
    elif way.integrity == SHA256 and way.loader == KEXEC_FILE_LOAD and may_skip_check(facts):
        why = "kexec_file_load into CMA, or with kexec handover on, may leave out the kernel's own check"
    return reason("INTEGRITY_UNAVAILABLE", why) if why else None


def obstacle(facts: HostFacts, candidate: Candidate, way: KexecWay, policy: Policy) -> Optional[Reason]:
    """Why a way is unavailable for a kernel on this host; None if it is available."""
    found = loader_obstacle(facts, way.loader) or _length_obstacle(candidate, way.loader)
    if found is None and way.image == BZIMAGE:
        found = _bzimage_obstacle(facts, candidate, way.loader)
    if found is None and way.image == FAST:
        found = _fast_obstacle(facts, candidate, way.loader)
    found = found or _integrity_obstacle(facts, way)
    if found is None and way.placement == RESERVED:
        return placement_obstacle(facts, candidate, way[:3], may_displace=policy.effects["KDUMP_LOADED"] != BLOCK)
    return found


# --- choosing ------------------------------------------------------------------------------


def _ways(facts: HostFacts, candidate: Candidate, preferences: Preferences) -> List[KexecWay]:
    """List the ways that preferences allow, the preferred ones first where all else is equal.

    kexec_file_load comes first: with it the kernel itself passes on what firmware told it.
    """

    def placed(image: str, loader: str, placement: str) -> str:
        return CMA if placement == COPIED and lies_in_cma(facts, candidate, image, loader) else placement

    images = IMAGES if preferences.image == AUTO else (preferences.image,)
    tried = tuple(i for i in (KEXEC_FILE_LOAD, KEXEC_LOAD) if i not in candidate.architecture.untried_loaders)
    loaders = tried if preferences.loader == AUTO else (preferences.loader,)
    # Only an explicit request omits the check, unless it would take longer than all that a kexec saves.
    checks = INTEGRITIES if candidate.architecture.purgatory_bytes_per_s else tuple(i for i in INTEGRITIES if i != NO_CHECK)
    integrities = checks if preferences.integrity == AUTO else (preferences.integrity,)
    placements = PLACEMENTS if preferences.placement == AUTO else (preferences.placement,)
    ways = [
        KexecWay(image, loader, integrity, placed(image, loader, placement))
        for image, loader, integrity, placement in product(images, loaders, integrities, placements)
    ]
    # The others would only hide why the one way into the reservation is closed.
    return [way for way in ways if way.placement != RESERVED or way[:3] == RESERVABLE] or ways


def _quickest(facts: HostFacts, candidate: Candidate, preferences: Preferences, policy: Policy) -> Optional[Choice]:
    possible = [way for way in _ways(facts, candidate, preferences) if obstacle(facts, candidate, way, policy) is None]
    choices = [Choice(way, predict(facts, candidate, **way._asdict())) for way in possible]
    return min(choices, key=lambda choice: choice.total_ms) if choices else None


def choose(facts: HostFacts, candidate: Candidate, preferences: Preferences, policy: Optional[Policy] = None) -> Choice:
    """Choose the way for a kernel.

    :raises KexecError: no way is available, or none that the preferences allow.
    """
    policy = policy or Policy()
    chosen = _quickest(facts, candidate, preferences, policy)
    if chosen is None:
        ways = _ways(facts, candidate, preferences)
        obstacles = [found for found in (obstacle(facts, candidate, way, policy) for way in ways) if found is not None]
        # The last way tried is the plainest, so its obstacle is the first to remove.
        first = obstacles[-1] if preferences.image == AUTO else obstacles[0]
        messages = dict.fromkeys(found.message for found in obstacles)
        raise KexecError(first.code, "; ".join(messages))
    return replace(chosen, notes=_notes(facts, candidate, preferences, policy, chosen))


def _notes(facts: HostFacts, candidate: Candidate, preferences: Preferences, policy: Policy, chosen: Choice) -> List[Reason]:
    notes: List[Reason] = []
    if chosen.way.image == BZIMAGE and preferences.image == AUTO and candidate.architecture.fast is not None:
        # The first usable loader is the one with the fewest restrictions.
        obstacles = [_fast_obstacle(facts, candidate, loader) for loader in LOADERS if loader_obstacle(facts, loader) is None]
        notes.extend(found for found in obstacles[:1] if found is not None)
    if chosen.way.integrity == NO_CHECK and preferences.integrity == AUTO:
        hash_ms = predict(facts, candidate, **chosen.way._replace(integrity=SHA256)._asdict())["hash"]
        message = "nothing checks the image: on %s the purgatory's check runs without caches, for about %d s"
        notes.append(reason("INTEGRITY_UNAVAILABLE", message % (candidate.architecture.machine, round(hash_ms / 1000))))
    if chosen.way.integrity == NO_CHECK and facts.virtio_reset is False:
        notes.append(
            reason(
                "VIRTIO_NO_RESET", "virtio devices are not reset by the running kernel and may write into memory during the jump"
            )
        )
    if chosen.way.image == FAST and chosen.way.placement == COPIED and preferences.placement == AUTO and facts.crash is not None:
        spared = obstacle(facts, candidate, KexecWay(*RESERVABLE, RESERVED), policy)
        notes.extend([spared] if spared is not None else [])
    if chosen.way.placement == RESERVED and facts.crash is not None and facts.crash.loaded and not facts.crash_is_ours:
        notes.append(
            reason("KDUMP_LOADED", "the crash kernel of kdump is displaced until the reboot, and put back if there is none")
        )
    best = _quickest(facts, candidate, Preferences(), policy)
    if best is not None and chosen.total_ms > best.total_ms:
        notes.append(
            reason(
                "SLOWER_THAN_AUTO",
                "%s via %s with %s (%s) takes about %d ms, %s via %s with %s (%s) about %d ms"
                % (*chosen.way, round(chosen.total_ms), *best.way, round(best.total_ms)),
            )
        )
    return notes


_MEMORY_SLACK_BYTES = 32 << 20
_RESIDENT_SLACK_BYTES = 8 << 20


def memory_obstacle(facts: HostFacts, candidate: Candidate, way: KexecWay) -> Optional[Reason]:
    """Why kernel and initrd can't be loaded for lack of memory; None if they can.

    During loading, each exists as read and as a segment; a fast image exists once more, relocated.
    """
    if way.placement == RESERVED and candidate.fast is not None:
        # Only the kernel's own pages are written to; what lies in the reservation takes none.
        needed = candidate.fast.kernel_bytes + _RESIDENT_SLACK_BYTES
        return _too_much(facts, needed)
    file_bytes = candidate.file_bytes_of(way.image)
    needed = candidate.segment_bytes_of(way.image) + (2 if way.image == FAST else 1) * file_bytes
    needed += 2 * candidate.initrd_bytes_of(way.image) + _MEMORY_SLACK_BYTES
    if candidate.header.packed:
        # Its content is a file in memory until it is loaded.
        needed += 2 * candidate.unpacked_bytes
    return _too_much(facts, needed)


def _too_much(facts: HostFacts, needed: int) -> Optional[Reason]:
    available = facts.memory.available_bytes
    if needed <= available:
        return None
    return reason("NO_MEMORY", "loading needs %d MiB, %d MiB are available" % (needed >> 20, available >> 20))


def host_blockers(facts: HostFacts) -> List[Reason]:
    """Obstacles to kexec on this host with any image, most fundamental first."""
    kernel = facts.kernel
    found: List[Reason] = []
    if facts.container:
        found.append(reason("CONTAINER", "this is a %s container: it has no kernel of its own" % facts.container))
    if not architecture_of(kernel.machine).supported:
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


def choose_loadable(facts: HostFacts, candidate: Candidate, preferences: Preferences, policy: Optional[Policy] = None) -> Choice:
    """Choose the way for a kernel that the host has the memory to load.

    :raises KexecError: as :func:`choose`, or C(NO_MEMORY).
    """
    choice = choose(facts, candidate, preferences, policy)
    too_much = memory_obstacle(facts, candidate, choice.way)
    if too_much is not None:
        raise KexecError(too_much.code, too_much.message)
    return choice


def decide(
    facts: HostFacts,
    image: Union[Choice, Reason],
    risks: Sequence[Reason] = (),
    policy: Optional[Policy] = None,
) -> Verdict:
    """Decide how the host should reboot if nothing is asked for, given the risks of a kexec and their effects.

    :param image: way that staging would choose, or why it would fail.
    """
    judged = judge(risks, policy or Policy())
    reasons = host_blockers(facts)
    # Without kexec in the kernel there is no loader either.
    if isinstance(image, Reason) and not (facts.kernel.loaded is None and image.code == "LOADER_UNAVAILABLE"):
        reasons.append(image)
    if facts.container or not all(is_fault_of_host(found.code, StagingRequest()) for found in reasons):
        return Verdict(REFUSE, None, reasons + judged.blocked, judged.warned)
    if reasons or judged.blocked or isinstance(image, Reason):
        return Verdict(FIRMWARE, None, reasons + judged.blocked, judged.warned)
    return Verdict(KEXEC, image, [], judged.warned)
