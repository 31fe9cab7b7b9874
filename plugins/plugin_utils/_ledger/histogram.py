# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Histogram of durations with fixed buckets.

A histogram and not a sample: those of two sources add up to the same one in whatever order they come, nothing is drawn at random,
and the size has a bound. The price is accuracy: a percentile is within 4.5 % of a duration that occurred.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

# Buckets for each doubling of the duration.
_EACH_DOUBLING = 8
# The last bucket begins at 2^31 ms, or 25 days.
BUCKETS = 31 * _EACH_DOUBLING + 1


class DurationHistogram:
    """Numbers of durations by bucket; bucket C(n) begins at 2^(n/8) ms."""

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self.counts: dict[int, int] = {bucket: count for bucket, count in sorted((counts or {}).items()) if count}

    @classmethod
    def of(cls, durations_ms: Iterable[float]) -> DurationHistogram:
        made = cls()
        for duration_ms in durations_ms:
            bucket = _bucket_of(duration_ms)
            made.counts[bucket] = made.counts.get(bucket, 0) + 1
        return cls(made.counts)

    @property
    def total(self) -> int:
        """Number of durations."""
        return sum(self.counts.values())

    def plus(self, other: DurationHistogram) -> DurationHistogram:
        counts = dict(self.counts)
        for bucket, count in other.counts.items():
            counts[bucket] = counts.get(bucket, 0) + count
        return DurationHistogram(counts)

    def at_rank(self, rank: int) -> float:
        """Duration in milliseconds of the C(rank)-th shortest, from 1; raises ValueError if there are fewer."""
        passed = 0
        for bucket, count in self.counts.items():
            passed += count
            if passed >= rank:
                return _middle_ms(bucket)
        raise ValueError("there are %d durations, and rank %d is asked for" % (passed, rank))

    def percentile(self, percent: int) -> float:
        """Percentile in milliseconds by nearest rank, as :func:`_schedule.percentiles.percentile`; raises ValueError if empty."""
        return self.at_rank(max(1, -(-self.total * percent // 100)))

    def spread(self, number: int) -> Iterator[float]:
        """Choose this many durations, from the shortest to the longest, at equal distances of rank; there has to be one."""
        total = self.total
        for index in range(number):
            yield self.at_rank(min(total, 1 + int(total * (index + 0.5) / number)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DurationHistogram) and self.counts == other.counts

    def __hash__(self) -> int:
        return hash(tuple(self.counts.items()))

    def __repr__(self) -> str:
        return "DurationHistogram(%r)" % (self.counts,)


def _bucket_of(duration_ms: float) -> int:
    if duration_ms <= 1:
        return 0
    return min(BUCKETS - 1, int(math.log2(duration_ms) * _EACH_DOUBLING))


def _middle_ms(bucket: int) -> float:
    return float(round(2 ** ((bucket + 0.5) / _EACH_DOUBLING)))
