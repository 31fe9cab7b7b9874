# SPDX-License-Identifier: GPL-3.0-or-later
"""The prober against real TCP servers on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.observation import Observation
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.prober import Prober
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.probing import PROBES_PER_S, TICK_S
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.sshd import Route, SockAddr, Source, Sshd, first_banner
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.sshd_target import CONNECTIONS_WHILE_UP, UNDER_WAY

BANNER = b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"


class Server:
    """Something that listens, and says a thing to whoever connects.

    :param keeps: whether it then waits for more, as sshd does for a login.
    """

    def __init__(self, says: bytes, port: int = 0, keeps: bool = True) -> None:
        self._says = says
        self._keeps = keeps
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port = int(self._socket.getsockname()[1])
        self.connections = 0
        self.peers: list[tuple[str, int]] = []
        self._held: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, peer = self._socket.accept()
                self.peers.append(peer)
                self.connections += 1
                if self._keeps:
                    # First, since a test may hang up as soon as it has seen the answer.
                    self._held.append(connection)
                if self._says:
                    connection.sendall(self._says)
                if not self._keeps:
                    connection.close()

    @property
    def address(self) -> SockAddr:
        return socket.AF_INET, ("127.0.0.1", self.port)

    def sshd(self, banner: bytes = b"") -> Sshd:
        return Sshd(self.address, banner.decode())

    def listen_no_more(self) -> None:
        """End as an sshd whose sessions are processes of their own."""
        # Closing alone would leave the accepting thread with the socket.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def hang_up(self) -> None:
        """End all connections."""
        while self._held:
            self._held.pop().close()

    def close(self) -> None:
        self.listen_no_more()
        self.hang_up()


class Watching:
    """A prober that watches one server for a while, and what it saw."""

    def __init__(self) -> None:
        self.seen: list[Observation] = []
        self._news = asyncio.Event()

    def tell(self, observation: Observation) -> None:
        self.seen.append(observation)
        self._news.set()

    async def until(self, wanted: Callable[[Observation], bool], limit_s: float = 10.0) -> Observation:
        async with asyncio.timeout(limit_s):
            while True:
                while self.seen:
                    observation = self.seen.pop(0)
                    if wanted(observation):
                        return observation
                self._news.clear()
                await self._news.wait()


def probing(work: Callable[[Prober, Watching], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        prober = Prober()
        try:
            await work(prober, Watching())
        finally:
            prober.close()

    asyncio.run(run())


def test_a_server_is_seen_to_go_and_its_return_is_noticed_at_once() -> None:
    async def work(prober: Prober, watching: Watching) -> None:
        server = Server(BANNER)
        prober.watch("host", server.sshd(BANNER), watching.tell)
        assert (await watching.until(lambda seen: seen.up)).key == "host"
        server.close()
        await watching.until(lambda seen: not seen.up)
        await asyncio.sleep(0.7)
        returned_at = asyncio.get_running_loop().time()
        again = Server(BANNER, server.port)
        seen = await watching.until(lambda seen: seen.up)
        again.close()
        assert seen.at - returned_at < 0.3

    probing(work)


@pytest.mark.parametrize("says", [b"Not allowed at this time\r\n", b"HTTP/1.1 400 Bad Request\r\n", b"x" * 300, b""])
def test_who_accepts_and_sends_no_banner_is_up_and_refuses(says: bytes) -> None:
    """Not allowed at this time: that is what an sshd with PerSourcePenalties says to who has made it too many connections."""

    async def work(prober: Prober, watching: Watching) -> None:
        server = Server(says, keeps=False)
        slowed: list[str] = []
        prober.watch("host", server.sshd(), watching.tell, slowed=slowed.append)
        seen = await watching.until(lambda seen: True)
        assert (seen.up, seen.refusing) == (True, True)
        await asyncio.sleep(0.5)
        assert server.connections <= UNDER_WAY, "it is left alone"
        assert slowed == ["its sshd turns this controller away"]
        server.close()

    probing(work)


def test_a_host_that_is_up_gets_one_connection() -> None:
    async def work(prober: Prober, watching: Watching) -> None:
        server = Server(BANNER)
        prober.watch("host", server.sshd(BANNER), watching.tell)
        await watching.until(lambda seen: seen.up)
        # Another one may have been under way.
        connections = server.connections
        await asyncio.sleep(1.0)
        assert (server.connections, watching.seen) == (connections, [])
        server.close()
        assert not (await watching.until(lambda seen: True, 1)).up

    probing(work)


def test_the_connection_that_the_banner_came_over_is_watched_on() -> None:
    async def work(prober: Prober, watching: Watching) -> None:
        server = Server(BANNER)
        sshd = first_banner([Route(server.address)], 1.0)
        assert sshd is not None
        prober.watch("host", sshd, watching.tell)
        await asyncio.sleep(0.5)
        assert (server.connections, watching.seen) == (1, [])
        server.close()
        assert not (await watching.until(lambda seen: True, 1)).up

    probing(work)


def test_an_sshd_that_listens_no_more_is_noticed_by_one_probe_though_its_connection_lives_on() -> None:
    async def work(prober: Prober, watching: Watching) -> None:
        server = Server(BANNER)
        sshd = first_banner([Route(server.address)], 1.0)
        assert sshd is not None
        server.listen_no_more()
        prober.watch("host", sshd, watching.tell, checks_after_s=[0.3])
        await asyncio.sleep(0.2)
        assert watching.seen == []
        assert not (await watching.until(lambda seen: True, 1)).up
        await asyncio.sleep(1.0)
        assert len(watching.seen) <= 2, "its system still counts"
        server.hang_up()
        await asyncio.sleep(0.5)
        assert len(watching.seen) >= 5, "it has gone"

    probing(work)


def test_a_host_that_ends_connections_and_stays_up_gets_few_of_them() -> None:
    """LoginGraceTime is over, or an sshd was restarted."""

    async def work(prober: Prober, watching: Watching) -> None:
        server = Server(BANNER)
        prober.watch("host", server.sshd(BANNER), watching.tell)
        for _time in range(CONNECTIONS_WHILE_UP):
            await watching.until(lambda seen: seen.up)
            server.hang_up()
        await asyncio.sleep(0.5)
        prober.check("host")
        await asyncio.sleep(0.2)
        assert server.connections == CONNECTIONS_WHILE_UP
        server.close()

    probing(work)


def test_it_is_connected_from_where_ssh_would() -> None:
    async def work(prober: Prober, watching: Watching) -> None:
        server = Server(BANNER)
        source = Source(("127.0.0.9", 0))
        sshd = first_banner([Route(server.address, source)], 1.0)
        assert sshd is not None and sshd.source == source
        prober.watch("host", sshd.close(), watching.tell)
        await watching.until(lambda seen: seen.up)
        assert [host for host, _port in server.peers] == ["127.0.0.9", "127.0.0.9"]
        server.close()

    probing(work)


def test_a_silent_server_is_not_flooded() -> None:
    """It may be one that is busy starting: every connection is one more process for it to start."""

    async def work(prober: Prober, watching: Watching) -> None:
        server = Server(b"")
        prober.watch("host", server.sshd(), watching.tell)
        await asyncio.sleep(4.0)
        assert watching.seen == []
        # The first at once, then after 0.05 (nothing was accepted yet), 0.5, 1 and 2 seconds.
        assert 3 <= server.connections <= 5
        server.close()

    probing(work)


def test_a_server_that_stays_silent_counts_as_down() -> None:
    async def work(_prober: Prober, watching: Watching) -> None:
        prober = Prober(banner_timeout_s=0.5)
        server = Server(b"")
        prober.watch("host", server.sshd(), watching.tell)
        assert not (await watching.until(lambda seen: True, 3)).up
        server.close()
        prober.close()

    probing(work)


def test_a_forgotten_host_is_left_alone() -> None:
    async def work(prober: Prober, watching: Watching) -> None:
        server = Server(BANNER)
        prober.watch("host", server.sshd(), watching.tell)
        await watching.until(lambda seen: seen.up)
        prober.forget("host")
        count = server.connections
        await asyncio.sleep(0.4)
        assert (watching.seen, server.connections) == ([], count)
        server.close()

    probing(work)


def test_who_is_told_may_stop_the_probes_or_begin_anew() -> None:
    async def work(prober: Prober, watching: Watching) -> None:
        server = Server(BANNER)

        def tell(observation: Observation) -> None:
            prober.forget("host")
            prober.watch("host", server.sshd(), watching.tell)

        prober.watch("host", server.sshd(), tell)
        assert (await watching.until(lambda seen: True)).up
        server.close()

    probing(work)


def test_hosts_that_swallow_everything_take_few_sockets() -> None:
    """A listener whose backlog is full drops further connections, as a host does that is down."""

    async def work(prober: Prober, watching: Watching) -> None:
        prober = Prober(sockets=8)
        with socket.socket() as deaf, socket.socket() as taken:
            deaf.bind(("127.0.0.1", 0))
            deaf.listen(0)
            taken.connect(deaf.getsockname())
            for number in range(4):
                prober.watch(number, Sshd((socket.AF_INET, deaf.getsockname()), ""), watching.tell)
            most, before = 0, len(os.listdir("/proc/self/fd"))
            for _tick in range(60):
                await asyncio.sleep(0.01)
                most = max(most, len(os.listdir("/proc/self/fd")) - before)
            assert 4 <= most <= 9
            prober.close()

    probing(work)


def test_first_banner() -> None:
    deaf = Server(b"")
    server = Server(BANNER)
    nobody: SockAddr = (socket.AF_INET, ("127.0.0.1", 1))
    found = first_banner([Route(nobody), Route(deaf.address), Route(server.address)], 0.2)
    assert found is not None and found.connection is not None
    assert found.close() == Sshd(server.address, BANNER.decode().strip())
    assert first_banner([Route(nobody)], 0.2) is None
    deaf.close()
    server.close()


def test_a_thousand_hosts_are_not_probed_all_at_once() -> None:
    # What else the loop does would have to wait for it.
    async def work(prober: Prober, _watching: Watching) -> None:
        server = Server(BANNER)
        server.close()
        seen: list[Observation] = []
        for number in range(1000):
            prober.watch(number, server.sshd(), seen.append)
        async with asyncio.timeout(10):
            while len({observation.key for observation in seen}) < 1000:
                await asyncio.sleep(0.05)
        at_once = Counter(observation.at for observation in seen)
        assert max(at_once.values()) <= PROBES_PER_S * 3 * TICK_S

    probing(work)


@contextlib.contextmanager
def dropping() -> Iterator[SockAddr]:
    """Linux drops what comes for a listener whose queue is full, as a machine that is off would."""
    with socket.socket() as listener, contextlib.ExitStack() as opened:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for _place in range(2):
            filler = opened.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(address)
        yield socket.AF_INET, address


def test_with_one_socket_a_host_that_drops_everything_is_down() -> None:
    with dropping() as address:

        async def run() -> None:
            watching = Watching()
            prober = Prober(sockets=1)
            prober.watch("host", Sshd(address, BANNER.decode()), watching.tell)
            assert not (await watching.until(lambda seen: True, limit_s=2.0)).up
            # That it could be told from one attempt is not enough: they go on.
            assert not (await watching.until(lambda seen: True, limit_s=2.0)).up
            prober.close()

        asyncio.run(run())


def test_what_is_under_way_to_a_host_that_is_down_is_less_than_its_sshd_would_penalise() -> None:
    def connecting(port: int) -> int:
        lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
        # Remote address and state, SYN_SENT.
        return sum(fields[2].endswith(":%04X" % port) and fields[3] == "02" for fields in map(str.split, lines))

    with dropping() as address:
        before = connecting(int(str(address[1][1])))

        async def run() -> None:
            watching = Watching()
            prober = Prober()
            prober.watch("host", Sshd(address, BANNER.decode()), watching.tell)
            most = 0
            for _look in range(100):
                await asyncio.sleep(0.02)
                most = max(most, connecting(int(str(address[1][1]))) - before)
            prober.close()
            assert 2 <= most <= UNDER_WAY < 5

        asyncio.run(run())


# In a process of its own, which has descriptors of its own.
_SERVER = """
import socket
server = socket.create_server(("127.0.0.1", 0), backlog=128)
print(server.getsockname()[1], flush=True)
while True:
    connection, _peer = server.accept()
    connection.sendall(b"SSH-2.0-x\\r\\n")
    connection.close()
"""


def test_a_window_of_a_thousand_without_descriptors_takes_nobody_for_down() -> None:
    seen: dict[int, bool] = {}

    async def work(port: int) -> None:
        prober = Prober()

        def tell(observation: Observation) -> None:
            seen[int(str(observation.key))] = observation.up
            prober.forget(observation.key)

        for number in range(1000):
            prober.watch(number, Sshd((socket.AF_INET, ("127.0.0.1", port)), ""), tell)
        async with asyncio.timeout(30):
            while len(seen) < 1000:
                await asyncio.sleep(0.05)
        prober.close()

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with subprocess.Popen([sys.executable, "-c", _SERVER], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        free = os.open("/", os.O_RDONLY)
        os.close(free)
        try:
            # The event loop takes four of them.
            resource.setrlimit(resource.RLIMIT_NOFILE, (free + 12, hard))
            asyncio.run(work(port))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            server.kill()
    assert set(seen.values()) == {True}
