# SPDX-License-Identifier: GPL-3.0-or-later
"""The prober against real TCP servers on loopback."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.prober import (
    FORGIVEN_PROBES,
    Allowance,
    Observation,
    Prober,
    SockAddr,
    first_banner,
    penalises,
)

BANNER = b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"


class Server:
    """Something that listens, and says a thing to whoever connects."""

    def __init__(self, says: bytes, port: int = 0) -> None:
        self._says = says
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port = int(self._socket.getsockname()[1])
        self.connections = 0
        self._held: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _peer = self._socket.accept()
                self.connections += 1
                if self._says:
                    connection.sendall(self._says)
                    connection.close()
                else:
                    self._held.append(connection)

    @property
    def address(self) -> SockAddr:
        return socket.AF_INET, ("127.0.0.1", self.port)

    def close(self) -> None:
        # Closing alone would leave the accepting thread with the socket.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def prober() -> Iterator[Prober]:
    prober = Prober(time.monotonic)
    yield prober
    prober.close()


def until(prober: Prober, wanted: Callable[[Observation], bool], limit_s: float = 10.0) -> Observation:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        for observation in prober.poll(0.5):
            if wanted(observation):
                return observation
    raise AssertionError("nothing of the kind was seen within %g s" % limit_s)


def test_a_server_is_seen_to_go_and_its_return_is_noticed_at_once(prober: Prober) -> None:
    server = Server(BANNER)
    prober.watch("host", server.address, BANNER.decode())
    assert until(prober, lambda seen: seen.up).key == "host"
    server.close()
    until(prober, lambda seen: not seen.up)

    returned: list[tuple[float, Server]] = []

    def come_back() -> None:
        time.sleep(0.7)
        returned.append((time.monotonic(), Server(BANNER, server.port)))

    thread = threading.Thread(target=come_back)
    thread.start()
    seen = until(prober, lambda seen: seen.up)
    thread.join()
    lag_s = seen.at - returned[0][0]
    returned[0][1].close()
    assert lag_s < 0.3


@pytest.mark.parametrize("says", [b"Not allowed at this time\r\n", b"HTTP/1.1 400 Bad Request\r\n", b"x" * 300])
def test_only_an_ssh_banner_counts(prober: Prober, says: bytes) -> None:
    server = Server(says)
    prober.watch("host", server.address)
    assert not until(prober, lambda seen: True).up
    server.close()


def test_a_silent_server_is_not_flooded(prober: Prober) -> None:
    server = Server(b"")
    prober.watch("host", server.address)
    deadline = time.monotonic() + 1.2
    while time.monotonic() < deadline:
        assert prober.poll(0.2) == []
    assert server.connections <= 4
    server.close()


def test_a_forgotten_host_is_left_alone(prober: Prober) -> None:
    server = Server(BANNER)
    prober.watch("host", server.address)
    until(prober, lambda seen: seen.up)
    prober.forget("host")
    count = server.connections
    assert prober.poll(0.4) == []
    assert server.connections == count
    server.close()


def test_a_penalising_sshd_is_not_provoked(prober: Prober) -> None:
    server = Server(BANNER)
    prober.watch("host", server.address, "SSH-2.0-OpenSSH_10.0p2 Debian-7")
    began = time.monotonic()
    while time.monotonic() - began < 3.0:
        prober.poll(0.2)
    # 15 penalty seconds shut the address out; one passes per second.
    assert server.connections - (time.monotonic() - began) < 15
    assert server.connections >= FORGIVEN_PROBES
    server.close()


@pytest.mark.parametrize(
    ("banner", "answer"),
    [
        ("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7", False),
        ("SSH-2.0-OpenSSH_9.8", True),
        ("SSH-2.0-OpenSSH_10.0p2 Debian-7", True),
        ("SSH-2.0-OpenSSH_for_Windows", True),
        ("SSH-2.0-dropbear_2022.83", False),
    ],
)
def test_who_penalises(banner: str, answer: bool) -> None:
    assert penalises(banner) is answer


def test_allowance_over_a_long_time() -> None:
    now = 0.0
    allowance = Allowance(True, now)
    penalty = probes = 0.0
    while now < 600:
        wait = allowance.spend(now)
        probes += 1
        penalty = max(0.0, penalty - wait) + 1
        assert penalty < 15
        now += wait
    assert probes > 500


def test_first_banner() -> None:
    deaf = Server(b"")
    server = Server(BANNER)
    nobody: SockAddr = (socket.AF_INET, ("127.0.0.1", 1))
    assert first_banner([nobody, deaf.address, server.address], 0.2) == (server.address, BANNER.decode().strip())
    assert first_banner([nobody], 0.2) is None
    deaf.close()
    server.close()
