# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the first reboot after each part was made with the last one before it, by the host's own timelines. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .._finding_outcomes import predicted_by, reboots_around
from .._json import finite_number
from .._kexec.proof import PATH_KEXEC
from .._reasons import Reason, reason
from . import cloud_init_disabled, initrd, parallel_shutdown, quiet, ssh_early, stop_timeout, wait_online

Timeline = Mapping[str, Any]

# Phases that a part shortens, of docs/timeline.md; the first group that both timelines have counts.
_STARTING = (("userspace", "network", "ssh"), ("userspace", "ssh"), ("userspace",))
PHASES: Dict[str, Tuple[Tuple[str, ...], ...]] = {
    stop_timeout.PART: (("stop_units",),),
    quiet.PART: (("kernel", "initrd", "userspace"), ("kernel", "initrd"), ("kernel",)),
    initrd.PART: (("kernel", "initrd"), ("kernel",)),
    cloud_init_disabled.PART: _STARTING,
    wait_online.PART: _STARTING,
    ssh_early.PART: _STARTING,
    # Without the stub's stamps, the shutdown of devices can't be told from the rest of the jump.
    parallel_shutdown.PART: (("shutdown",), ("jump",)),
}


@dataclass(frozen=True)
class PartEffect:
    """Time that the phases of a part took in the last reboot before it was made and in the first one after it.

    :ivar error_ms: of the difference.
    :ivar predicted_ms: what the findings of the reboot before predicted that the part would save; None if they predicted nothing.
    """

    part: str
    phases: Tuple[str, ...]
    before_ms: float
    after_ms: float
    error_ms: float
    predicted_ms: Optional[float] = None

    @property
    def saved_ms(self) -> float:
        return round(self.before_ms - self.after_ms, 3)

    @property
    def is_faster(self) -> bool:
        return self.saved_ms > self.error_ms

    def as_dict(self) -> Dict[str, Any]:
        return {
            "part": self.part,
            "phases": list(self.phases),
            "before_ms": self.before_ms,
            "after_ms": self.after_ms,
            "saved_ms": self.saved_ms,
            "predicted_ms": self.predicted_ms,
            "error_ms": self.error_ms,
            "faster": self.is_faster,
        }

    def note(self) -> Reason:
        message = "%s made the first reboot after it no faster: %s took %.0f ms before it, and %.0f ms after"
        return reason("BOOT_PART_NO_FASTER", message % (self.part, " and ".join(self.phases), self.before_ms, self.after_ms))


def effects_of(history: Sequence[Timeline], marks: Mapping[str, str]) -> List[PartEffect]:
    """Compare reboots via kexec before and after each part; parts without both are left out.

    :param history: timelines of the host's boots, oldest first.
    :param marks: boot_id of the boot in which each part was made, by part.
    """
    found = []
    for part, boot_id in marks.items():
        before, after = reboots_around(history, boot_id, PATH_KEXEC) if part in PHASES else (None, None)
        effect = _compared(part, before, after) if before and after else None
        if effect is not None:
            found.append(effect)
    return sorted(found, key=lambda each: list(PHASES).index(each.part))


def _compared(part: str, before: Timeline, after: Timeline) -> Optional[PartEffect]:
    spans_before, spans_after = _phases(before), _phases(after)
    for names in PHASES[part]:
        if all(name in spans_before and name in spans_after for name in names):
            spans = [spans[name] for spans in (spans_before, spans_after) for name in names]
            sums = [sum(spans[name][0] for name in names) for spans in (spans_before, spans_after)]
            error_ms = round(sum(error for _ms, error in spans), 3)
            return PartEffect(part, names, round(sums[0], 3), round(sums[1], 3), error_ms, predicted_by(part, before))
    return None


def _phases(timeline: Timeline) -> Dict[str, Tuple[float, float]]:
    """Duration and error of each phase; a history may hold anything."""
    found: Dict[str, Tuple[float, float]] = {}
    for phase in timeline.get("phases", ()):
        if isinstance(phase, Mapping):
            duration_ms, error_ms = finite_number(phase.get("duration_ms")), finite_number(phase.get("error_ms") or 0.0)
            if duration_ms is not None and error_ms is not None:
                found[str(phase.get("name"))] = duration_ms, error_ms
    return found
