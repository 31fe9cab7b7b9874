# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user may say about a rollout, read from the options of the task."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

from .._errors import RolloutError
from .amounts import Amount, parse_amount

ORDER_INVENTORY = "inventory"
ORDER_REVERSE = "reverse"
ORDER_SORTED = "sorted"
ORDER_SHUFFLE = "shuffle"
ORDER_QUICKEST = "quickest"
ORDER_SPREAD = "spread"
ORDERS = (ORDER_INVENTORY, ORDER_REVERSE, ORDER_SORTED, ORDER_SHUFFLE, ORDER_QUICKEST, ORDER_SPREAD)

_NONE = Amount(Fraction(0))
_ONE = Amount(Fraction(1))
_HALF = Amount(Fraction(50), is_percentage=True)

# The dimension that has the whole fleet as its one domain.
EVERYTHING = "all"


@dataclass(frozen=True)
class Canaries:
    """The hosts that go first, and how long to wait after them.

    :ivar count: the first so many hosts.
    :ivar each_combination: and the first of each combination of hardware and kernel.
    """

    count: int = 0
    each_combination: bool = False
    soak_s: float = 0.0


@dataclass(frozen=True)
class FailureBudget:
    """How many failures are put up with; one more stops the rollout.

    :ivar total: a percentage is of the hosts to reboot.
    :ivar consecutive: so many in a row; None: any number.
    :ivar each_domain: dimension → so many in each of its domains.
    """

    total: Amount = _NONE
    consecutive: int | None = None
    each_domain: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Regression:
    """When a host's outage is so long that the rollout stops.

    :ivar margin: percentage by which it exceeds the p95 of its combination.
    :ivar samples: how many outages have to be known before any is judged.
    """

    margin: Amount = _HALF
    samples: int = 5


@dataclass(frozen=True)
class Settings:
    """How a rollout goes.

    :ivar window: how many hosts are out at a time; a percentage is of the hosts to reboot, and comes to at least 1.
    :ivar max_unavailable: dimension → limit for each of its domains, a percentage of the hosts there.
    :ivar min_available: group → how many of its hosts stay up; a percentage rounds up.
    :ivar waves: cumulative sizes of the waves after the canaries; the rest follows as one more.
    :ivar order: one of :data:`ORDERS`.
    :ivar deadline_s: from the start; nothing goes that is not predicted (p95) to be released before.
    :ivar stall_s: how long to wait for capacity that only somebody else can give back.
    """

    window: Amount = _ONE
    max_unavailable: Mapping[str, Amount] = field(default_factory=dict)
    min_available: Mapping[str, Amount] = field(default_factory=dict)
    canaries: Canaries = Canaries()
    waves: tuple[Amount, ...] = ()
    wave_soak_s: float = 0.0
    failure_budget: FailureBudget = FailureBudget()
    order: str = ORDER_INVENTORY
    deadline_s: float | None = None
    regression: Regression | None = None
    stall_s: float = 600.0


def settings_from(params: Mapping[str, Any]) -> Settings:
    """Read settings from validated module parameters. What is not there, or None, has its default.

    Durations are seconds. C(max_unavailable) and C(failure_budget) may be a bare amount.

    :param params: C(window), C(max_unavailable), C(min_available), C(canaries) (C(count), C(each_combination),
        C(soak)), C(waves), C(wave_soak), C(failure_budget) (C(total), C(consecutive), C(each_domain)), C(order),
        C(deadline) (from the start), C(stop_on_regression) (C(margin), C(samples)), C(stall_timeout).
    :raises RolloutError: C(SETTINGS_INVALID).
    """
    given = _without_none(params)
    made: dict[str, Any] = {}
    for option, name, read in (
        ("window", "window", _at_least_one),
        ("max_unavailable", "max_unavailable", _max_unavailable),
        ("min_available", "min_available", _amounts),
        ("canaries", "canaries", _canaries),
        ("waves", "waves", _waves),
        ("wave_soak", "wave_soak_s", _seconds),
        ("failure_budget", "failure_budget", _failure_budget),
        ("order", "order", _order),
        ("deadline", "deadline_s", _seconds),
        ("stop_on_regression", "regression", _regression),
        ("stall_timeout", "stall_s", _seconds),
    ):
        if option in given:
            made[name] = read(given[option], option)
    return Settings(**made)


def _without_none(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _invalid(option: str, value: Any, wanted: str) -> RolloutError:
    return RolloutError("SETTINGS_INVALID", "%s is %r, but has to be %s" % (option, value, wanted))


def _mapping(value: Any, option: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _invalid(option, value, "a dictionary")
    return _without_none(value)


def _known(value: Any, option: str, names: tuple[str, ...]) -> dict[str, Any]:
    """A dictionary with no other keys than these."""
    found = _mapping(value, option)
    for name in found:
        if name not in names:
            raise RolloutError("SETTINGS_INVALID", "%s has no %r; it takes %s" % (option, name, ", ".join(names)))
    return found


def _at_least_one(value: Any, option: str) -> Amount:
    return parse_amount(value, option, least=1)


def _amounts(value: Any, option: str) -> dict[str, Amount]:
    return {name: parse_amount(each, "%s.%s" % (option, name)) for name, each in _mapping(value, option).items()}


def _max_unavailable(value: Any, option: str) -> dict[str, Amount]:
    if isinstance(value, Mapping):
        return _amounts(value, option)
    return {EVERYTHING: parse_amount(value, option)}


def _count(value: Any, option: str, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise _invalid(option, value, "a count of at least %d" % least)
    return value


def _seconds(value: Any, option: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise _invalid(option, value, "a number of seconds, 0 or more")
    return float(value)


def _canaries(value: Any, option: str) -> Canaries:
    given = _known(value, option, ("count", "each_combination", "soak"))
    return Canaries(
        count=_count(given.get("count", 0), option + ".count"),
        each_combination=bool(given.get("each_combination", False)),
        soak_s=_seconds(given.get("soak", 0), option + ".soak"),
    )


def _waves(value: Any, option: str) -> tuple[Amount, ...]:
    if isinstance(value, (str, Mapping)) or not hasattr(value, "__iter__"):
        raise _invalid(option, value, "a list of amounts")
    waves = tuple(parse_amount(each, option, least=1) for each in value)
    for one, other in pairwise(waves):
        # A count and a percentage compare only once the hosts are known.
        if one.is_percentage == other.is_percentage and one.number >= other.number:
            raise RolloutError("SETTINGS_INVALID", "%s are cumulative, so %s can't follow %s" % (option, other, one))
    return waves


def _failure_budget(value: Any, option: str) -> FailureBudget:
    if not isinstance(value, Mapping):
        return FailureBudget(total=parse_amount(value, option))
    given = _known(value, option, ("total", "consecutive", "each_domain"))
    if given and "total" not in given:
        # Its default, none at all, would leave the others without effect.
        raise RolloutError("SETTINGS_INVALID", "%s needs a total, too; 100%% leaves it to the others" % option)
    each_domain = _mapping(given.get("each_domain", {}), option + ".each_domain")
    return FailureBudget(
        total=parse_amount(given.get("total", 0), option + ".total"),
        consecutive=_count(given["consecutive"], option + ".consecutive") if "consecutive" in given else None,
        each_domain={name: _count(each, "%s.each_domain.%s" % (option, name)) for name, each in each_domain.items()},
    )


def _order(value: Any, option: str) -> str:
    if value not in ORDERS:
        raise _invalid(option, value, "one of " + ", ".join(ORDERS))
    return str(value)


def _regression(value: Any, option: str) -> Regression:
    given = _known(value, option, ("margin", "samples"))
    margin = parse_amount(given.get("margin", "50%"), option + ".margin")
    if not margin.is_percentage:
        raise _invalid(option + ".margin", given["margin"], "a percentage")
    return Regression(margin, _count(given.get("samples", 5), option + ".samples", least=1))
