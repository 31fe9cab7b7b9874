# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a service was away while its host rebooted: pure, driven by what probes see.

The outage is the longest time between two good answers, from the trigger until the host is known to be back or, if that is
later, the first good answer after it. A service that missed a single probe before it went is so not taken for one that is back,
and one that another host took over has an outage of next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from .._transport.prober import Observation


@dataclass(frozen=True)
class ServiceOutage:
    """The longest time without a good answer.

    :ivar last_good: monotonic seconds; when the last good answer before it arrived.
    :ivar first_good: when the first after it did.
    :ivar down_s: of it, from the first probe in between that failed to the last. The service was away for so long at least.
    """

    last_good: float
    first_good: float
    down_s: float

    @property
    def duration_ms(self) -> int:
        """From the last good answer to the first."""
        return round((self.first_good - self.last_good) * 1000)

    @property
    def error_ms(self) -> int:
        """By how much it may have been shorter."""
        return max(0, round((self.first_good - self.last_good - self.down_s) * 1000))


class ServiceTrack:
    """One service around one reboot.

    :ivar was_up: whether it gave a good answer before the host went; None while that is open.
    :ivar outage: the longest so far.
    """

    def __init__(self) -> None:
        self.was_up: bool | None = None
        self.outage: ServiceOutage | None = None
        self._last_good: float | None = None
        self._back_at: float | None = None
        # Starts of probes that failed since the last good answer.
        self._first_bad: float | None = None
        self._last_bad = 0.0

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to see."""
        if self.was_up is False:
            return True
        return self._back_at is not None and self._last_good is not None and self._last_good >= self._back_at

    @property
    def last_good(self) -> float | None:
        """When it last gave a good answer."""
        return self._last_good

    @property
    def is_failing(self) -> bool:
        """Whether a probe failed since then."""
        return self._first_bad is not None

    @property
    def is_host_back(self) -> bool:
        """Whether its host is known to have rebooted."""
        return self._back_at is not None

    def observe(self, observation: Observation) -> None:
        """Take in what a probe saw."""
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
        """Whatever answers for the first time from here on was not up before the reboot."""
        if self.was_up is None:
            self.was_up = self._last_good is not None

    def host_is_back(self, since: float) -> None:
        """The host is proven to have rebooted.

        :param since: from when on what answers is the new system.
        """
        self.host_goes()
        self._back_at = since
