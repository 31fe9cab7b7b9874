# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spans of time on the axis of a timeline, as sets: what two causes share counts once."""

from __future__ import annotations

from typing import Iterable, List, NamedTuple, Sequence, Set


class Span(NamedTuple):
    """Milliseconds since the start of the timeline."""

    start_ms: float
    end_ms: float


def union(spans: Iterable[Span]) -> List[Span]:
    """Join spans that touch or overlap, in order; empty ones are dropped."""
    joined: List[Span] = []
    for span in sorted(each for each in spans if each.end_ms > each.start_ms):
        if joined and span.start_ms <= joined[-1].end_ms:
            joined[-1] = Span(joined[-1].start_ms, max(joined[-1].end_ms, span.end_ms))
        else:
            joined.append(span)
    return joined


def length_ms(spans: Iterable[Span]) -> float:
    """Time that spans cover; what several of them cover counts once."""
    return sum((end_ms - start_ms for start_ms, end_ms in union(spans)), 0.0)


def inside(spans: Iterable[Span], windows: Iterable[Span]) -> List[Span]:
    """Parts of spans that lie in a window."""
    found = []
    kept = union(windows)
    for start_ms, end_ms in union(spans):
        found += [Span(max(start_ms, low), min(end_ms, high)) for low, high in kept if low < end_ms and high > start_ms]
    return union(found)


def without(spans: Iterable[Span], others: Iterable[Span]) -> List[Span]:
    """Parts of spans that lie in none of the others."""
    gone = union(others)
    left = []
    for start_ms, end_ms in union(spans):
        at_ms = start_ms
        for low, high in gone:
            if high > at_ms and low < end_ms:
                left.append(Span(at_ms, low))
                at_ms = high
        left.append(Span(at_ms, end_ms))
    return union(left)


def alone(spans: Sequence[Span]) -> List[List[Span]]:
    """Parts of each span that no other covers, in the order of the spans."""
    found: List[List[Span]] = [[] for _span in spans]
    edges = sorted(
        edge
        for number, (start_ms, end_ms) in enumerate(spans)
        if end_ms > start_ms
        for edge in ((start_ms, number), (end_ms, number))
    )
    running: Set[int] = set()
    at_ms = 0.0
    for edge_ms, number in edges:
        if len(running) == 1 and edge_ms > at_ms:
            found[next(iter(running))].append(Span(at_ms, edge_ms))
        running ^= {number}
        at_ms = edge_ms
    return found


def last_part(span: Span, at_most_ms: float) -> Span:
    """End of a span, no longer than given."""
    return Span(max(span.start_ms, span.end_ms - max(0.0, at_most_ms)), span.end_ms)
