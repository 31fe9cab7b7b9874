# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Preflight of hosts: how each would reboot, by the facts that M(fleet.kexec.boot_facts) gathered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.least import FIRMWARE, KEXEC, METHODS, LeastMethod, Need
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.verdict import REFUSE
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from ._host_class import CLASS_FAILED, UNPROVEN, host_class_of
from ._host_facts import ENTRY, HARDWARE, LOADED, MINIMUM, NEED, SOFTLY, VERDICT, ReportedFacts, ReportedSoft, ReportedVerdict
from ._text import saving

NONE = "none"
FAST = "fast"

#: Subsets of the facts that a preflight takes, and those without which it does.
REQUIRED = (MINIMUM, VERDICT, LOADED, ENTRY, NEED, SOFTLY)
OPTIONAL = (HARDWARE,)


@dataclass(frozen=True)
class Remark:
    """Reason or note of a host: its code, and a sentence about this host."""

    code: str
    text: str


@dataclass(frozen=True)
class Preflight:
    """Preflight of one host; empty texts do not apply.

    :ivar method: C(kexec), C(firmware) or C(refuse).
    :ivar jump_ms: predicted time between the old kernel and the new one; None if unknown.
    :ivar last_boot: path by which it booted last.
    :ivar kernel: release that runs, and C(release) the one that the next reboot boots.
    :ivar arguments_change: whether the next reboot changes the kernel's arguments.
    :ivar needed: whether it needs a reboot.
    :ivar soft: whether it can reboot softly, if that is asked for.
    :ivar least: the least method that applies what is pending, if that is asked for: C(none), C(soft), C(kexec) or C(firmware).
    :ivar risks: codes of its risks that are blocked or warned of.
    :ivar values: facts as the result of the task has them.
    """

    host: str
    method: str
    image: str
    integrity: str
    loader: str
    placement: str
    jump_ms: float | None
    last_boot: str
    kernel: str
    release: str
    arguments_change: bool
    needed: bool
    soft: bool
    least: str
    risks: frozenset[str]
    remarks: tuple[Remark, ...]
    values: Mapping[str, Any]


#: Seconds of outage that a host is spared by a method, or by no reboot, in place of others: from that and the host class.
Saved = Callable[[str | None, str], Mapping[str, float]]


def nothing_saved(_method: str | None, _host_class: str) -> dict[str, float]:
    """Predict nothing."""
    return {}


def totals_of(hosts: Sequence[Preflight | Reason]) -> dict[str, int]:
    """Numbers of hosts; a reason is a host that could not be read."""
    read = [each for each in hosts if isinstance(each, Preflight)]
    methods = [each.method for each in read]
    return {
        "hosts": len(hosts),
        "kexec": methods.count(KEXEC),
        "fast_image": sum(each.image == FAST for each in read),
        "firmware": methods.count(FIRMWARE),
        "refused": methods.count(REFUSE),
        "soft": sum(each.soft for each in read),
        **{"least_%s" % method: sum(each.least == method for each in read) for method in (NONE, *METHODS)},
        "unread": len(hosts) - len(read),
        "reboot_needed": sum(each.needed for each in read),
        "unproven": sum(UNPROVEN in each.risks for each in read),
        "class_failed": sum(CLASS_FAILED in each.risks for each in read),
    }


def preflight_of(host: str, facts: ReportedFacts, saved: Saved = nothing_saved) -> Preflight:
    """Preflight of a host from its facts.

    :param facts: with the subsets :data:`REQUIRED`.
    """
    verdict, soft, needs = facts.verdict, facts.soft, facts.needs
    if verdict is None or soft is None or needs is None:
        raise ValueError("the facts lack subsets")
    refused = verdict.method == REFUSE
    least = facts.least
    saves_s = {} if refused else saved(least.method, host_class_of(facts.hardware))
    return Preflight(
        host=host,
        method=verdict.method,
        image=verdict.image or "",
        integrity=verdict.integrity or "",
        loader=verdict.loader or "",
        placement=verdict.placement or "",
        jump_ms=verdict.predicted_ms["total"] if verdict.predicted_ms else None,
        last_boot=facts.path,
        kernel=facts.release,
        release=verdict.release or "",
        arguments_change=facts.arguments_change,
        needed=bool(needs),
        soft=soft.possible,
        least="" if refused else least.method or NONE,
        risks=frozenset(each.code for each in (*facts.blockers, *facts.warnings)),
        remarks=(*_remarks(facts, verdict, soft, needs), *_remarks_on(least, saves_s, verdict.method)),
        values={
            "method": verdict.method,
            "image": verdict.image,
            "integrity": verdict.integrity,
            "loader": verdict.loader,
            "predicted_ms": dict(verdict.predicted_ms) if verdict.predicted_ms else None,
            "notes": [each.as_dict() for each in verdict.notes],
            "release": verdict.release,
            "running_release": facts.release,
            "last_boot": facts.path,
            **{name: facts.raw[name] for name in ("entry", "reboot_needed", "soft", "staged")},
            "blockers": [each.as_dict() for each in facts.blockers],
            "warnings": [each.as_dict() for each in facts.warnings],
            "loaded": facts.loaded,
            "least": {
                "method": least.method,
                "auto": None if refused else verdict.method,
                "ruled_out": [each.as_dict() for each in least.ruled_out],
                "saves_s": dict(saves_s),
            },
        },
    )


def _remarks(facts: ReportedFacts, verdict: ReportedVerdict, soft: ReportedSoft, needs: Sequence[Need]) -> list[Remark]:
    remarks = [Remark(each.code, "%s. %s" % (each.message, each.hint)) for each in (*facts.blockers, *verdict.notes)]
    remarks += [Remark(need.reason.code, need.reason.message) for need in needs]
    if facts.warnings:
        remarks.append(Remark("warnings", ", ".join(each.code for each in facts.warnings)))
    if soft.possible and soft.survivors:
        remarks.append(Remark("survivors", "a soft reboot does not stop %s" % ", ".join(soft.survivors)))
    if facts.staged:
        remarks.append(Remark("staged", "%s via %s" % (facts.staged.release, facts.staged.loader)))
    elif facts.loaded:
        remarks.append(Remark("loaded", "an image of unknown origin: any reboot of this host will be a kexec"))
    return remarks


def _remarks_on(least: LeastMethod, saves_s: Mapping[str, float], auto: str) -> list[Remark]:
    """Remark on the least reboot; none where there is nothing to say of no reboot."""
    said = saving(saves_s, auto)
    if least.method is None:
        return [Remark("least", "%s; %s" % (NONE, said))] if said else []
    lesser = " and ".join(each for each in least.candidates[: least.candidates.index(least.method)])
    instead = "not %s (%s)" % (lesser, ", ".join(each.code for each in least.ruled_out)) if lesser else ""
    return [Remark("least", "; ".join(part for part in (least.method, instead, said) if part))]
