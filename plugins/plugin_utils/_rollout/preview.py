# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Preview of a rollout: how each host would be rebooted, without touching it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError

from .._reboot.host_reboot import HostReboot
from .._reboot.request import RebootRequest
from .._reboot.result import RebootResult
from .._schedule.hosts import HostSpec, Status


async def look_at(
    names: Sequence[str], reboot_of: Callable[[str], HostReboot], request: RebootRequest
) -> dict[str, RebootResult]:
    """Have every host report how it would be rebooted, or why it can't be. Call it in check mode, so that nothing is staged."""

    async def look(name: str) -> RebootResult:
        try:
            host = reboot_of(name)
            await host.prepare(request)
        except CodedError as error:
            return RebootResult(failure=error.reason)
        return host.result

    looked = await asyncio.gather(*map(look, names))
    return dict(zip(names, looked, strict=True))


def previews(hosts: Sequence[HostSpec], looked: Mapping[str, RebootResult]) -> dict[str, dict[str, Any]]:
    """Convert the preview of each host to plain values."""
    planned: dict[str, dict[str, Any]] = {}
    for host in hosts:
        result = looked[host.name]
        refused = result.failure
        if refused:
            told = {"code": refused.code, "msg": refused.message, "hint": refused.hint}
            planned[host.name] = {"status": Status.REFUSED.value, **told}
        else:
            planned[host.name] = {
                "status": "planned",
                "method": result.method,
                "reasons": [each.as_dict() for each in result.reasons],
                "predicted_ms": host.predicted.as_ms(),
                "predicted_jump_ms": result.predicted_ms,
            }
    return planned
