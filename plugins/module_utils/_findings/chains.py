# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Critical chains: the units that each had to wait for the one before, up to a unit that somebody waited for.

A chain follows C(After=) backwards from a unit, always to the unit that became ready last before the start, as
systemd-analyze(1) does for C(critical-chain). Times are microseconds of CLOCK_MONOTONIC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterable, List, Mapping, Optional, Sequence

from .._host.systemd_times import UnitTimes


@dataclass(frozen=True)
class ChainLink:
    """Unit on a chain.

    :ivar began_us: it began to start; for a device, which only appears, the end of the link before.
    :ivar ended_us: it was ready, and the next unit could start.
    :ivar gain_us: how much earlier the next unit could have started if this one had taken no time: until the next-latest of the
        units that it waited for was ready.
    """

    unit: str
    began_us: int
    ended_us: int
    gain_us: int


def chain_to(unit: str, units: Mapping[str, UnitTimes], since_us: int) -> List[ChainLink]:
    """Follow the chain to a unit, the first link first; empty if the unit did not start.

    :param since_us: when systemd started; what was ready before is no part of the chain.
    """
    links: List[ChainLink] = []
    seen = {unit}
    at: Optional[UnitTimes] = units.get(unit)
    rival_us = since_us
    while at is not None and at.started_us is not None:
        ready = _ready_before(at, units, since_us)
        latest = next((each for each in ready if each.unit not in seen), None)
        began_us = at.starting_us
        if at.unit.endswith(".device"):
            began_us = min(began_us, max(rival_us, latest.started_us or since_us if latest else since_us))
        links.insert(0, ChainLink(at.unit, began_us, at.started_us, max(0, at.started_us - max(began_us, rival_us))))
        rivals = [each.started_us or 0 for each in ready if latest is None or each.unit != latest.unit]
        rival_us = max([since_us, *rivals])
        if latest is not None:
            seen.add(latest.unit)
        at = latest
    return links


def _ready_before(unit: UnitTimes, units: Mapping[str, UnitTimes], since_us: int) -> List[UnitTimes]:
    """Units that a unit waited for, the latest first."""
    before = (units[name] for name in unit.after if name in units)
    ready = [each for each in before if each.started_us is not None and since_us <= each.started_us <= unit.starting_us]
    return sorted(ready, key=lambda each: (-(each.started_us or 0), each.unit))


def by_name(units: Iterable[UnitTimes]) -> Dict[str, UnitTimes]:
    return {each.unit: each for each in units}


def first_started(units: Mapping[str, UnitTimes], names: Sequence[str], since_us: int) -> Optional[UnitTimes]:
    """The unit of several that was ready first in this boot; None if none was."""
    found = [units[name] for name in names if name in units]
    ready = [each for each in found if each.started_us is not None and each.starting_us >= since_us]
    return min(ready, key=lambda each: each.started_us or 0) if ready else None
