# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Outage of a service while its host reboots; pure, driven by observations.

The outage is the longest time between two good answers, from the trigger until the host is known to be back or, if that is later,
the first good answer after it. So a service that missed a single probe before it went down is not mistaken for one that is back,
and one that another host took over has an outage of next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from .._transport.observation import Observation


@dataclass(frozen=True)
class ServiceOutage:
    """Longest time without a good answer.

    :ivar last_good: monotonic seconds of the last good answer before it.
    :ivar first_good: of the first one after it.
    :ivar down_s: from the first failed probe in between to the last. The service was down for at least this long.
    """

    last_good: float
    first_good: float
    down_s: float

    @property
    def duration_ms(self) -> int:
        return round((self.first_good - self.last_good) * 1000)

    @property
    def error_ms(self) -> int:
        """How much shorter the outage may have been."""
        return max(0, round((self.first_good - self.last_good - self.down_s) * 1000))


class ServiceTrack:
    """One service around one reboot; C(was_up) is None until its host goes down, C(outage) the longest so far."""

    def __init__(self) -> None:
        self.was_up: bool | None = None
        self.outage: ServiceOutage | None = None
        self._last_good: float | None = None
        self._back_at: float | None = None
        # Start times of the probes that failed since the last good answer.
        self._first_bad: float | None = None
        self._last_bad = 0.0

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to observe."""
        if self.was_up is False:
            return True
        return self._back_at is not None and self._last_good is not None and self._last_good >= self._back_at

    @property
    def last_good(self) -> float | None:
        return self._last_good

    @property
    def is_failing(self) -> bool:
        """Whether a probe failed since the last good answer."""
        return self._first_bad is not None

    @property
    def is_host_back(self) -> bool:
        """Whether the host is known to have rebooted."""
        return self._back_at is not None

    def observe(self, observation: Observation) -> None:
        if observation.up:
            if self._last_good is not None:
                self._take_in(self._last_good, observation.at)
            self._last_good, self._first_bad = observation.at, None
        elif self._last_good is not None:
            first = observation.at if self._first_bad is None else min(self._first_bad, observation.at)
            last = observation.at if self._first_bad is None else max(self._last_bad, observation.at)
            self._first_bad, self._last_bad = first, last

    def _take_in(self, last_good: float, first_good: float) -> None:
        down_s = self._last_bad - self._first_bad if self._first_bad is not None else 0.0
        found = ServiceOutage(last_good, first_good, down_s)
        if self.outage is None or first_good - last_good > self.outage.first_good - self.outage.last_good:
            self.outage = found

    def host_goes(self) -> None:
        """Record that the host goes down: a service that first answers after this was not up before the reboot."""
        if self.was_up is None:
            self.was_up = self._last_good is not None

    def host_is_back(self, since: float) -> None:
        """Record that the host has rebooted: answers from C(since) on are those of the new system."""
        self.host_goes()
        self._back_at = since
