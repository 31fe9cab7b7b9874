# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many hosts were missing over time, held against what the run went by.

A host that goes down on its own exceeds no limit. What does is to take one more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._journal.events import RunTerms
from .boots import finite

# More than can be: a number that stands for anything else.
_MOST_HOSTS = 10**9


@dataclass(frozen=True, slots=True)
class Level:
    """How many hosts were missing from some moment on.

    :ivar out: because of the rollout; this is what the window bounds.
    :ivar unavailable: for whatever reason, as far as the run knew; this is what max_unavailable bounds.
    """

    at_s: float
    out: int
    unavailable: int


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What was forecast of a run as a whole, of what was left of it where it was resumed.

    :ivar out_over_time: seconds since the forecast, and how many hosts are out from then on.
    """

    total_p50_s: float
    total_p95_s: float
    out_over_time: list[tuple[float, int]]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a process of the controller went by, from some moment on.

    :ivar window: how many hosts could be out at a time; None where the journal does not have it.
    :ivar most_unavailable: how many of the whole fleet could be missing; None if nothing was said of that.
    :ivar limits: how many limits there were of parts of the fleet, by domain or group.
    """

    at_s: float
    window: int | None
    most_unavailable: int | None
    limits: int
    foreseen: Foreseen | None


@dataclass(frozen=True, slots=True)
class Breach:
    """A host was taken out, and with it more were missing than might be.

    :ivar of: what the limit is about, in words.
    """

    at_s: float
    host: str
    of: str
    most: int
    missing: int


@dataclass(slots=True)
class _Limit:
    of: str
    most: int
    missing: int


class Capacity:
    """Counts who is missing. Seconds since the run began, which never go back.

    :ivar levels: in the order of time.
    :ivar terms: of each process of the controller, in their order.
    """

    def __init__(self) -> None:
        self.levels = [Level(0.0, 0, 0)]
        self.terms: list[Terms] = []
        self.breaches: list[Breach] = []
        self._out: set[str] = set()
        self._down: set[str] = set()
        self._limits: dict[str, list[_Limit]] = {}

    def begin(self, at_s: float) -> None:
        """A process of the controller begins; it is not known yet what it goes by."""
        self._limits = {}
        self.terms.append(Terms(at_s, None, None, 0, None))

    def go_by(self, terms: RunTerms, fleet: Iterable[str]) -> None:
        """Tell what it goes by.

        :param fleet: every host that counts.
        :raises KeyError, TypeError, ValueError: the terms are not what they should be.
        """
        everybody = frozenset(fleet)
        missing = self._out | self._down
        of_all, of_some = [], 0
        self._limits = {}
        for each in terms.limits:
            hosts = frozenset(map(str, each["hosts"]))
            limit = _Limit(str(each["of"]), _count(each["most"]), len(hosts & missing))
            if hosts >= everybody:
                of_all.append(limit.most)
            else:
                of_some += 1
            for host in hosts:
                self._limits.setdefault(host, []).append(limit)
        self.terms[-1] = Terms(
            self.terms[-1].at_s,
            _count(terms.window),
            min(of_all, default=None),
            of_some,
            _foreseen(terms.forecast),
        )

    def count(self, at_s: float, host: str, *, in_flight: bool, down: bool) -> None:
        """Count a host or bystander as it is from now on.

        :param in_flight: whether the rollout has made it unavailable.
        """
        was_out, was_missing = host in self._out, self._missing(host)
        for names, is_in in ((self._out, in_flight), (self._down, down)):
            (names.add if is_in else names.discard)(host)
        self._counted(at_s, host, was_missing)
        if in_flight and not was_out:
            self._judge(at_s, host, was_missing)

    def _missing(self, host: str) -> bool:
        return host in self._out or host in self._down

    def _counted(self, at_s: float, host: str, was_missing: bool) -> None:
        change = self._missing(host) - was_missing
        if change:
            for limit in self._limits.get(host, ()):
                limit.missing += change
        out, unavailable = len(self._out), len(self._out | self._down) if self._down else len(self._out)
        last = self.levels[-1]
        if (out, unavailable) != (last.out, last.unavailable):
            self.levels.append(Level(at_s, out, unavailable))

    def _judge(self, at_s: float, host: str, was_missing: bool) -> None:
        """Whether this host was one too many."""
        window = self.terms[-1].window
        if window is not None and len(self._out) > window:
            self.breaches.append(Breach(at_s, host, "the window", window, len(self._out)))
        if not was_missing:
            self.breaches += [
                Breach(at_s, host, limit.of, limit.most, limit.missing)
                for limit in self._limits.get(host, ())
                if limit.missing > limit.most
            ]


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST_HOSTS:
        raise ValueError("%r is no number of hosts" % (value,))
    return value


def _foreseen(value: Mapping[str, Any] | None) -> Foreseen | None:
    if value is None:
        return None
    course = [(finite(at_s), _count(out)) for at_s, out in value["out_over_time"]]
    return Foreseen(finite(value["total_p50_s"]), finite(value["total_p95_s"]), course)
