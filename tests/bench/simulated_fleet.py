# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Hosts that reboot without being there: a listener each, in one process, that speaks the start of SSH.

Each has a loopback address of its own; all have the same port. A connection stays open until its host goes down, as one that
waits for a login. A host that goes down drops what is sent to it, as a machine that is off does: a filter of one instruction
(socket(7), SO_ATTACH_FILTER) on its listener takes the SYN away before TCP sees it. Nothing is refused, so whoever probes has to
wait and to give up by itself.

What hosts are told, and what they tell, goes through the directory that they are started with:

C(control): a Unix socket. A line C(INDEX DELAY DOWN) makes a host go down after so many seconds, for so many.

C(state): five doubles a host: when it last went down, when it last came back, how often it has, and what those who
watch it write: when they first noticed, and when they first had the new boot_id. Times are those of CLOCK_MONOTONIC,
in seconds.

C(port): the port, once all listen.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import heapq
import mmap
import resource
import selectors
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

BANNER = "SSH-2.0-OpenSSH_9.9"
# What a plug-in of Ansible's is given by its variable of the same name.
DIRECTORY_VARIABLE = "simulated_fleet"
START_TIMEOUT_S = 30.0

_FIELDS = 5
_DOWN_AT, _UP_AT, _BOOTS, _SEEN_AT, _ASKED_AT = range(_FIELDS)
_BACKLOG = 64
# linux/filter.h: struct sock_filter of "return 0", which keeps nothing of a packet.
_DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)
_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27


def address_of(index: int) -> str:
    """A host's address."""
    return "127.%d.%d.%d" % (16 + (index >> 16), index >> 8 & 255, index & 255)


def name_of(index: int) -> str:
    """A host's name."""
    return "host%05d" % index


def index_of(name: str) -> int:
    """The host of a name."""
    return int(name.removeprefix("host"))


class State:
    """What is known of the hosts, in memory that processes share."""

    def __init__(self, directory: Path, hosts: int = 0) -> None:
        """:param hosts: to make it; 0 to open what is there."""
        path = directory / "state"
        if hosts:
            path.write_bytes(bytes(hosts * _FIELDS * 8))
        with path.open("r+b") as stream:
            self._values = memoryview(mmap.mmap(stream.fileno(), 0)).cast("d")

    def up(self, index: int) -> bool:
        """Whether a host is up."""
        return self.up_at(index) >= self._values[index * _FIELDS + _DOWN_AT]

    def up_at(self, index: int) -> float:
        """When a host last came back."""
        return self._values[index * _FIELDS + _UP_AT]

    def boots(self, index: int) -> int:
        """How often it has."""
        return int(self._values[index * _FIELDS + _BOOTS])

    def boot_id(self, index: int) -> str:
        """Of the boot it is in."""
        return "%08x-boot-%d" % (index, self.boots(index))

    def goes_down(self, index: int) -> None:
        """For the host itself."""
        self._values[index * _FIELDS + _DOWN_AT] = time.monotonic()

    def comes_back(self, index: int) -> None:
        """For the host itself."""
        self._values[index * _FIELDS + _BOOTS] += 1
        self._values[index * _FIELDS + _UP_AT] = time.monotonic()

    def noticed(self, index: int) -> None:
        """For who sees the first sign of life of a host since it came back."""
        self._note(index, _SEEN_AT)

    def asked(self, index: int) -> None:
        """For who has a host's new boot_id."""
        self._note(index, _ASKED_AT)

    def _note(self, index: int, what: int) -> None:
        if not self._values[index * _FIELDS + what]:
            self._values[index * _FIELDS + what] = time.monotonic()

    def noticed_after_s(self, index: int) -> float:
        """From a host's return until it was noticed."""
        return self._values[index * _FIELDS + _SEEN_AT] - self.up_at(index)

    def asked_after_s(self, index: int) -> float:
        """From a host's return until its boot_id was known."""
        return self._values[index * _FIELDS + _ASKED_AT] - self.up_at(index)


class Control:
    """Tells hosts to reboot."""

    def __init__(self, directory: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(directory / "control"))

    def reboot(self, index: int, delay_s: float, down_s: float) -> None:
        """Make a host go down, and come back."""
        self._socket.sendall(b"%d %.6f %.6f\n" % (index, delay_s, down_s))


def port_of(directory: Path) -> int:
    """Where the hosts listen."""
    return int((directory / "port").read_text(encoding="ascii"))


@contextlib.contextmanager
def running(directory: Path, hosts: int) -> Iterator[State]:
    """Hosts that run as long as this lasts."""
    state = State(directory, hosts)
    argv = [sys.executable, __file__, "--directory", str(directory), "--hosts", str(hosts)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin is not None and server.stdout is not None
        # It says so, or ends.
        if not server.stdout.readline():
            raise SystemExit("the simulated hosts did not start")
        try:
            yield state
        finally:
            server.stdin.close()


class _Greeted(NamedTuple):
    """Connection to a host, that has had its banner."""

    host: int


class _Server:
    def __init__(self, directory: Path, hosts: int) -> None:
        self._state = State(directory)
        self._selector = selectors.EpollSelector()
        # (when, host, how long): to go down, or to come back if that is None.
        self._due: list[tuple[float, int, float | None]] = []
        self._filter = ctypes.create_string_buffer(_DROP_ALL)
        self._listeners: list[socket.socket] = []
        # Last connection to each host.
        self._open: dict[int, socket.socket] = {}
        port = 0
        for index in range(hosts):
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address_of(index), port))
            port = listener.getsockname()[1]
            listener.listen(_BACKLOG)
            listener.setblocking(False)
            self._listeners.append(listener)
            self._selector.register(listener, selectors.EVENT_READ, index)
        control = socket.socket(socket.AF_UNIX)
        control.bind(str(directory / "control"))
        control.listen(4096)
        control.setblocking(False)
        self._selector.register(control, selectors.EVENT_READ, control)
        self._selector.register(sys.stdin, selectors.EVENT_READ, None)
        (directory / "port").write_text("%d\n" % port, encoding="ascii")

    def run(self) -> None:
        """Serve until standard input ends."""
        while True:
            timeout_s = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
            for key, _events in self._selector.select(timeout_s):
                if isinstance(key.data, int):
                    self._greet(key.data)
                elif key.data is None:
                    return
                elif isinstance(key.data, _Greeted):
                    # Whoever watched has left. Without this, hosts that are done would use up the descriptors.
                    self._hang_up(key.data.host)
                elif isinstance(key.data, socket.socket):
                    connection = key.data.accept()[0]
                    self._selector.register(connection, selectors.EVENT_READ, (connection, bytearray()))
                else:
                    self._obey(*key.data)
            while self._due and self._due[0][0] <= time.monotonic():
                self._turn(*heapq.heappop(self._due))

    def _greet(self, index: int) -> None:
        with contextlib.suppress(OSError):
            connection = self._listeners[index].accept()[0]
            # Connections that were made in the last moment get no answer.
            if not self._state.up(index):
                connection.close()
                return
            connection.send(BANNER.encode() + b"\r\n")
            self._hang_up(index)
            self._open[index] = connection
            self._selector.register(connection, selectors.EVENT_READ, _Greeted(index))

    def _hang_up(self, index: int) -> None:
        connection = self._open.pop(index, None)
        if connection is not None:
            self._selector.unregister(connection)
            connection.close()

    def _obey(self, connection: socket.socket, received: bytearray) -> None:
        data = connection.recv(65536)
        if not data:
            self._selector.unregister(connection)
            connection.close()
            return
        received += data
        *lines, rest = received.split(b"\n")
        received[:] = rest
        for line in lines:
            index, delay_s, down_s = line.split()
            heapq.heappush(self._due, (time.monotonic() + float(delay_s), int(index), float(down_s)))

    def _turn(self, _at: float, index: int, down_s: float | None) -> None:
        listener = self._listeners[index]
        if down_s is None:
            # Nobody can have noticed before it is written down.
            self._state.comes_back(index)
            listener.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
            return
        program = struct.pack("HL", 1, ctypes.addressof(self._filter))
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
        self._state.goes_down(index)
        self._hang_up(index)
        heapq.heappush(self._due, (time.monotonic() + down_s, index, None))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--hosts", type=int, required=True)
    args = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = _Server(args.directory, args.hosts)
    print("ready", flush=True)
    server.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
