# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Timeline of one reboot, as event C(host_timeline) in C(docs/journal.md) has it. Unknown phases of later versions are kept."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._json import finite_number

#: Phases of the outage, in their order. C(stub) is a part of C(jump).
IN_OUTAGE = ("stop_units", "jump", "reexec", "firmware", "loader", "kernel", "initrd", "userspace", "network", "ssh")

#: Phases with which an outage begins. A timeline without them only has the end of the outage.
BEGINNING = ("stop_units", "jump", "reexec", "firmware")

#: Phases before and after the outage.
OUTSIDE_OUTAGE = frozenset(("stage", "drain", "healthy"))


# More than this collection reports of one host.
_MOST_FINDINGS = 40
_MOST_EVIDENCE = 5


@dataclass(frozen=True, slots=True)
class PhaseSpan:
    """Phase of a reboot.

    :ivar start_ms: milliseconds since the start of the timeline.
    :ivar error_ms: maximum error of the duration.
    :ivar source: instrument that measured it.
    :ivar within: phase that contains it.
    """

    name: str
    start_ms: float
    duration_ms: float
    error_ms: float
    source: str = ""
    within: str | None = None

    @property
    def end_ms(self) -> float:
        return self.start_ms + self.duration_ms


@dataclass(frozen=True, slots=True)
class ObservedOutage:
    """Time without an answer, as seen from outside by a probe such as C(ssh) or C(tcp 443)."""

    start_ms: float
    duration_ms: float
    error_ms: float
    seen_by: str


@dataclass(frozen=True, slots=True)
class UnitDuration:
    name: str
    duration_ms: float


@dataclass(frozen=True, slots=True)
class FindingEvidence:
    """Piece of evidence: C(kind) of what is named, such as C(unit), its C(name), the time measured for it, and a remark."""

    kind: str
    name: str
    ms: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class BootFinding:
    """What would have shortened the outage of one host.

    :ivar gain_ms: None if the host can't tell.
    :ivar basis: as in C(_finding_kinds.BASES); empty without a gain.
    """

    code: str
    time_ms: float
    gain_ms: float | None
    basis: str
    evidence: tuple[FindingEvidence, ...]


@dataclass(frozen=True, slots=True)
class RebootTimeline:
    """Phases of one reboot, from the old system into the new one.

    :ivar path: C(kexec), C(soft), C(firmware) or C(unknown).
    :ivar start: zero of :attr:`PhaseSpan.start_ms`, UTC.
    :ivar stop: slowest units of the old system to stop.
    :ivar started: slowest units of the new system to start.
    :ivar findings: in descending order of gain; empty in journals of earlier versions.
    :ivar gain_ms: what they would save together; None in journals of earlier versions.
    """

    path: str
    start: str
    spans: tuple[PhaseSpan, ...]
    outages: tuple[ObservedOutage, ...]
    stop: tuple[UnitDuration, ...]
    started: tuple[UnitDuration, ...]
    initcalls: tuple[UnitDuration, ...]
    findings: tuple[BootFinding, ...] = ()
    gain_ms: float | None = None


def timeline_of(value: Mapping[str, Any]) -> RebootTimeline:
    """Parse a timeline.

    :raises KeyError, TypeError, ValueError: it lacks a required field.
    """
    units = value.get("units") or {}
    outages = [_outage(value[name]) for name in ("outage", "probe_outage") if value.get(name)]
    return RebootTimeline(
        path=str(value["path"]),
        start=str(value["start"]),
        spans=tuple(map(_span, value["phases"])),
        outages=tuple(outages),
        stop=_durations(units.get("stop") or (), "unit"),
        started=_durations(units.get("start") or (), "unit"),
        initcalls=_durations(value.get("initcalls") or (), "name"),
        findings=_findings(value.get("findings")),
        gain_ms=_gain(value),
    )


def finite(value: Any) -> float:
    """Require a finite number; JSON allows numbers that overflow to infinity.

    :raises ValueError: the value is something else.
    """
    number = finite_number(value)
    if number is None:
        raise ValueError("%r is no number" % (value,))
    return number


def _span(phase: Mapping[str, Any]) -> PhaseSpan:
    return PhaseSpan(
        name=str(phase["name"]),
        start_ms=finite(phase["start_ms"]),
        duration_ms=finite(phase["duration_ms"]),
        error_ms=finite(phase.get("error_ms") or 0.0),
        source=str(phase.get("source") or ""),
        within=phase.get("within"),
    )


def _outage(outage: Mapping[str, Any]) -> ObservedOutage:
    return ObservedOutage(
        finite(outage["start_ms"]), finite(outage["duration_ms"]), finite(outage.get("error_ms") or 0.0), str(outage["seen_by"])
    )


def _gain(value: Mapping[str, Any]) -> float | None:
    try:
        return _length(value.get("gain_ms"))
    except (TypeError, ValueError):
        return None


def _findings(value: Any) -> tuple[BootFinding, ...]:
    """Parse findings, which nothing else depends on: those that are malformed are left out."""
    found: dict[str, BootFinding] = {}
    for each in value if isinstance(value, list) else ():
        with contextlib.suppress(AttributeError, KeyError, TypeError, ValueError):
            finding = _finding(each)
            found.setdefault(finding.code, finding)
    return tuple(found.values())[:_MOST_FINDINGS]


def _length(value: Any) -> float | None:
    """Require a time that is not negative, or None."""
    return None if value is None else max(0.0, finite(value))


def _finding(finding: Mapping[str, Any]) -> BootFinding:
    return BootFinding(
        code=str(finding["code"]),
        time_ms=_length(finding.get("time_ms")) or 0.0,
        gain_ms=_length(finding.get("gain_ms")),
        basis=str(finding.get("basis") or ""),
        evidence=tuple(map(_evidence, (finding.get("evidence") or ())[:_MOST_EVIDENCE])),
    )


def _evidence(piece: Mapping[str, Any]) -> FindingEvidence:
    kind, name = next(((key, each) for key, each in piece.items() if key not in ("ms", "note")), ("", ""))
    return FindingEvidence(str(kind), str(name), _length(piece.get("ms")) or 0.0, str(piece.get("note") or ""))


def _durations(durations: Sequence[Mapping[str, Any]], name: str) -> tuple[UnitDuration, ...]:
    return tuple(UnitDuration(str(each[name]), finite(each["duration_ms"])) for each in durations)
