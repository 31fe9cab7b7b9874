# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings about the end of the old system: units that were slow to stop, and devices."""

from __future__ import annotations

import signal
from typing import Iterable, Iterator, List, Tuple

from .._finding_kinds import AT_MOST, MEASURED
from .._host.systemd_times import UnitStop
from .case import Case
from .finding import LEAST_MS, Clue, Finding
from .spans import Span, alone, last_part, length_ms, without

# Time that a unit keeps with the stop timeout that is proposed for it.
_PROPOSED_TIMEOUT_MS = 5000.0
# Units that this collection has wait for the end of all others.
_OWN = "fleet-kexec-"
# Devices that take less are not worth a second look.
_LONG_SHUTDOWN_MS = 1000.0

_Stop = Tuple[UnitStop, Span]


def slow_stops(case: Case) -> Iterator[Finding]:
    """Find units that alone kept the shutdown waiting: while others stop as well, one that is faster saves nothing."""
    placed: List[_Stop] = []
    for stop in case.reading.stops:
        start_ms = case.old_ms(stop.began_us) if stop.began_us is not None else None
        if start_ms is not None:
            placed.append((stop, Span(start_ms, start_ms + stop.duration_us / 1e3)))
    window = case.phases("stop_units")
    if not window:
        return
    late = [each for each in placed if each[0].timed_out]
    others = [each for each in placed if not each[0].timed_out]
    by_themselves = without(_spans(late), _spans(others))
    kept = [Span(span.start_ms, span.start_ms + _PROPOSED_TIMEOUT_MS) for _stop, span in late]
    yield Finding("STOP_TIMEOUT", _spans(late), without(by_themselves, kept), MEASURED, list(map(_clue, late)))
    slow, quick = [], []
    for each, parts in zip(placed, alone([span for _stop, span in placed])):
        if each[0].timed_out or each[0].unit.startswith(_OWN) or length_ms(parts) < LEAST_MS:
            quick.append(each[1])
        else:
            slow.append(each)
    yield Finding("STOP_SLOW", _spans(slow), without(_spans(slow), quick), AT_MOST, list(map(_clue, slow)))


def device_shutdown(case: Case) -> Iterator[Finding]:
    """Find time of the jump that shutting down devices took, where the stub's stamps divide it."""
    found = next((phase for phase in case.timeline["phases"] if phase["name"] == "shutdown"), None)
    if found is None:
        return
    # What the old kernel copied lies in the same phase.
    took_ms = found["duration_ms"] - (case.reading.copy_ms or 0.0)
    if took_ms < _LONG_SHUTDOWN_MS:
        return
    whole = Span(found["start_ms"], found["start_ms"] + took_ms)
    controllers, setup = case.setup.nvme, case.setup
    saved = None
    if len(controllers) > 1 and not setup.async_shutdown:
        # If they took all of the time, one after another: an upper limit, since nothing tells what else did.
        saved = [last_part(whole, took_ms * (len(controllers) - 1) / len(controllers))]
    yield Finding(
        "DEVICE_SHUTDOWN", [whole], saved, AT_MOST, [Clue("device", each, took_ms / len(controllers)) for each in controllers]
    )


def _spans(stops: Iterable[_Stop]) -> List[Span]:
    return [span for _stop, span in stops]


def _clue(each: _Stop) -> Clue:
    stop, span = each
    killed = "killed by SIGKILL" if stop.signal == signal.SIGKILL else ""
    note = "its stop timeout passed" + (", " + killed if killed else "") if stop.timed_out else killed
    return Clue("unit", stop.unit, span.end_ms - span.start_ms, note)
