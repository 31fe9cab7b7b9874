# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ledger of reboots: what was proven on which machines with which kernels, without the names of hosts. Pure.

A ledger is a set of sources, each a run or a single reboot, with what it counted by class. Sources have names that follow from
where they come from, so that one that is taken in twice, or by two ledgers that are merged, counts once: the newer version of
it replaces the older one. Merging is commutative, associative and idempotent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate
from typing import Any, TypeVar

from .histogram import DurationHistogram

KEXEC = "kexec"
FIRMWARE = "firmware"

#: Phases whose durations are kept, those of a forecast.
PHASES = ("prepare", "drain", "outage", "after")

# Bounds. The newest are kept.
RUNS_MAX = 500
# Lines of all runs together.
LINES_MAX = 10_000
BOOTS_MAX = 5_000
LINES_OF_A_RUN_MAX = 256
# Classes that failed, and classes that were cleared.
MARKS_MAX = 1_000

Item = TypeVar("Item")


class SourceKind(StrEnum):
    """Kind of a source."""

    RUN = "run"
    BOOT = "boot"


class LedgerResult(StrEnum):
    """Result of a reboot, as the ledger counts it."""

    #: Came back by kexec, as staged, as the same machine and in service.
    KEXEC = "kexec"
    #: Came back by kexec, and not as the same machine.
    DEGRADED = "degraded"
    #: Was to reboot by kexec, and did not come back, or not as staged.
    FAILED = "failed"
    #: Rebooted by kexec, and something else went wrong: a hook, a login. Neither proves nor disproves anything.
    UNCLEAR = "unclear"
    #: Rebooted through firmware, as was intended.
    FIRMWARE = "firmware"
    #: Was to reboot through firmware, and failed.
    FIRMWARE_FAILED = "firmware_failed"


#: Results because of which a class is blocked.
BAD = frozenset({LedgerResult.DEGRADED, LedgerResult.FAILED})


@dataclass(frozen=True, order=True)
class LedgerClass:
    """Class that the ledger counts by: a host class, and the kernels before and after the reboot."""

    host_class: str
    before: str
    after: str


@dataclass(frozen=True)
class Tally:
    """Count of the reboots of a class.

    :ivar results: number by result.
    :ivar fallbacks: number of those that failed or were degraded and then went through firmware, or were power-cycled.
    :ivar differences: number of reboots after which something was different, by code.
    :ivar times: durations of reboots that ended well, by path and phase.
    :ivar last_at: time of the last one, as the journal writes times.
    """

    results: Mapping[LedgerResult, int] = field(default_factory=dict)
    fallbacks: int = 0
    differences: Mapping[str, int] = field(default_factory=dict)
    times: Mapping[tuple[str, str], DurationHistogram] = field(default_factory=dict)
    last_at: str = ""

    def of(self, result: LedgerResult) -> int:
        return self.results.get(result, 0)

    @property
    def bad(self) -> int:
        """Number of reboots by kexec that failed or were degraded."""
        return sum(self.of(result) for result in BAD)

    @property
    def trials(self) -> int:
        """Number of reboots by kexec that say something about the class."""
        return self.of(LedgerResult.KEXEC) + self.bad

    @property
    def reboots(self) -> int:
        return sum(self.results.values())

    def plus(self, other: Tally) -> Tally:
        return Tally(
            _added(self.results, other.results),
            self.fallbacks + other.fallbacks,
            _added(self.differences, other.differences),
            _joined(self.times, other.times, DurationHistogram.plus),
            max(self.last_at, other.last_at),
        )


@dataclass(frozen=True)
class LedgerSource:
    """Source of counts: a run, or a single reboot that no run made.

    :ivar id: follows from where it comes from; no name can be read from it.
    :ivar at: time at which it began. It decides which sources are dropped first.
    :ivar version: grows with what the source has to say, such as the size of the journal in bytes.
    :ivar failed: time of the last bad reboot of each class that had one.
    """

    id: str
    kind: SourceKind
    at: str
    version: int
    tallies: Mapping[LedgerClass, Tally]
    failed: Mapping[LedgerClass, str] = field(default_factory=dict)


@dataclass(frozen=True, order=True)
class Clearing:
    """Decision of a person that what was seen of a class is no reason to block it any more."""

    at: str
    by: str
    reason: str


@dataclass(frozen=True)
class Ledger:
    """Sources by ID, when each class failed last, and how classes were cleared.

    C(failed) is kept apart from the sources, so that a class stays blocked when the run in which it failed is dropped.
    """

    sources: Mapping[str, LedgerSource] = field(default_factory=dict)
    failed: Mapping[LedgerClass, str] = field(default_factory=dict)
    cleared: Mapping[LedgerClass, Clearing] = field(default_factory=dict)

    def merged(self, other: Ledger) -> Ledger:
        """Merge two ledgers; what both have counts once."""
        sources = _joined(self.sources, other.sources, _newer)
        failed = _joined(self.failed, other.failed, max)
        return Ledger(
            _kept_sources(sources),
            _newest(failed, lambda at: at),
            _newest(_joined(self.cleared, other.cleared, max), lambda clearing: clearing.at),
        )

    def with_sources(self, sources: Iterable[LedgerSource]) -> Ledger:
        """Take in sources, each instead of an older version of it."""
        taken: dict[str, LedgerSource] = {}
        failed: dict[LedgerClass, str] = {}
        for source in map(bounded, sources):
            taken[source.id] = _newer(taken.get(source.id, source), source)
            failed.update({key: max(at, failed.get(key, "")) for key, at in source.failed.items()})
        return self.merged(Ledger(taken, failed))

    def with_clearing(self, keys: Iterable[LedgerClass], clearing: Clearing) -> Ledger:
        return self.merged(Ledger(cleared=dict.fromkeys(keys, clearing)))

    def tallies(self, but: str | None = None) -> dict[LedgerClass, Tally]:
        """Count the reboots of each class over all sources, except for one."""
        found: dict[LedgerClass, Tally] = {}
        for source in self.sources.values():
            if source.id != but:
                for key, tally in source.tallies.items():
                    found[key] = found[key].plus(tally) if key in found else tally
        return found

    def blocked(self) -> dict[LedgerClass, str]:
        """Classes that failed after they were cleared last, if ever, and when."""
        return {key: at for key, at in sorted(self.failed.items()) if key not in self.cleared or at > self.cleared[key].at}


def bounded(source: LedgerSource) -> LedgerSource:
    """Reduce a source to a number of classes: those that failed, and those with most reboots."""
    if len(source.tallies) <= LINES_OF_A_RUN_MAX:
        return source
    order = sorted(source.tallies, key=lambda key: (-source.tallies[key].bad, -source.tallies[key].reboots, key))
    kept = {key: source.tallies[key] for key in order[:LINES_OF_A_RUN_MAX]}
    return LedgerSource(source.id, source.kind, source.at, source.version, kept, source.failed)


def _newer(one: LedgerSource, other: LedgerSource) -> LedgerSource:
    """The newer version of a source. Which of two of the same version does not matter, as long as it is always the same one."""
    return max(one, other, key=_order)


def _order(source: LedgerSource) -> Any:
    tallies = sorted(
        (key, sorted(tally.results.items()), tally.fallbacks, sorted(tally.differences.items()), tally.last_at)
        for key, tally in source.tallies.items()
    )
    times = sorted(
        (key, sorted((of, sorted(each.counts.items())) for of, each in tally.times.items()))
        for key, tally in source.tallies.items()
    )
    return (source.version, source.at, source.kind, tallies, times, sorted(source.failed.items()))


def _kept_sources(sources: Mapping[str, LedgerSource]) -> dict[str, LedgerSource]:
    """Keep the newest sources of each kind, in the order of time.

    Dropped are all that are older than the first that does not fit, so that the order in which ledgers are merged makes no
    difference.
    """
    kept: list[LedgerSource] = []
    for kind, most, lines_max in ((SourceKind.RUN, RUNS_MAX, LINES_MAX), (SourceKind.BOOT, BOOTS_MAX, BOOTS_MAX)):
        ordered = sorted(
            (each for each in sources.values() if each.kind is kind), key=lambda each: (each.at, each.id), reverse=True
        )
        lines = accumulate(max(1, len(each.tallies)) for each in ordered)
        kept += [each for each, total in zip(ordered[:most], lines, strict=False) if total <= lines_max]
    return {each.id: each for each in sorted(kept, key=lambda each: (each.at, each.id))}


def _newest(marks: Mapping[LedgerClass, Item], at: Callable[[Item], Any]) -> dict[LedgerClass, Item]:
    if len(marks) <= MARKS_MAX:
        return dict(marks)
    order = sorted(marks, key=lambda key: (at(marks[key]), key), reverse=True)
    return {key: marks[key] for key in order[:MARKS_MAX]}


_Key = TypeVar("_Key")


def _joined(one: Mapping[_Key, Item], other: Mapping[_Key, Item], join: Callable[[Item, Item], Item]) -> dict[_Key, Item]:
    made = dict(one)
    for key, item in other.items():
        made[key] = join(made[key], item) if key in made else item
    return made


def _added(one: Mapping[_Key, int], other: Mapping[_Key, int]) -> dict[_Key, int]:
    return _joined(one, other, lambda left, right: left + right)
