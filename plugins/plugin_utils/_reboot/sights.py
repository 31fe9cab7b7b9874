# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen of a reboot from here, for its timeline, and by how much the host's clock is ahead of this machine's.

The latter as NTP does it (RFC 5905, section 8): the host reads its clock some time between question and answer. Where the
answer's way is short and the question's is long, as on a connection that has to be made first, the middle between the two
bounds is off by at most half of their distance.
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

from .._transport.session import SessionLost
from .host_track import HostOutage
from .service_track import ServiceOutage

# The first may have to connect.
ROUNDS = 3


class WallClock:
    """Nanoseconds since 1970 by the event loop's clock, which nobody can set.

    :param utc_ns: this machine's clock; asked once, for the beginning.
    """

    def __init__(self, utc_ns: Callable[[], int]) -> None:
        self.now = asyncio.get_running_loop().time
        self._epoch_ns = utc_ns() - round(self.now() * 1e9)

    def utc_ns(self, at: float | None = None) -> int:
        """A moment of the event loop; now, if none is given."""
        return self._epoch_ns + round((self.now() if at is None else at) * 1e9)

    def since(self, began: float) -> Interval:
        """From a moment of the event loop to now."""
        return Interval(self.utc_ns(began), round((self.now() - began) * 1e9))

    def span(self, began: float, outage: HostOutage | ServiceOutage, seen_by: str) -> Interval:
        """An outage from a moment of the event loop on."""
        return Interval(self.utc_ns(began), outage.duration_ms * 10**6, outage.error_ms * 10**6, seen_by)


@dataclass
class Sights:
    """What was seen of one reboot from here; None for what was not."""

    before: Offset | None = None
    stage: Interval | None = None
    outage: Interval | None = None
    drain: Interval | None = None
    probe_outage: Interval | None = None
    healthy_ns: int | None = None
    words: dict[str, str] = field(default_factory=dict)

    def as_args(self, after: Offset | None) -> dict[str, Any]:
        """The option C(seen) of M(fleet.kexec.timeline)."""
        known: dict[str, Any] = {**self.words, "healthy_ns": self.healthy_ns}
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
    """The offset by NTP's four times, two of them the host's; None if they can't be of one exchange."""
    highest, lowest = first_ns - sent_ns, last_ns - received_ns
    return Offset((highest + lowest) // 2, (highest - lowest + 1) // 2) if highest >= lowest else None


async def measure(ask: Callable[[], Awaitable[CommandResult]], utc_ns: Callable[[], int]) -> Offset | None:
    """The best of a few measurements; None if the host does not answer, or makes no sense.

    :param ask: runs C(scripts.CLOCK) on the host.
    """
    found = []
    for _round in range(ROUNDS):
        sent_ns = utc_ns()
        try:
            answer = await ask()
        except SessionLost:
            # One that was lost may have been waited for long enough.
            break
        received_ns = utc_ns()
        # Whatever else its shell says.
        times = [int(found) for found in re.findall(r"^clock=(\d+)\s*$", answer.stdout, re.MULTILINE)]
        offset = offset_of(sent_ns, times[0], times[-1], received_ns) if answer.rc == 0 and len(times) == 2 else None
        if offset is not None:
            found.append(offset)
    return min(found, key=lambda offset: offset.error_ns, default=None)
