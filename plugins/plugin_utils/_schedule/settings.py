# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of a rollout, read from the options of the task."""

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

# Dimension whose only domain is the whole fleet.
EVERYTHING = "all"


@dataclass(frozen=True)
class Canaries:
    """Canaries: the first C(count) hosts, with C(each_host_class) also the first host of each, and the pause after them.

    C(unproven): number of hosts of each class that the ledger has not proven.
    """

    count: int = 0
    each_host_class: bool = False
    soak_s: float = 0.0
    unproven: int = 0


@dataclass(frozen=True)
class FailureBudget:
    """Number of failures that are tolerated; one more stops the rollout.

    :ivar total: failures overall; a percentage is of the hosts to reboot.
    :ivar consecutive: failures in a row; None for no limit.
    :ivar each_domain: dimension → failures in each of its domains.
    """

    total: Amount = _NONE
    consecutive: int | None = None
    each_domain: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Regression:
    """Criterion for an outage that is long enough to stop the rollout.

    :ivar margin: percentage above the p95 of the host's class.
    :ivar samples: number of outages that have to be known before any is judged.
    """

    margin: Amount = _HALF
    samples: int = 5


@dataclass(frozen=True)
class Settings:
    """Settings of a rollout.

    :ivar window: number of hosts in flight; a percentage is of the hosts to reboot, and at least 1 host.
    :ivar max_unavailable: dimension → limit for each of its domains; a percentage is of the hosts there.
    :ivar min_available: group → number of its hosts that stay available; a percentage rounds up.
    :ivar waves: cumulative sizes of the waves after the canaries, each at least 1 host; the remaining hosts form one more wave.
    :ivar deadline_s: time from the start; a host goes only if its predicted (p95) release is before it.
    :ivar stall_s: time to wait for capacity that only outside help can free.
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
    """Read settings from validated module parameters; C(deadline) is in seconds from the start.

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
    given = value.options(("count", "each_host_class", "unproven", "soak"), aliases={"each_combination": "each_host_class"})
    canaries = Canaries(
        count=given.get("count", 0).count(),
        each_host_class=given.get("each_host_class", False).boolean(),
        unproven=given.get("unproven", 0).count(),
        soak_s=given.get("soak", 0).seconds(),
    )
    if "soak" in given and not any(name in given for name in ("count", "each_host_class", "unproven")):
        raise value.error("canaries has soak, but none of count, each_host_class and unproven, so there would be no canaries")
    return canaries


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
        # With its default of 0, the other options would have no effect.
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


# (option, field of Settings, reader of the value).
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
