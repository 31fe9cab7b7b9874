# SPDX-License-Identifier: GPL-3.0-or-later
"""Reboots of a simulated host, and what may stand in their way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.host_reboot import HostReboot
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.probe_options import parse_probe
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.reboot_host import reboot_host
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.request import RebootRequest
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.result import RebootResult
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.service_watch import ServiceWatch

from ...virtual_time import run, stand_still
from ..simulated import Host, Network

LOCKED = {"code": "LOCKDOWN", "msg": "locked down"}
BLOCKED = {"code": "DRIVER_RISK", "message": "nvidia drives 0000:3b:00.0", "hint": "See the report"}
PROBE = {"port": 443}


def reboot(host: Host, method: str = "kexec", **options: Any) -> dict[str, Any]:
    """Reboot a host; see :func:`rebooted`."""
    return rebooted(host, method, **options).as_result()


def rebooted(
    host: Host,
    method: str = "kexec",
    check_mode: bool = False,
    utc_ns: Callable[[], int] = time.time_ns,
    probe: dict[str, Any] | None = None,
    probe_ssh: bool = True,
    **options: Any,
) -> RebootResult:
    """Reboot a host.

    :param options: of the request.
    """
    request = RebootRequest(**{"method": method, "reboot_timeout_s": 600, "test_command": "true", "message": "m", **options})

    async def work() -> RebootResult:
        began = host.now
        network: Any = Network(host)
        service = parse_probe(probe)
        task = HostReboot(
            session=host,
            prober=network,
            own_boot_id="mine",
            new_token=lambda: "cd" * 8,
            progress=lambda text: None,
            utc_ns=utc_ns,
            service=ServiceWatch(service, network) if service else None,
            probe_ssh=probe_ssh,
        )
        current = asyncio.current_task()
        assert current is not None
        if host.stopped_for_s:
            # While the host is down.
            asyncio.get_running_loop().call_at(began + host.shutdown_s + 3, stand_still, host.stopped_for_s)
        if host.interrupted_at:
            asyncio.get_running_loop().call_at(began + host.interrupted_at, current.cancel)
        try:
            return await reboot_host(task, request, lambda: host.log.append("committed"), check_mode)
        finally:
            host.took_s = host.now - began
            assert network.probing == 0

    return run(work())
