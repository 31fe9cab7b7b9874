# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare findings of one reboot, and the gains that they predicted, with what a later reboot of the same kind took. Pure.

Timelines come from files that may hold anything, so what is malformed is left out.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ._finding_kinds import BASES, KINDS, MEASURED, MODELLED
from ._json import finite_number

Timeline = Mapping[str, Any]


class FindingOutcome(NamedTuple):
    """A finding, and what came of it.

    :ivar predicted_ms: gain that was predicted; None if none could be.
    :ivar basis: of that; see C(_finding_kinds.BASES).
    :ivar before_ms: time that its cause took.
    :ivar after_ms: time that it took in the later reboot; 0 if it was not found there, because it took less than the least of a
        finding, or nothing.
    """

    code: str
    predicted_ms: Optional[float]
    basis: Optional[str]
    before_ms: float
    after_ms: float

    @property
    def gained_ms(self) -> float:
        """Time by which it took less; negative if it took more."""
        return round(self.before_ms - self.after_ms, 1)

    def as_dict(self) -> Dict[str, Any]:
        return dict(self._asdict(), gained_ms=self.gained_ms, title=KINDS[self.code].title)


def outcomes_of(before: Timeline, after: Timeline) -> List[FindingOutcome]:
    """Compare each finding of a reboot with a later one, in the order of the findings; each gain is that of its cause alone.

    Findings of which the later reboot was not searched tell nothing, so there are none then.
    """
    if not isinstance(after.get("findings"), list):
        return []
    later = {code: time_ms for code, time_ms, _finding in _known(after)}
    return [
        FindingOutcome(code, finite_number(finding.get("gain_ms")), _basis(finding), time_ms, later.get(code, 0.0))
        for code, time_ms, finding in _known(before)
    ]


def last_pair(history: Sequence[Timeline]) -> Optional[Tuple[Timeline, Timeline]]:
    """The latest reboot, and the last one before it by the same path; None without both.

    :param history: timelines of a host's boots, oldest first.
    """
    if not history:
        return None
    latest = history[-1]
    alike = [each for each in history[:-1] if each.get("path") == latest.get("path") and isinstance(each.get("findings"), list)]
    return (alike[-1], latest) if alike else None


def predicted_by(part: str, timeline: Timeline) -> Optional[float]:
    """Milliseconds that findings predict a part of C(prepare_boot) to save, at most what all findings together would.

    None if nothing was predicted.
    """
    return _predicted((part,), timeline, BASES)


def reboots_around(history: Sequence[Timeline], boot_id: str, path: str) -> Tuple[Optional[Timeline], Optional[Timeline]]:
    """The last reboot by a path that ended in a boot or before it, and the first one after it; None where there is none.

    If the history has neither the reboot into that boot nor the one out of it, nothing is known to come before or after.
    """
    of_it = [index for index, each in enumerate(history) if _same(each.get("boot_id"), boot_id)]
    left = [index for index, each in enumerate(history) if _same(each.get("boot_id_before"), boot_id)]
    first_after = of_it[0] + 1 if of_it else left[0] if left else None
    if first_after is None:
        return None, None
    before = [each for each in history[:first_after] if each.get("path") == path]
    after = [each for each in history[first_after:] if each.get("path") == path]
    return before[-1] if before else None, after[0] if after else None


def untried_gain_ms(history: Sequence[Timeline], marks: Mapping[str, str], path: str) -> float:
    """Milliseconds by which parts of C(prepare_boot) made since the last reboot by a path are predicted to shorten the next one.

    They are predicted by the findings of that reboot, without those whose gain is an upper limit.

    :param history: timelines of the host's boots, oldest first.
    :param marks: boot_id of the boot in which each part was made, by part.
    """
    last, untried = None, []
    for part, boot_id in marks.items():
        before, after = reboots_around(history, boot_id, path)
        if before is not None and after is None:
            last = before
            untried.append(part)
    return _predicted(untried, last, (MEASURED, MODELLED)) or 0.0 if last is not None else 0.0


def _predicted(parts: Sequence[str], timeline: Timeline, bases: Sequence[str]) -> Optional[float]:
    gains_ms = [
        gain_ms
        for code, _time_ms, finding in _known(timeline)
        for gain_ms in [finite_number(finding.get("gain_ms"))]
        if gain_ms is not None and KINDS[code].part in parts and finding.get("basis") in bases
    ]
    if not gains_ms:
        return None
    total_ms = finite_number(timeline.get("gain_ms"))
    return round(sum(gains_ms) if total_ms is None else min(sum(gains_ms), total_ms), 1)


def _same(boot_id: Any, other: str) -> bool:
    return isinstance(boot_id, str) and bool(other) and boot_id.replace("-", "") == other.replace("-", "")


def _known(timeline: Timeline) -> Iterator[Tuple[str, float, Mapping[str, Any]]]:
    """Findings of known codes, each with the time that it took; of several with one code, the first."""
    findings = timeline.get("findings")
    seen = set()
    for finding in findings if isinstance(findings, list) else []:
        code = finding.get("code") if isinstance(finding, Mapping) else None
        if not isinstance(code, str) or code not in KINDS or code in seen:
            continue
        time_ms = finite_number(finding.get("time_ms"))
        if time_ms is not None:
            seen.add(code)
            yield code, time_ms, finding


def _basis(finding: Mapping[str, Any]) -> Optional[str]:
    basis = finding.get("basis")
    return basis if isinstance(basis, str) else None
