# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observations of a reboot from the controller, for its timeline, and the offset of the host's clock.

The offset is measured as in NTP (RFC 5905, section 8): the host reads its clock some time between question and answer. If the
answer is fast and the question slow, as over a connection that has to be made first, the middle between the two bounds is off by
at most half their distance.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._timeline.axis import Offset
from ansible_collections.fleet.kexec.plugins.module_utils._timeline.timeline import Interval

from .._transport.session import SessionError
from .host_track import HostOutage
from .service_track import ServiceOutage

# The first round may have to connect.
ROUNDS = 3


class WallClock:
    """Nanoseconds since 1970 by the event loop's clock, which nobody can set; C(utc_ns) is read once, at the start."""

    def __init__(self, utc_ns: Callable[[], int]) -> None:
        self.now = asyncio.get_running_loop().time
        self._epoch_ns = utc_ns() - round(self.now() * 1e9)

    def utc_ns(self, at: float | None = None) -> int:
        """Convert an event-loop time; now by default."""
        return self._epoch_ns + round((self.now() if at is None else at) * 1e9)

    def since(self, began: float) -> Interval:
        """Interval from an event-loop time to now."""
        return Interval(self.utc_ns(began), round((self.now() - began) * 1e9))

    def span(self, began: float, outage: HostOutage | ServiceOutage, seen_by: str) -> Interval:
        """Interval of an outage that began at an event-loop time."""
        return Interval(self.utc_ns(began), outage.duration_ms * 10**6, outage.error_ms * 10**6, seen_by)


@dataclass
class Sights:
    """Observations of one reboot from the controller; None for what was not observed."""

    before: Offset | None = None
    stage: Interval | None = None
    outage: Interval | None = None
    drain: Interval | None = None
    probe_outage: Interval | None = None
    healthy_ns: int | None = None
    probe_port: int | None = None
    words: dict[str, str] = field(default_factory=dict)

    def as_args(self, after: Offset | None) -> dict[str, Any]:
        """Value of the option C(seen) of M(fleet.kexec.timeline)."""
        known: dict[str, Any] = {**self.words, "healthy_ns": self.healthy_ns, "probe_port": self.probe_port}
        pieces = {
            "clock_before": self.before,
            "clock_after": after,
            "drain": self.drain,
            "stage": self.stage,
            "outage": self.outage,
            "probe_outage": self.probe_outage,
        }
        known.update({name: vars(piece) for name, piece in pieces.items() if piece is not None})
        return {name: value for name, value in known.items() if value not in (None, "")}


def offset_of(sent_ns: int, first_ns: int, last_ns: int, received_ns: int) -> Offset | None:
    """Offset by NTP's four times, two of them the host's; None if they can't belong to one exchange."""
    highest, lowest = first_ns - sent_ns, last_ns - received_ns
    return Offset((highest + lowest) // 2, (highest - lowest + 1) // 2) if highest >= lowest else None


async def measure(ask: Callable[[], Awaitable[CommandResult]], utc_ns: Callable[[], int]) -> Offset | None:
    """Run C(scripts.CLOCK) on the host a few times and return the best offset; None if the host gives no usable answer."""
    found = []
    for _round in range(ROUNDS):
        sent_ns = utc_ns()
        try:
            answer = await ask()
        except SessionError:
            # Waiting for a lost answer may have taken long enough.
            break
        received_ns = utc_ns()
        # Skip whatever else the host's shell prints.
        times = [int(found) for found in re.findall(r"^clock=(\d+)\s*$", answer.stdout, re.MULTILINE)]
        offset = offset_of(sent_ns, times[0], times[-1], received_ns) if answer.rc == 0 and len(times) == 2 else None
        if offset is not None:
            found.append(offset)
    return min(found, key=lambda offset: offset.error_ns, default=None)
