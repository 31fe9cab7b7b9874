# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Judgement of what a fleet looked like from outside: by its hooks, its web servers, its lock and its journals. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

#: A guest that is only busy may leave a few connections unanswered.
LEAST_ABSENCE_S = 15.0
#: From the end of harm until a guest answers again.
GRACE_S = 45.0

_DRAIN, _UNDRAIN, _PAGE = "drain", "undrain", "page"
# As docs/journal.md has it.
_ENDS = {"host_preparing": ("image", "panic"), "host_draining": ("drain",)}


class Span(NamedTuple):
    """Time of a host, in seconds since 1970."""

    host: str
    since: float
    until: float


#: Run of a hook: when, in seconds since 1970, which one, for which host.
Note = tuple[float, str, str]


class Excess(NamedTuple):
    """Moment at which more hosts of a group were out than may be."""

    at: float
    group: str
    hosts: tuple[str, ...]


def drained(notes: Iterable[Note], end: float) -> list[Span]:
    """Times in which hosts were out for their reboot: from the first drain until they are back in service or given up.

    :param end: when it was looked at last.
    """
    spans: list[Span] = []
    since: dict[str, float] = {}
    for at, what, host in sorted(notes):
        if what == _DRAIN:
            since.setdefault(host, at)
        elif host in since:
            spans.append(Span(host, since.pop(host), at))
    return [*spans, *(Span(host, began, end) for host, began in since.items())]


def still_drained(notes: Iterable[Note]) -> set[str]:
    """Hosts whose last hook is not the one that puts them back into service."""
    last = {host: what for _at, what, host in sorted(notes)}
    return {host for host, what in last.items() if what != _UNDRAIN}


def unexplained(absences: Iterable[Span], harmed: Sequence[Span]) -> list[Span]:
    """Absences that are long enough to be some, and not the work of whoever harmed the host."""
    return [
        span
        for span in absences
        if span.until - span.since >= LEAST_ABSENCE_S
        and not any(harm.host == span.host and harm.since <= span.until and span.since <= harm.until + GRACE_S for harm in harmed)
    ]


def excesses(out: Sequence[Span], groups: Mapping[str, Collection[str]], most: Mapping[str, int]) -> list[Excess]:
    """Moments at which a limit was exceeded; each time a host goes out is looked at.

    :param groups: hosts of each group.
    :param most: how many hosts of each group may be out at once.
    """
    found = []
    for moment in sorted({span.since for span in out}):
        now = {span.host for span in out if span.since <= moment < span.until}
        for group, members in groups.items():
            if len(hosts := now & set(members)) > most[group]:
                found.append(Excess(moment, group, tuple(sorted(hosts))))
    return found


def unpaid(records: Iterable[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """What hosts still owe by a run's journal: host and kind of debt."""
    owed: set[tuple[str, str]] = set()
    for record in records:
        event, host = record["event"], record.get("host", "")
        if event == "host_owes":
            owed.add((host, record["debt"]))
        elif event == "host_paid":
            owed.discard((host, record["debt"]))
        else:
            owed -= {(host, debt) for debt in _ENDS.get(event, ())}
    return owed


def failed(records: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Hosts that a run gave up and has not begun again with, and why: codes by host."""
    codes: dict[str, str] = {}
    for record in records:
        if record["event"] in ("host_failed", "host_refused"):
            codes[record["host"]] = record["reason"]["code"]
        elif record["event"] in ("host_preparing", "host_released"):
            codes.pop(record["host"], None)
    return codes


def told(records: Iterable[Mapping[str, Any]]) -> set[str]:
    """Hosts that may have been told to reboot."""
    return {record["host"] for record in records if record["event"] == "host_intent"}


def ended(records: Iterable[Mapping[str, Any]]) -> set[str]:
    """Hosts that are done with, well or not."""
    found: set[str] = set()
    for record in records:
        if record["event"] in ("host_released", "host_failed", "host_not_needed"):
            found.add(record["host"])
        elif record["event"] == "host_preparing":
            found.discard(record["host"])
    return found


def spared(hosts: Iterable[str], records: Sequence[Mapping[str, Any]]) -> set[str]:
    """Hosts of a run that it left alone for good, because a canary was rebooted and failed."""
    begun = max((number for number, record in enumerate(records) if record["event"] in ("run_started", "run_resumed")), default=0)
    stops = [record["reason"]["code"] for record in records[begun:] if record["event"] == "run_stopping"]
    if "CANARY_FAILED" not in stops or not failed(records).keys() & told(records):
        return set()
    return set(hosts) - ended(records)
