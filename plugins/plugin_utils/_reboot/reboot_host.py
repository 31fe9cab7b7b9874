# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reboot of one host from beginning to end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError, Reason

from .._host_facts import UNREADABLE
from .errors import NotNeeded, NotRebooted, RebootError
from .host_reboot import TRIGGER_GRACE_S, HostReboot
from .request import Intent, RebootRequest
from .result import DONE, NOT_NEEDED, RebootResult
from .scripts import HostAnswer
from .shell import COMMAND_TIMEOUT_S


async def reboot_host(
    host: HostReboot,
    request: RebootRequest,
    committed: Callable[[], None],
    check_mode: bool = False,
) -> RebootResult:
    """Reboot a host from beginning to end, or predict the result in check mode. One that needs no reboot may be left as it is.

    :param committed: called once the reboot can no longer be called off.
    :raises RebootError: refused, failed, or not proven; its details are the result as far as it is known.
    :raises SessionError: the host could not be reached before the trigger, or refuses.
    """
    clock = asyncio.get_running_loop().time
    result = host.result
    began: float | None = None
    try:
        intent = await _prepare(host, request, check_mode)
        if intent is None:
            return result
        intent = await _remember(host, request, intent)
        await host.locate()
        triggering = clock()
        delay_s = max(request.pre_reboot_delay_s, TRIGGER_GRACE_S)
        await host.trigger(intent, request.message, delay_s)
        due = clock() + delay_s
        await asyncio.sleep(request.pre_reboot_delay_s)
        began = triggering
        committed()
        answer = await host.watch(
            intent,
            due,
            request.reboot_timeout_s,
            again=lambda timeout_s: host.trigger(intent, request.message, delay_s, timeout_s),
        )
        deadline = host.deadline
        host.verify(intent, answer)
        owed = await _panic_owed(host, intent, answer, deadline)
        await asyncio.sleep(max(0.0, min(request.post_reboot_delay_s, deadline - clock())))
        # That has a limit of its own.
        deadline += await _compare(host, request, intent)
        await host.test(request.test_command, deadline)
        if owed is not None:
            # sudo may have depended on services that are up by now.
            owed = await _panic_owed(host, intent, answer, deadline)
        if owed is not None:
            result.notes = (*(result.notes or ()), owed.as_dict())
        healthy_at = clock()
        host.end_probe()
        # Later tasks share a connection, and the clock offset is more accurate over an existing one.
        host.restore()
        result.timeline = await host.timeline(intent, healthy_at=healthy_at)
    except RebootError as error:
        host.end_probe()
        if began is not None:
            result.elapsed_ms = round((clock() - began) * 1000)
        if isinstance(error, NotRebooted) and error.called_off and host.touched:
            # It will not reboot, and could not be asked to unload its image.
            await _put_back(host, error)
        error.details = {**result.as_result(), **error.details}
        raise
    except BaseException as error:
        # An interrupt, a lost connection, or a bug.
        if began is None and host.touched and not check_mode:
            await _put_back(host, error)
        raise
    finally:
        host.end_probe()
        host.restore()
    result.status, result.elapsed_ms = DONE, round((healthy_at - began) * 1000)
    return result


async def _prepare(host: HostReboot, request: RebootRequest, check_mode: bool) -> Intent | None:
    """Choose the method, and prepare the host; None if it is not rebooted: in check mode, or because it need not be."""
    try:
        intent = await host.prepare(request)
    except NotNeeded:
        host.result.status, host.result.rebooted = NOT_NEEDED, False
        return None
    except RebootError as error:
        # A host whose answer can't be read may have staged something all the same.
        if error.reason.code == UNREADABLE and host.touched and not check_mode:
            await _put_back(host, error)
        raise
    if check_mode:
        host.result.rebooted = False
        return None
    return intent


async def _remember(host: HostReboot, request: RebootRequest, intent: Intent) -> Intent:
    """Have the host remember its machine, or put the host back."""
    try:
        return await host.remember(request, intent)
    except RebootError as error:
        if host.touched:
            await _put_back(host, error)
        raise


async def _compare(host: HostReboot, request: RebootRequest, intent: Intent) -> float:
    """Compare the machine with what it was; return how many seconds that took.

    :raises RebootError: C(DEGRADED) or C(NOT_COMPARED).
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    comparison = await host.compare(request, intent)
    degraded = comparison.degraded if comparison is not None else None
    if degraded is not None:
        raise RebootError(degraded.code, degraded.message)
    return clock() - began


async def _panic_owed(host: HostReboot, intent: Intent, answer: HostAnswer, deadline: float) -> Reason | None:
    """Restore the kernel's panic settings; return why they could not be restored. The reboot ended well regardless."""
    left_s = deadline - asyncio.get_running_loop().time()
    try:
        await host.restore_panic(intent, answer, max(1.0, min(COMMAND_TIMEOUT_S, left_s)))
    except RebootError as error:
        return error.reason
    return None


async def _put_back(host: HostReboot, error: BaseException) -> None:
    """Unload the image, and add to an error's details if that may have failed."""
    try:
        await host.call_off(patient=True)
    except RebootError as owed:
        if isinstance(error, CodedError):
            error.details = {**error.details, "notes": [*(host.result.notes or ()), owed.reason.as_dict()]}
