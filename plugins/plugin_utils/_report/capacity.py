# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Audit of the capacity: how many hosts were unavailable over time, and which of them exceeded a limit.

A host that goes down on its own exceeds no limit; taking one more host then does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._journal.events import RunTerms
from .timeline import finite

# More hosts than any fleet has; a larger number in a journal is damage.
_MOST_HOSTS = 10**9


@dataclass(frozen=True, slots=True)
class CapacityLevel:
    """Numbers of hosts in flight, which the window bounds, and unavailable as far as the run knew, from some moment on."""

    at_s: float
    in_flight: int
    unavailable: int


@dataclass(frozen=True, slots=True)
class RecordedForecast:
    """Forecast of a run, or of its rest at a resume; C(in_flight_over_time) pairs seconds since the forecast with hosts."""

    total_p50_s: float
    total_p95_s: float
    in_flight_over_time: list[tuple[float, int]]


@dataclass(frozen=True, slots=True)
class EffectiveTerms:
    """Limits and forecast of one controller process, from some moment on.

    :ivar window: maximum number of hosts in flight; None if the journal does not have it.
    :ivar max_unavailable: maximum number of unavailable hosts in the whole fleet; None for no such limit.
    :ivar limits: number of limits by domain or group.
    """

    at_s: float
    window: int | None
    max_unavailable: int | None
    limits: int
    forecast: RecordedForecast | None


@dataclass(frozen=True, slots=True)
class Breach:
    """Host that was put in flight beyond a limit.

    :ivar of: name of the limit, in words.
    :ivar most: number of unavailable hosts that the limit allows.
    :ivar unavailable: number of hosts that were unavailable then, this host included.
    """

    at_s: float
    host: str
    of: str
    most: int
    unavailable: int


@dataclass(slots=True)
class _Limit:
    of: str
    most: int
    unavailable: int


class CapacityAudit:
    """Count of unavailable hosts against the limits. Times are seconds since the run began, in ascending order."""

    def __init__(self) -> None:
        self.levels = [CapacityLevel(0.0, 0, 0)]
        self.terms: list[EffectiveTerms] = []
        self.breaches: list[Breach] = []
        self._in_flight: set[str] = set()
        self._down: set[str] = set()
        self._limits: dict[str, list[_Limit]] = {}

    def begin(self, at_s: float) -> None:
        """Begin a controller process whose terms are not known yet."""
        self._limits = {}
        self.terms.append(EffectiveTerms(at_s, None, None, 0, None))

    def go_by(self, terms: RunTerms, fleet: Iterable[str]) -> None:
        """Take in the terms of this process; C(fleet) names every host that counts.

        :raises KeyError, TypeError, ValueError: the terms are invalid.
        """
        everybody = frozenset(fleet)
        unavailable = self._in_flight | self._down
        of_all, of_some = [], 0
        self._limits = {}
        for each in terms.limits:
            hosts = frozenset(map(str, each["hosts"]))
            limit = _Limit(str(each["of"]), _count(each["most"]), len(hosts & unavailable))
            if hosts >= everybody:
                of_all.append(limit.most)
            else:
                of_some += 1
            for host in hosts:
                self._limits.setdefault(host, []).append(limit)
        self.terms[-1] = EffectiveTerms(
            self.terms[-1].at_s,
            _count(terms.window),
            min(of_all, default=None),
            of_some,
            _forecast(terms.forecast),
        )

    def count(self, at_s: float, host: str, *, in_flight: bool, down: bool) -> None:
        """Count a host or bystander as it is from now on; C(in_flight) if the rollout made it unavailable."""
        was_in_flight, was_unavailable = host in self._in_flight, self._unavailable(host)
        for names, is_in in ((self._in_flight, in_flight), (self._down, down)):
            (names.add if is_in else names.discard)(host)
        self._counted(at_s, host, was_unavailable)
        if in_flight and not was_in_flight:
            self._judge(at_s, host, was_unavailable)

    def _unavailable(self, host: str) -> bool:
        return host in self._in_flight or host in self._down

    def _counted(self, at_s: float, host: str, was_unavailable: bool) -> None:
        change = self._unavailable(host) - was_unavailable
        if change:
            for limit in self._limits.get(host, ()):
                limit.unavailable += change
        in_flight = len(self._in_flight)
        unavailable = len(self._in_flight | self._down) if self._down else in_flight
        last = self.levels[-1]
        if (in_flight, unavailable) != (last.in_flight, last.unavailable):
            self.levels.append(CapacityLevel(at_s, in_flight, unavailable))

    def _judge(self, at_s: float, host: str, was_unavailable: bool) -> None:
        window = self.terms[-1].window
        if window is not None and len(self._in_flight) > window:
            self.breaches.append(Breach(at_s, host, "the window", window, len(self._in_flight)))
        if not was_unavailable:
            self.breaches += [
                Breach(at_s, host, limit.of, limit.most, limit.unavailable)
                for limit in self._limits.get(host, ())
                if limit.unavailable > limit.most
            ]


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST_HOSTS:
        raise ValueError("%r is no number of hosts" % (value,))
    return value


def _forecast(value: Mapping[str, Any] | None) -> RecordedForecast | None:
    if value is None:
        return None
    course = [(finite(at_s), _count(in_flight)) for at_s, in_flight in value["out_over_time"]]
    return RecordedForecast(finite(value["total_p50_s"]), finite(value["total_p95_s"]), course)
