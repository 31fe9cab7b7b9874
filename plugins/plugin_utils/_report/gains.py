# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would shorten the outages of a fleet most: findings of its hosts, by kind. Times are in milliseconds.

A host's findings may overlap, so the total is that of the hosts' own totals, in which shared time counts once. What a host claims
is bounded by the outage that the controller saw.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.fleet.kexec.plugins.module_utils._finding_kinds import KINDS

from .outages import spread_of
from .read import HostReport
from .timeline import BootFinding

# Rows of the ranking.
_MOST_KINDS = 40


@dataclass(frozen=True)
class KindGain:
    """Findings of one kind over the fleet.

    :ivar title: what took the time; the code itself if this version does not know it, like C(hint), C(risk) and C(part), which
        are empty then. C(part) is the part of C(prepare_boot) that would do it, empty if nothing there can.
    :ivar basis: of most hosts; empty if no host can tell a gain.
    :ivar hosts: number of hosts that have it.
    :ivar told: number of hosts that can tell a gain.
    :ivar p50_ms: median gain over these; None if there are none, like C(longest_ms).
    :ivar rank_ms: C(told) times C(p50_ms).
    :ivar time_p50_ms: median of the time that was measured for it.
    """

    code: str
    title: str
    hint: str
    risk: str
    part: str
    basis: str
    hosts: int
    told: int
    p50_ms: float | None
    longest_ms: float | None
    rank_ms: float
    time_p50_ms: float


@dataclass(frozen=True)
class FleetGains:
    """Gains of a fleet.

    :ivar hosts: number of hosts whose timeline was searched for findings, and that have an outage.
    :ivar outage_ms: sum of their outages.
    :ivar total_ms: what all findings together would save of that.
    :ivar kinds: in descending order of C(rank_ms).
    """

    hosts: int
    outage_ms: float
    total_ms: float
    kinds: list[KindGain]


def gains_of(hosts: Iterable[HostReport]) -> FleetGains | None:
    """Gather the findings of hosts; None if no host's timeline was searched for any."""
    count, outage_ms, total_ms = 0, 0.0, 0.0
    groups: dict[str, list[BootFinding]] = {}
    gains: dict[str, list[float]] = {}
    for host in hosts:
        own_ms, saved_ms = host.state.outage_ms, host.gain_ms
        if host.timeline is None or own_ms is None or saved_ms is None:
            continue
        count += 1
        outage_ms += own_ms
        total_ms += saved_ms
        for finding in host.timeline.findings:
            groups.setdefault(finding.code, []).append(finding)
            if finding.gain_ms is not None:
                gains.setdefault(finding.code, []).append(min(finding.gain_ms, own_ms))
    if not count:
        return None
    kinds = sorted((_kind(code, found, gains.get(code, [])) for code, found in groups.items()), key=_rank)
    return FleetGains(count, outage_ms, total_ms, kinds[:_MOST_KINDS])


def _rank(kind: KindGain) -> tuple[float, int, str]:
    return -kind.rank_ms, -kind.hosts, kind.code


def _kind(code: str, found: list[BootFinding], gains_ms: list[float]) -> KindGain:
    known = KINDS.get(code)
    spread = spread_of(gains_ms) if gains_ms else None
    bases = [each.basis for each in found if each.gain_ms is not None]
    return KindGain(
        code=code,
        title=known.title if known else code,
        hint=known.hint if known else "",
        risk=known.risk if known else "",
        part=(known.part or "") if known else "",
        basis=max(sorted(set(bases)), key=bases.count) if bases else "",
        hosts=len(found),
        told=len(gains_ms),
        p50_ms=spread.p50_ms if spread else None,
        longest_ms=spread.longest_ms if spread else None,
        rank_ms=len(gains_ms) * spread.p50_ms if spread else 0.0,
        time_p50_ms=spread_of(each.time_ms for each in found).p50_ms,
    )
