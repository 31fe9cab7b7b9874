# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user may say about a rollout, read from the options of the task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

from .._values import Value, setting
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
    made: dict[str, Any] = {}
    for option, name, read in _READERS:
        if params.get(option) is not None:
            made[name] = read(setting(params[option], option))
    return Settings(**made)


def _at_least_one(value: Value) -> Amount:
    return parse_amount(value, least=1)


def _amounts(value: Value) -> dict[str, Amount]:
    return {name: parse_amount(each) for name, each in value.entries().items()}


def _max_unavailable(value: Value) -> dict[str, Amount]:
    return _amounts(value) if isinstance(value.raw, Mapping) else {EVERYTHING: parse_amount(value)}


def _canaries(value: Value) -> Canaries:
    given = value.options(("count", "each_combination", "soak"))
    return Canaries(
        count=given.get("count", 0).count(),
        each_combination=given.get("each_combination", False).boolean(),
        soak_s=given.get("soak", 0).seconds(),
    )


def _waves(value: Value) -> tuple[Amount, ...]:
    waves = tuple(map(_at_least_one, value.items("a list of amounts")))
    for one, other in pairwise(waves):
        # A count and a percentage compare only once the hosts are known.
        if one.is_percentage == other.is_percentage and one.number >= other.number:
            raise value.wrong("cumulative, so %s can't follow %s" % (other, one))
    return waves


def _failure_budget(value: Value) -> FailureBudget:
    if not isinstance(value.raw, Mapping):
        return FailureBudget(total=parse_amount(value))
    given = value.options(("total", "consecutive", "each_domain"))
    if "consecutive" in given or "each_domain" in given:
        # Its default, none at all, would leave the others without effect.
        given.required("total", "100% leaves it to the others")
    return FailureBudget(
        total=parse_amount(given.get("total", 0)),
        consecutive=given["consecutive"].count() if "consecutive" in given else None,
        each_domain={name: each.count() for name, each in given.get("each_domain", {}).entries().items()},
    )


def _order(value: Value) -> str:
    return value.choice(ORDERS)


def _regression(value: Value) -> Regression:
    given = value.options(("margin", "samples"))
    margin = given.get("margin", "50%")
    amount = parse_amount(margin)
    if not amount.is_percentage:
        raise margin.wrong("a percentage")
    return Regression(amount, given.get("samples", 5).count(1))


# By option: the field of Settings, and how it is read.
_READERS: tuple[tuple[str, str, Callable[[Value], Any]], ...] = (
    ("window", "window", _at_least_one),
    ("max_unavailable", "max_unavailable", _max_unavailable),
    ("min_available", "min_available", _amounts),
    ("canaries", "canaries", _canaries),
    ("waves", "waves", _waves),
    ("wave_soak", "wave_soak_s", Value.seconds),
    ("failure_budget", "failure_budget", _failure_budget),
    ("order", "order", _order),
    ("deadline", "deadline_s", Value.seconds),
    ("stop_on_regression", "regression", _regression),
    ("stall_timeout", "stall_s", Value.seconds),
)
