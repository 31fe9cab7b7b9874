# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines of a run that were compared with what they were before their reboot, and what came back different."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CATALOGUE

from .problems import AffectedHost, EqualMessages, folded
from .read import HostReport


@dataclass(frozen=True)
class FoundDifference:
    """Difference of one host, from C(before) to C(after); None for what was not there."""

    host: str
    model: str
    subject: str
    before: str | None
    after: str | None
    message: str
    down: bool


@dataclass(frozen=True)
class ModelShare:
    """Number of hosts of a model with a difference, and of those that were compared; the model is empty if unknown."""

    model: str
    hosts: int
    compared: int


@dataclass(frozen=True)
class DifferenceCode:
    """Differences of one code and effect.

    :ivar hosts: number of hosts that have any.
    :ivar models: in descending order of hosts.
    """

    code: str
    effect: str
    hint: str
    hosts: int
    models: list[ModelShare]
    found: list[FoundDifference]

    @property
    def status(self) -> str:
        """Word for its colour."""
        return "failed" if self.effect == "fail" else "refused"

    @property
    def folded(self) -> list[EqualMessages]:
        """Hosts by message, in descending order of hosts."""
        return folded(AffectedHost(each.host, each.message, each.down) for each in self.found)


@dataclass(frozen=True)
class Machines:
    """Machines of a run, as each was compared last.

    :ivar compared: number of hosts.
    :ivar different: number of hosts with any difference.
    :ivar more: number of differences that the journal does not have.
    :ivar codes: those that fail a host come first, each in descending order of hosts.
    """

    compared: int
    different: int
    more: int
    codes: list[DifferenceCode]


def machines_of(hosts: Iterable[HostReport]) -> Machines:
    """Machines of hosts."""
    compared: Counter[str] = Counter()
    groups: dict[tuple[str, str], list[FoundDifference]] = {}
    different = more = 0
    for host in hosts:
        state = host.state
        more += state.more_differences
        different += bool(state.differences)
        if state.compared:
            compared[state.model] += 1
        for each in state.differences:
            found = FoundDifference(host.name, state.model, each.subject, each.before, each.after, each.message, state.down)
            groups.setdefault((each.code, each.effect), []).append(found)
    codes = [_code(code, effect, found, compared) for (code, effect), found in groups.items()]
    codes.sort(key=lambda each: (each.effect != "fail", -each.hosts, each.code))
    return Machines(compared.total(), different, more, codes)


def _code(code: str, effect: str, found: list[FoundDifference], compared: Counter[str]) -> DifferenceCode:
    models = Counter(model for _host, model in {(each.host, each.model) for each in found})
    shares = [ModelShare(model, number, compared[model]) for model, number in models.items()]
    return DifferenceCode(
        code=code,
        effect=effect,
        # A later version of the collection may have run on the host.
        hint=CATALOGUE.get(code, ""),
        hosts=models.total(),
        models=sorted(shares, key=lambda each: (-each.hosts, each.model)),
        found=found,
    )
