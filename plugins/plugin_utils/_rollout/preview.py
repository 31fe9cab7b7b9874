# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Preview of a rollout: how each host would be rebooted, without touching it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError, Reason

from .._console.least import least_text
from .._host_class import UNPROVEN
from .._host_facts import PreparedBoot, ReportedFacts
from .._journal.outcome import status_of
from .._reboot.errors import NotNeeded
from .._reboot.host_reboot import HostReboot
from .._reboot.request import RebootRequest
from .._reboot.result import UNFINISHED
from .._schedule.hosts import HostSpec, Prediction, Status
from .._schedule.path_outages import PathOutages
from .resuming import TO_PREPARE, Rest, Treatment

Answer = TypeVar("Answer")


class Preview(NamedTuple):
    """How a host would be rebooted, or the failure that prevents it; other fields as in :class:`RebootResult`.

    :ivar not_needed: whether it is left out because it needs no reboot.
    :ivar prepared: what shortens its outage; None if unknown.
    """

    failure: Reason | None = None
    not_needed: bool = False
    needed: tuple[Reason, ...] = ()
    method: str | None = None
    auto: str | None = None
    reasons: tuple[Reason, ...] = ()
    notes: tuple[Mapping[str, Any], ...] = ()
    predicted_ms: Mapping[str, Any] | None = None
    prepared: PreparedBoot | None = None


async def look_at(
    names: Iterable[str], reboot_of: Callable[[str], HostReboot], request_of: Callable[[str], RebootRequest], *, at_once: int
) -> dict[str, Preview]:
    """Have every host report how it would be rebooted, or why it can't be. Call it in check mode, so that nothing is staged.

    :param at_once: number of hosts to look at concurrently; only these have connections, and variables in memory.
    """
    return await _of_each(names, lambda name: _look(name, reboot_of, request_of(name)), at_once)


class Needs(NamedTuple):
    """What hosts say of their need.

    :ivar spared: names of those that need no reboot. A host that can't be asked is not among them: its preparation finds out why.
    :ivar methods: methods by which others will be rebooted, by their names, as far as that can be told.
    """

    spared: list[str]
    methods: dict[str, str]


async def ask_for_needs(
    names: Iterable[str], reboot_of: Callable[[str], HostReboot], request_of: Callable[[str], RebootRequest], *, at_once: int
) -> Needs:
    """Ask hosts whether they need a reboot, and which.

    :param at_once: as for :func:`look_at`.
    """
    spared: set[str] = set()

    async def ask(name: str) -> str | None:
        try:
            return await reboot_of(name).require_need(request_of(name))
        except NotNeeded:
            spared.add(name)
        except CodedError:
            pass
        return None

    names = list(names)
    methods = await _of_each(names, ask, at_once)
    known = {name: method for name, method in methods.items() if method is not None}
    return Needs([name for name in names if name in spared], known)


async def facts_of(
    names: Iterable[str], reboot_of: Callable[[str], HostReboot], request_of: Callable[[str], RebootRequest], *, at_once: int
) -> dict[str, ReportedFacts | None]:
    """Facts of hosts that the choice of method depends on; None of a host that can't be asked.

    :param at_once: as for :func:`look_at`.
    """

    async def ask(name: str) -> ReportedFacts | None:
        with contextlib.suppress(CodedError):
            return await reboot_of(name).facts(request_of(name))
        return None

    return await _of_each(names, ask, at_once)


async def _of_each(names: Iterable[str], ask: Callable[[str], Awaitable[Answer]], at_once: int) -> dict[str, Answer]:
    """Ask every host, C(at_once) of them at a time. Answers are in the order of the hosts."""
    names = list(names)
    left = iter(names)
    answers: dict[str, Answer] = {}

    async def ask_the_next() -> None:
        for name in left:
            answers[name] = await ask(name)

    async with asyncio.TaskGroup() as group:
        for _each in range(at_once):
            group.create_task(ask_the_next())
    return {name: answers[name] for name in names}


async def _look(name: str, reboot_of: Callable[[str], HostReboot], request: RebootRequest) -> Preview:
    try:
        host = reboot_of(name)
    except CodedError as error:
        return Preview(error.reason)
    try:
        await host.prepare(request)
    except NotNeeded:
        return Preview(not_needed=True, auto=host.result.auto)
    except CodedError as error:
        return Preview(error.reason)
    result = host.result
    return Preview(
        needed=result.needed or (),
        method=result.method,
        auto=result.auto,
        reasons=result.reasons,
        notes=tuple(result.notes or ()),
        predicted_ms=result.predicted_ms,
        prepared=result.prepared,
    )


def methods_of(looked: Mapping[str, Preview]) -> dict[str, str]:
    """Methods by which hosts will be rebooted, as far as that is known: a class may be proven by the time its hosts follow."""
    return {
        name: result.method
        for name, result in looked.items()
        if result.method is not None and all(each.code != UNPROVEN for each in result.reasons)
    }


def saved_by_least(hosts: Sequence[HostSpec], looked: Mapping[str, Preview], outages: PathOutages) -> dict[str, dict[str, float]]:
    """Predict what each host is spared by the least reboot that it needs; see :meth:`PathOutages.saved_s`."""
    return {
        host.name: outages.saved_s(looked[host.name].method, host.host_class)
        for host in hosts
        if looked[host.name].failure is None
    }


def plan_of_least(looked: Mapping[str, Preview], saves_s: Mapping[str, Mapping[str, float]], **layout: Any) -> list[str]:
    """Text about the least reboot of each host.

    :param layout: as of :func:`least_text`.
    """
    known = {name: result for name, result in looked.items() if result.failure is None}
    methods = {name: result.method for name, result in known.items()}
    autos = {name: result.auto for name, result in known.items()}
    return least_text(methods, {name: result.reasons for name, result in known.items()}, saves_s, autos, **layout)


def previews(
    hosts: Sequence[HostSpec],
    looked: Mapping[str, Preview],
    predicted: Mapping[str, Prediction],
    saves_s: Mapping[str, Mapping[str, float]] | None = None,
) -> dict[str, dict[str, Any]]:
    """Convert the preview of each host to plain values.

    :param predicted: durations of each host, by its method where that is known.
    :param saves_s: as of :func:`saved_by_least`; None if that was not asked for.
    """
    planned: dict[str, dict[str, Any]] = {}
    for host in hosts:
        result = looked[host.name]
        refused = result.failure
        if refused:
            told = {"code": refused.code, "msg": refused.message, "hint": refused.hint}
            planned[host.name] = {"status": Status.REFUSED.value, **told}
        elif result.not_needed:
            planned[host.name] = {"status": Status.NOT_NEEDED.value}
        else:
            planned[host.name] = {
                "status": "planned",
                "method": result.method,
                "needed": [each.as_dict() for each in result.needed],
                "reasons": [each.as_dict() for each in result.reasons],
                "notes": [dict(note) for note in result.notes],
                "predicted_ms": predicted[host.name].as_ms(),
                "predicted_jump_ms": result.predicted_ms,
            }
    for name, saved in (saves_s or {}).items():
        planned[name].update(auto=looked[name].auto, saves_s=dict(saved))
    return planned


def told_of_rest(rest: Rest) -> dict[str, dict[str, Any]]:
    """Preview of hosts of a resumed run that are not prepared (again), as plain values."""
    told = {}
    for name, left in rest.hosts.items():
        if left.treatment in TO_PREPARE:
            continue
        over = left.treatment in (Treatment.ENDED, Treatment.LEAVE, Treatment.UNDO)
        told[name] = {
            "status": status_of(left.state) if left.treatment is Treatment.ENDED else Status.SKIPPED.value if over else UNFINISHED
        }
        if left.reason is not None:
            told[name].update(code=left.reason.code, msg=left.reason.message, hint=left.reason.hint)
    return told
