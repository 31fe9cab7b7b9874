# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A finding: what took time in an outage, with its evidence, and where the time that it predicts to save lies.

A gain is a set of spans on the timeline's axis, cut to the outage. So it can't be longer than the phase that it lies in, and
gains of several findings are added as the union of their spans: time that two findings would save counts once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

from .._finding_kinds import MEASURED
from .._text import shown_name
from .spans import Span, inside, length_ms, union

#: Findings below this are noise.
LEAST_MS = 100.0
# Evidence named for one finding, and the length of each name.
_MOST_CLUES = 5
_MOST_CHARACTERS = 160


@dataclass(frozen=True)
class Clue:
    """Piece of evidence.

    :ivar kind: C(unit), C(device), C(interface), C(initcall), C(file) or C(message), a line of the kernel log.
    :ivar name: its name, or the line, as the host has it.
    :ivar ms: time that was measured for it.
    :ivar note: what else was seen, in the words of this collection.
    """

    kind: str
    name: str
    ms: float
    note: str = ""

    def value(self) -> Dict[str, Any]:
        shown: Dict[str, Any] = {self.kind: shown_name(self.name, _MOST_CHARACTERS), "ms": round(self.ms, 1)}
        return dict(shown, note=self.note) if self.note else shown


@dataclass(frozen=True)
class Finding:
    """Finding of one kind on one host.

    :ivar code: key of C(_finding_kinds.KINDS).
    :ivar taken: time that its cause took.
    :ivar saved: time that would be saved; None if that can't be told from this host.
    :ivar basis: one of C(_finding_kinds.BASES).
    """

    code: str
    taken: Sequence[Span]
    saved: Optional[Sequence[Span]]
    basis: str = MEASURED
    clues: Sequence[Clue] = field(default_factory=tuple)


@dataclass(frozen=True)
class OutagePhases:
    """Outage on the axis of its timeline, and the phases that it consists of."""

    span: Span
    phases: Tuple[Tuple[str, Span], ...]

    @classmethod
    def of(cls, timeline: Dict[str, Any]) -> Optional[OutagePhases]:
        """Take the outage that the controller saw, or else all phases from the first of the reboot to sshd; None without any."""
        phases = [
            (str(phase["name"]), Span(phase["start_ms"], phase["start_ms"] + phase["duration_ms"]))
            for phase in timeline["phases"]
            if phase["name"] not in ("stage", "drain", "healthy") and phase["within"] is None
        ]
        if not phases:
            return None
        span = Span(min(each.start_ms for _name, each in phases), max(each.end_ms for _name, each in phases))
        seen = timeline.get("outage")
        if seen:
            span = Span(max(span.start_ms, seen["start_ms"]), min(span.end_ms, seen["start_ms"] + seen["duration_ms"]))
        return cls(span, tuple(phases))

    def phase(self, name: str) -> Optional[Span]:
        return next((span for known, span in self.phases if known == name), None)


def present(findings: Iterable[Finding], outage: OutagePhases) -> Tuple[List[Dict[str, Any]], float]:
    """Present findings as plain values, the largest gain first, and the total of their gains in milliseconds.

    Findings that took less than :data:`LEAST_MS` of the outage, or would save less, are left out.
    """
    shown, saved_by_all = [], []
    for finding in findings:
        time_ms = length_ms(inside(finding.taken, [outage.span]))
        saved = None if finding.saved is None else inside(inside(finding.saved, finding.taken), [outage.span])
        gain_ms = None if saved is None else length_ms(saved)
        if time_ms < LEAST_MS or (gain_ms is not None and gain_ms < LEAST_MS):
            continue
        saved_by_all += saved or []
        phases = {name: round(length_ms(inside(saved or [], [span])), 1) for name, span in outage.phases}
        shown.append(
            {
                "code": finding.code,
                "phases": {name: each_ms for name, each_ms in phases.items() if each_ms},
                "time_ms": round(time_ms, 1),
                "gain_ms": None if gain_ms is None else round(gain_ms, 1),
                "basis": None if gain_ms is None else finding.basis,
                "evidence": [clue.value() for clue in sorted(finding.clues, key=lambda clue: -clue.ms)[:_MOST_CLUES]],
            }
        )
    return sorted(shown, key=lambda each: (-(each["gain_ms"] or 0.0), each["code"])), round(length_ms(union(saved_by_all)), 1)
