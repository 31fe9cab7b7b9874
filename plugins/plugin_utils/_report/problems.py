# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Problems of a run: hosts that failed, were refused or still owe something, and hooks that failed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .._text import without_name
from .read import HostReport


@dataclass(frozen=True)
class AffectedHost:
    host: str
    message: str
    down: bool


@dataclass(frozen=True)
class EqualMessages:
    """Message that several hosts share, in which C(the host) stands for the name of each; or that of one host, as it is."""

    message: str
    hosts: list[AffectedHost]


@dataclass(frozen=True)
class Problem:
    """Hosts that C(failed), were C(refused) or still have something C(owed), for the same reason; status is that word."""

    code: str
    status: str
    hint: str
    hosts: list[AffectedHost]

    @property
    def folded(self) -> list[EqualMessages]:
        """Hosts by message, in descending order of hosts."""
        return folded(self.hosts)


@dataclass(frozen=True)
class FailedHook:
    host: str
    hook: str
    phase: str
    attempts: int
    message: str


def folded(hosts: Iterable[AffectedHost]) -> list[EqualMessages]:
    """Hosts by message, in descending order of hosts."""
    groups: dict[str, list[AffectedHost]] = {}
    for each in hosts:
        groups.setdefault(without_name(each.message, each.host), []).append(each)
    made = [EqualMessages(said if len(each) > 1 else each[0].message, each) for said, each in groups.items()]
    return sorted(made, key=lambda each: -len(each.hosts))


def problems_of(hosts: Iterable[HostReport]) -> list[Problem]:
    """Problems of hosts: failures, debts and refusals, each in descending order of hosts."""
    groups: dict[tuple[str, str, str], list[AffectedHost]] = {}
    for host in hosts:
        why = host.state.reason
        if why is not None and host.status in ("failed", "refused"):
            affected = AffectedHost(host.name, why.message, host.status == "failed" and host.state.down)
            groups.setdefault((host.status, why.code, why.hint), []).append(affected)
        for owed in host.state.owed.values():
            groups.setdefault(("owed", owed.code, owed.hint), []).append(AffectedHost(host.name, owed.message, host.state.down))
    made = [Problem(code, status, hint, affected) for (status, code, hint), affected in groups.items()]
    return sorted(made, key=lambda each: (each.status, -len(each.hosts), each.code))


def failed_hooks_of(hosts: Iterable[HostReport]) -> list[FailedHook]:
    return [
        FailedHook(host.name, run.hook, run.phase, run.attempts, run.message)
        for host in hosts
        for run in host.state.hooks.values()
        if not run.ok
    ]
