# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the seconds of one reboot went, read from a timeline as the journal has it.

The format is in C(docs/journal.md), event C(host_timeline). Phases that are not
known here are kept: a later version may have more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Phases that lie in the outage, in their order. C(stub) is a part of C(jump).
IN_OUTAGE = ("stop_units", "jump", "firmware", "loader", "kernel", "initrd", "userspace", "network", "ssh")

#: Those with which an outage begins: what a timeline without them tells is only how it ended.
BEGINNING = ("stop_units", "jump", "firmware")


@dataclass(frozen=True, slots=True)
class Span:
    """A phase of a reboot.

    :ivar start_ms: since the start of the timeline.
    :ivar error_ms: how far its length may be off.
    :ivar source: what it was measured with.
    :ivar within: the phase that it is a part of.
    """

    name: str
    start_ms: float
    duration_ms: float
    error_ms: float
    source: str = ""
    within: str | None = None

    @property
    def end_ms(self) -> float:
        """Since the start of the timeline."""
        return self.start_ms + self.duration_ms


@dataclass(frozen=True, slots=True)
class Outage:
    """How long nothing answered, as seen from outside.

    :ivar seen_by: what was asked, such as C(ssh) or C(tcp 443).
    """

    start_ms: float
    duration_ms: float
    error_ms: float
    seen_by: str


@dataclass(frozen=True, slots=True)
class Cost:
    """How long one unit or initcall took."""

    name: str
    duration_ms: float


@dataclass(frozen=True, slots=True)
class Boot:
    """One reboot, from the old system into the new one.

    :ivar path: C(kexec) or C(firmware).
    :ivar start: UTC, of what :attr:`Span.start_ms` counts from.
    :ivar stop: units of the old system that took longest to stop.
    :ivar started: units of the new system that took longest to start.
    """

    path: str
    start: str
    spans: tuple[Span, ...]
    outages: tuple[Outage, ...]
    stop: tuple[Cost, ...]
    started: tuple[Cost, ...]
    initcalls: tuple[Cost, ...]


def boot_of(timeline: Mapping[str, Any]) -> Boot:
    """Read a timeline.

    :raises KeyError, TypeError, ValueError: it lacks what every timeline has.
    """
    units = timeline.get("units") or {}
    outages = [_outage(timeline[name]) for name in ("outage", "probe_outage") if timeline.get(name)]
    return Boot(
        path=str(timeline["path"]),
        start=str(timeline["start"]),
        spans=tuple(map(_span, timeline["phases"])),
        outages=tuple(outages),
        stop=_costs(units.get("stop") or (), "unit"),
        started=_costs(units.get("start") or (), "unit"),
        initcalls=_costs(timeline.get("initcalls") or (), "name"),
    )


def finite(value: Any) -> float:
    """A number as it is written, which JSON lets be larger than any.

    :raises TypeError, ValueError: it is none.
    """
    number = float(value)
    if isinstance(value, (str, bool)) or not math.isfinite(number):
        raise ValueError("%r is no number" % (value,))
    return number


def _span(phase: Mapping[str, Any]) -> Span:
    return Span(
        name=str(phase["name"]),
        start_ms=finite(phase["start_ms"]),
        duration_ms=finite(phase["duration_ms"]),
        error_ms=finite(phase.get("error_ms") or 0.0),
        source=str(phase.get("source") or ""),
        within=phase.get("within"),
    )


def _outage(outage: Mapping[str, Any]) -> Outage:
    return Outage(
        finite(outage["start_ms"]), finite(outage["duration_ms"]), finite(outage.get("error_ms") or 0.0), str(outage["seen_by"])
    )


def _costs(costs: Sequence[Mapping[str, Any]], name: str) -> tuple[Cost, ...]:
    return tuple(Cost(str(each[name]), finite(each["duration_ms"])) for each in costs)
