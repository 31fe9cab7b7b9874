# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Order of a rollout: waves, and the limits that hold in them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest

from .hosts import Bystander, HostSpec
from .limits import Limit, check_dimension, limits_for
from .settings import (
    EVERYTHING,
    ORDER_QUICKEST,
    ORDER_REVERSE,
    ORDER_SHUFFLE,
    ORDER_SORTED,
    ORDER_SPREAD,
    Canaries,
    Settings,
)

CANARY = "canary"
LAST = "last"


@dataclass(frozen=True)
class Wave:
    """Hosts that end before the next wave begins, and the pause after them."""

    name: str
    hosts: tuple[HostSpec, ...]
    soak_s: float


@dataclass(frozen=True)
class Plan:
    """Order of the hosts, and limits on how many go at a time.

    :ivar window: number of hosts that may be in flight.
    :ivar limits: host or bystander → the limits it counts for.
    """

    waves: tuple[Wave, ...]
    bystanders: tuple[Bystander, ...]
    window: int
    limits: Mapping[str, tuple[Limit, ...]]

    @property
    def hosts(self) -> list[HostSpec]:
        """Hosts to reboot, in order."""
        return [host for wave in self.waves for host in wave.hosts]


def make_plan(hosts: Sequence[HostSpec], bystanders: Sequence[Bystander], settings: Settings, seed: int) -> Plan:
    """Order hosts and split them into waves: canaries, waves by size, and hosts that have to go last.

    :raises RolloutError: C(DOMAIN_UNKNOWN), C(GROUP_UNKNOWN) or C(LIMIT_UNSATISFIABLE).
    :raises ValueError: a name occurs twice.
    """
    names = [member.name for member in chain(hosts, bystanders)]
    if len(set(names)) < len(names):
        raise ValueError("a host occurs twice")
    limits = limits_for(hosts, bystanders, settings)
    for dimension in settings.failure_budget.each_domain:
        check_dimension(dimension, hosts)

    ordered = _ordered(hosts, settings, seed)
    early = [host for host in ordered if not host.last]
    canaries = _canaries(early, settings.canaries)
    chosen = {host.name for host in canaries}
    rest = [host for host in early if host.name not in chosen]
    waves = [(CANARY, canaries, settings.canaries.soak_s)]
    begin = 0
    for size in [*(max(1, amount.of(len(rest))) for amount in settings.waves), len(rest)]:
        end = max(begin, min(size, len(rest)))
        waves.append(("", rest[begin:end], settings.wave_soak_s))
        begin = end
    waves.append((LAST, [host for host in ordered if host.last], 0.0))
    return Plan(_wave_tuple(waves), tuple(bystanders), max(1, settings.window.of(len(hosts))), limits)


def plan_again(
    waves: Sequence[Wave],
    bystanders: Sequence[Bystander],
    settings: Settings,
    going: Collection[str],
    absent: Collection[str] = (),
) -> Plan:
    """Plan with given waves, as a run that is resumed has them; only limits come from the settings.

    :param going: hosts that may be rebooted. The others only count for limits.
    :param absent: hosts that do not even count for limits, because they no longer exist.
    :raises RolloutError: as :func:`make_plan`.
    """
    hosts = [host for wave in waves for host in wave.hosts]
    present = [host for host in hosts if host.name not in absent]
    going_hosts = [host for host in present if host.name in going]
    others = [host for host in present if host.name not in going]
    limits = limits_for(going_hosts, [*others, *bystanders], settings)
    for dimension in settings.failure_budget.each_domain:
        check_dimension(dimension, present)
    return Plan(
        tuple(waves),
        tuple(bystanders),
        max(1, settings.window.of(len(hosts))),
        {**limits, **{host.name: () for host in hosts if host.name in absent}},
    )


def part_of(plan: Plan, going: Collection[str]) -> Plan:
    """Reduce the waves of a plan to some of its hosts. The limits, and who counts for them, stay as they are."""
    waves = [(wave.name, [host for host in wave.hosts if host.name in going], wave.soak_s) for wave in plan.waves]
    return replace(plan, waves=_wave_tuple(waves))


def _wave_tuple(waves: Sequence[tuple[str, Sequence[HostSpec], float]]) -> tuple[Wave, ...]:
    """Number the waves that have hosts, and drop the pause after the last."""
    there = [wave for wave in waves if wave[1]]
    made = []
    number = 0
    for position, (name, hosts, soak_s) in enumerate(there, 1):
        if not name:
            number += 1
        made.append(Wave(name or "wave %d" % number, tuple(hosts), soak_s if position < len(there) else 0.0))
    return tuple(made)


def _canaries(hosts: Sequence[HostSpec], canaries: Canaries) -> list[HostSpec]:
    seen: set[str] = set()
    proving: Counter[str] = Counter()
    found = []
    for position, host in enumerate(hosts):
        proves = bool(host.to_prove) and proving[host.to_prove] < canaries.unproven
        if position < canaries.count or (canaries.each_host_class and host.host_class not in seen) or proves:
            found.append(host)
            seen.add(host.host_class)
            proving[host.to_prove] += 1
    return found


def _ordered(hosts: Sequence[HostSpec], settings: Settings, seed: int) -> list[HostSpec]:
    ordered = list(hosts)
    if settings.order == ORDER_REVERSE:
        ordered.reverse()
    elif settings.order == ORDER_SORTED:
        ordered.sort(key=lambda host: host.name)
    elif settings.order == ORDER_SHUFFLE:
        random.Random(seed).shuffle(ordered)  # noqa: S311
    elif settings.order == ORDER_QUICKEST:
        ordered.sort(key=lambda host: host.predicted.p50.from_go_s)
    elif settings.order == ORDER_SPREAD:
        ordered = _spread(ordered, settings)
    return ordered


def _spread(hosts: Sequence[HostSpec], settings: Settings) -> list[HostSpec]:
    """Take one host of each domain in turn. The dimension is the first that has a limit, or else the first there is."""
    dimensions = chain(settings.max_unavailable, *(host.domains for host in hosts))
    dimension = next((each for each in dimensions if each != EVERYTHING), EVERYTHING)
    domains: dict[str | None, list[HostSpec]] = {}
    for host in hosts:
        domains.setdefault(host.domain(dimension), []).append(host)
    return [host for turn in zip_longest(*domains.values()) for host in turn if host is not None]
