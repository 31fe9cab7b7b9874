# SPDX-License-Identifier: GPL-3.0-or-later
"""Watching real services on loopback, which go and come back."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.probe_options import parse_probe
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.service_watch import Probed, ServiceWatch
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.prober import Prober
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.sshd import SockAddr

from ..services import HttpService, SilentService, TcpService, self_signed

LOOPBACK: SockAddr = (socket.AF_INET, ("127.0.0.1", 22))


class Reboot:
    """A service that is watched around a reboot."""

    def __init__(self, prober: Prober, **probe: Any) -> None:
        service = parse_probe(probe)
        assert service is not None
        self.ended: list[Probed] = []
        self.watch = ServiceWatch(service, prober, self.ended.append)

    async def until_over(self, limit_s: float = 10.0) -> Probed:
        async with asyncio.timeout(limit_s):
            while not self.ended:
                await asyncio.sleep(0.01)
        assert len(self.ended) == 1
        return self.ended[0]


def watching(work: Callable[[Prober], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        with contextlib.closing(Prober()) as prober:
            await work(prober)
            assert not prober._probing.targets and not prober._probing._polled, "nothing is left of it"

    asyncio.run(run())


async def up_for(seconds: float) -> None:
    await asyncio.sleep(seconds)


def now() -> float:
    return asyncio.get_running_loop().time()


def test_a_service_that_refuses_connections_for_a_while() -> None:
    async def work(prober: Prober) -> None:
        server = TcpService()
        reboot = Reboot(prober, port=server.port)
        reboot.watch.begin(LOOPBACK)
        await up_for(0.5)
        server.close()
        closed_at = now()
        await up_for(0.3)
        reboot.watch.host_goes()
        await up_for(0.7)
        again = TcpService(server.port)
        opened_at = now()
        await up_for(0.2)
        reboot.watch.host_is_back(since=opened_at + 0.05)
        probed = await reboot.until_over()
        again.close()
        assert probed.outage is not None and probed.note is None and probed.seen_by == "tcp %d" % server.port
        down_ms = (opened_at - closed_at) * 1000
        # Truly between what no probe contradicts, give or take what a turn of the loop takes.
        assert probed.outage.duration_ms - probed.outage.error_ms - 50 <= down_ms <= probed.outage.duration_ms + 50
        assert probed.outage.error_ms <= 200

    watching(work)


def test_it_is_probed_twenty_times_a_second_whether_it_answers_or_not() -> None:
    async def work(prober: Prober) -> None:
        server = TcpService()
        reboot = Reboot(prober, port=server.port)
        reboot.watch.begin(LOOPBACK)
        await up_for(2.0)
        reboot.watch.end()
        server.close()
        assert len(server.connected_at) >= 30, "40 on a machine with nothing else to do"

    watching(work)


def test_a_host_that_drops_packets_is_noticed_when_it_comes_back() -> None:
    async def work(prober: Prober) -> None:
        server = TcpService()
        reboot = Reboot(prober, port=server.port)
        reboot.watch.begin(LOOPBACK)
        await up_for(0.3)
        server.close()
        silent = SilentService(server.port)
        silent_at = now()
        reboot.watch.host_goes()
        await up_for(1.6)
        silent.close()
        again = TcpService(server.port)
        opened_at = now()
        await up_for(0.3)
        reboot.watch.host_is_back(since=opened_at + 0.1)
        probed = await reboot.until_over()
        again.close()
        assert probed.outage is not None
        assert abs(probed.outage.duration_ms - (opened_at - silent_at) * 1000) < 250
        assert probed.outage.error_ms <= 250, "connections that got no answer count by when they were begun"

    watching(work)


def test_http_is_back_with_the_right_status_and_not_before() -> None:
    async def work(prober: Prober) -> None:
        server = HttpService()
        reboot = Reboot(prober, url="http://127.0.0.1:%d/health" % server.port, status=200)
        reboot.watch.begin(None)
        await up_for(0.4)
        server.close()
        closed_at = now()
        reboot.watch.host_goes()
        await up_for(0.3)
        again = HttpService(503, server.port)
        await up_for(0.5)
        reboot.watch.host_is_back(since=now())
        await up_for(0.3)
        assert reboot.ended == [], "it answers 503"
        again.status = 200
        ready_at = now()
        probed = await reboot.until_over()
        again.close()
        assert probed.outage is not None and probed.note is None
        assert abs(probed.outage.duration_ms - (ready_at - closed_at) * 1000) < 250
        assert probed.outage.error_ms <= 250

    watching(work)


def test_a_slow_answer_is_waited_for_before_the_next_is_asked_for() -> None:
    async def work(prober: Prober) -> None:
        server = HttpService(takes_s=0.15)
        reboot = Reboot(prober, url="http://127.0.0.1:%d/" % server.port)
        reboot.watch.begin(None)
        await up_for(1.5)
        reboot.watch.host_is_back(since=0.0)
        probed = await reboot.until_over()
        server.close()
        assert server.most_at_once == 1
        assert 5 <= len(server.asked_at) <= 10
        assert probed.outage is not None
        assert probed.outage.duration_ms >= 150, "the resolution is what it really was"
        assert probed.outage.error_ms == probed.outage.duration_ms

    watching(work)


def test_a_request_that_hangs_is_given_up() -> None:
    async def work(prober: Prober) -> None:
        server = HttpService()
        reboot = Reboot(prober, url="http://127.0.0.1:%d/" % server.port, timeout=0.3)
        reboot.watch.begin(None)
        await up_for(0.3)
        server.status = None
        hangs_at = now()
        reboot.watch.host_goes()
        await up_for(1.0)
        server.status = 200
        reboot.watch.host_is_back(since=now())
        probed = await reboot.until_over()
        server.close()
        assert probed.outage is not None
        assert 800 <= probed.outage.duration_ms <= (now() - hangs_at) * 1000 + 100

    watching(work)


def test_tls_with_a_certificate_of_its_own(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path, "localhost")

    async def work(prober: Prober) -> None:
        server = HttpService(certificate=certificate)
        url = "https://ops:geheim@127.0.0.1:%d/health?key=geheim" % server.port
        trusting = Reboot(prober, url=url, validate_certs=False)
        strict = Reboot(prober, url=url)
        trusting.watch.begin(None)
        strict.watch.begin(None)
        await up_for(0.7)
        strict.watch.host_goes()
        refused = await strict.until_over()
        trusting.watch.host_goes()
        server.close()
        await up_for(0.3)
        again = HttpService(port=server.port, certificate=certificate)
        trusting.watch.host_is_back(since=now())
        probed = await trusting.until_over()
        again.close()
        assert refused.outage is None and refused.note is not None
        assert refused.note.code == "PROBE_NOT_UP" and "certificate verify failed" in refused.note.message
        assert probed.outage is not None and probed.outage.duration_ms >= 250
        assert probed.seen_by == "http https://127.0.0.1:%d/health" % server.port
        assert "geheim" not in repr((refused, probed))

    watching(work)


def test_a_service_that_was_not_up_is_said_to_be_and_left() -> None:
    async def work(prober: Prober) -> None:
        server = TcpService()
        server.close()
        reboot = Reboot(prober, port=server.port)
        reboot.watch.begin(LOOPBACK)
        await up_for(0.2)
        assert reboot.ended == []
        reboot.watch.host_goes()
        probed = await reboot.until_over(0.0)
        assert probed.outage is None and probed.note is not None and probed.note.code == "PROBE_NOT_UP"
        reboot.watch.host_is_back(since=now())
        reboot.watch.end()
        assert len(reboot.ended) == 1

    watching(work)


@pytest.mark.parametrize("status", [503, 404])
def test_what_was_seen_instead_is_said(status: int) -> None:
    async def work(prober: Prober) -> None:
        server = HttpService(status)
        reboot = Reboot(prober, url="http://127.0.0.1:%d/" % server.port)
        reboot.watch.begin(None)
        await up_for(0.3)
        reboot.watch.host_goes()
        probed = await reboot.until_over(0.0)
        server.close()
        assert probed.note is not None and probed.note.message.endswith("before the reboot: it answered %d" % status)

    watching(work)


def test_one_that_stays_down_is_left_when_nobody_waits() -> None:
    async def work(prober: Prober) -> None:
        server = TcpService()
        reboot = Reboot(prober, port=server.port)
        reboot.watch.begin(LOOPBACK)
        await up_for(0.2)
        server.close()
        reboot.watch.host_goes()
        await up_for(0.5)
        reboot.watch.host_is_back(since=now())
        reboot.watch.end()
        probed = await reboot.until_over(0.0)
        assert probed.outage is None and probed.note is not None and probed.note.code == "PROBE_STILL_DOWN"

    watching(work)


def test_a_reboot_that_never_came_tells_of_no_outage() -> None:
    async def work(prober: Prober) -> None:
        server = TcpService()
        reboot = Reboot(prober, port=server.port)
        reboot.watch.begin(LOOPBACK)
        await up_for(0.2)
        reboot.watch.end()
        server.close()
        probed = await reboot.until_over(0.0)
        assert (probed.outage, probed.note) == (None, None)
        # And again, for one that comes.
        again = TcpService(server.port)
        reboot.watch.begin(LOOPBACK)
        await up_for(0.2)
        reboot.watch.host_is_back(since=0.0)
        again.close()
        assert len(reboot.ended) == 2 and reboot.ended[1].outage is not None

    watching(work)


def test_of_several_addresses_the_one_that_answers_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(prober: Prober) -> None:
        server, other = TcpService(), TcpService()
        other.close()
        found = [(socket.AF_INET, ("127.0.0.1", other.port)), (socket.AF_INET, ("127.0.0.1", server.port))]
        monkeypatch.setattr(
            "ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.service_watch.addresses", lambda _: found
        )
        reboot = Reboot(prober, port=server.port, address="web1")
        reboot.watch.begin(None)
        await up_for(0.3)
        assert len(prober._probing.targets) == 1
        reboot.watch.host_is_back(since=0.0)
        server.close()
        assert (await reboot.until_over(0.0)).outage is not None

    watching(work)


def test_services_never_take_more_sockets_than_they_may_and_all_have_their_turn() -> None:
    async def run() -> None:
        server, silent = TcpService(), SilentService()
        with contextlib.closing(Prober(sockets=4)) as prober:
            seen: set[int] = set()
            most = 0
            for number in range(20):
                prober.watch_service(number, (socket.AF_INET, ("127.0.0.1", silent.port)), lambda it: seen.add(int(str(it.key))))
            async with asyncio.timeout(15.0):
                while len(seen) < 20:
                    most = max(most, len(prober._probing._polled))
                    await asyncio.sleep(0.005)
            assert most == 4
            # One that is up is noticed in its turn.
            up = asyncio.Event()
            prober.watch_service(99, (socket.AF_INET, ("127.0.0.1", server.port)), lambda it: up.set() if it.up else None)
            async with asyncio.timeout(10.0):
                await up.wait()
        silent.close()
        server.close()

    asyncio.run(run())


@pytest.mark.parametrize("probe", [{"port": 1}, {"port": 1, "address": "no-such-name.invalid"}])
def test_there_is_no_way_to_it(probe: dict[str, Any]) -> None:
    async def work(prober: Prober) -> None:
        reboot = Reboot(prober, **probe)
        reboot.watch.begin(None)
        deadline = time.monotonic() + 15.0
        while "address" in probe and not reboot.watch._said and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        reboot.watch.host_goes()
        note = (await reboot.until_over(0.0)).note
        assert note is not None and note.code == "PROBE_NOT_UP" and "address" in note.message

    watching(work)
