# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reboot of one host from beginning to end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .errors import RebootError
from .host_reboot import TRIGGER_GRACE_S, HostReboot
from .request import RebootRequest
from .result import DONE, RebootResult
from .shell import COMMAND_TIMEOUT_S


async def reboot_host(
    host: HostReboot,
    request: RebootRequest,
    committed: Callable[[], None],
    check_mode: bool = False,
) -> RebootResult:
    """Reboot a host from beginning to end, or predict the result in check mode.

    :param committed: called once the reboot can no longer be called off.
    :raises RebootError: refused, failed, or not proven; its details are the result as far as it is known.
    :raises SessionLost: the host could not be reached before the trigger.
    """
    clock = asyncio.get_running_loop().time
    result = host.result
    began: float | None = None
    try:
        intent = await host.prepare(request)
        if check_mode:
            result.rebooted = False
            return result
        await host.unshare()
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
        await host.restore_panic(intent, answer, max(1.0, min(COMMAND_TIMEOUT_S, deadline - clock())))
        await asyncio.sleep(max(0.0, min(request.post_reboot_delay_s, deadline - clock())))
        await host.test(request.test_command, deadline)
        healthy_at = clock()
        host.end_probe()
        # Later tasks share a connection, and the clock offset is more accurate over an existing one.
        host.restore()
        result.timeline = await host.timeline(intent, healthy_at=healthy_at)
    except RebootError as error:
        host.end_probe()
        if began is not None:
            result.elapsed_ms = round((clock() - began) * 1000)
        error.details = {**result.as_result(), **error.details}
        raise
    except BaseException:
        # An interrupt, a lost connection, or a bug.
        if began is None and host.touched and not check_mode:
            await host.call_off()
        raise
    finally:
        host.end_probe()
        host.restore()
    result.status, result.elapsed_ms = DONE, round((healthy_at - began) * 1000)
    return result
