# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits on how many hosts may be unavailable at once, resolved for one fleet."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from .._errors import RolloutError
from .hosts import HostSpec, Member
from .settings import EVERYTHING, Settings

_NAMED = 3


@dataclass(frozen=True, eq=False)
class Limit:
    """Limit on unavailable members of a domain or group, compared by identity. C(of) names both and the option, in words."""

    of: str
    most: int

    def reached(self, unavailable: Collection[str]) -> str:
        """Message for a limit that is reached, naming the first few unavailable members."""
        more = len(unavailable) - _NAMED
        listed = ", ".join(islice(unavailable, _NAMED)) + (" and %d more" % more if more > 0 else "")
        return "of %s %d may be unavailable, and %d are: %s" % (self.of, self.most, len(unavailable), listed)


def limits_for(hosts: Sequence[HostSpec], others: Sequence[Member], settings: Settings) -> Mapping[str, tuple[Limit, ...]]:
    """Limits that each host and each other member counts for, by name.

    :raises RolloutError: C(DOMAIN_UNKNOWN), C(GROUP_UNKNOWN), or C(LIMIT_UNSATISFIABLE): a limit never lets a host go.
    """
    members: list[Member] = [*hosts, *others]
    to_reboot = {host.name for host in hosts}
    found: dict[str, list[Limit]] = {member.name: [] for member in members}

    def add(of: str, concerned: Sequence[Member], most: int) -> None:
        if most < 1 and any(member.name in to_reboot for member in concerned):
            raise RolloutError("LIMIT_UNSATISFIABLE", "%s (%d hosts) allows none of its hosts to go" % (of, len(concerned)))
        limit = Limit(of, most)
        for member in concerned:
            found[member.name].append(limit)

    for dimension, amount in settings.max_unavailable.items():
        for domain, concerned in _by_domain(dimension, members).items():
            of = "the fleet" if dimension == EVERYTHING else "%s %s" % (dimension, domain)
            add("%s (max_unavailable %s)" % (of, amount), concerned, amount.of(len(concerned)))
    for group, amount in settings.min_available.items():
        concerned = [member for member in members if group in member.groups]
        if not concerned:
            known = sorted({name for member in members for name in member.groups})
            raise RolloutError("GROUP_UNKNOWN", "no host is in group %s; there are: %s" % (group, ", ".join(known) or "none"))
        most = len(concerned) - amount.of_at_least(len(concerned))
        add("group %s (min_available %s)" % (group, amount), concerned, max(0, most))
    return {name: tuple(limits) for name, limits in found.items()}


def check_dimension(dimension: str, members: Sequence[Member]) -> None:
    """Require a dimension in which some member has a domain.

    :raises RolloutError: C(DOMAIN_UNKNOWN).
    """
    if not any(member.domain(dimension) is not None for member in members):
        known = sorted({name for member in members for name in member.domains})
        raise RolloutError(
            "DOMAIN_UNKNOWN", "no host has a domain %s; there are: %s" % (dimension, ", ".join([EVERYTHING, *known]))
        )


def _by_domain(dimension: str, members: Sequence[Member]) -> dict[str, list[Member]]:
    check_dimension(dimension, members)
    domains: dict[str, list[Member]] = {}
    for member in members:
        domain = member.domain(dimension)
        if domain is not None:
            domains.setdefault(domain, []).append(member)
    return domains
