# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An sshd that can be connected to from here, and the first words that it says."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable
from typing import NamedTuple

BANNER_START = b"SSH-"
# RFC 4253, section 4.2.
BANNER_MAX_BYTES = 255

# Address family and address, as the module socket has them.
SockAddr = tuple[int, tuple[object, ...]]


class Source(NamedTuple):
    """Local end of connections to an sshd.

    :ivar address: numeric, as the module socket has it (C(BindAddress) of ssh_config); empty for what the system chooses.
    :ivar interface: network interface (C(BindInterface)); empty for what the system chooses.
    """

    address: tuple[object, ...] = ()
    interface: str = ""

    def bind(self, sock: socket.socket) -> None:
        """Bind a socket that is not connected yet.

        :raises OSError: there is no such address or interface.
        """
        if self.interface:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self.interface.encode() + b"\0")
        if self.address:
            sock.bind(self.address)


ANY_SOURCE = Source()


class Route(NamedTuple):
    """Address of an sshd, and where to connect to it from."""

    address: SockAddr
    source: Source = ANY_SOURCE


class Sshd(NamedTuple):
    """Sshd that answered.

    :ivar connection: where its banner came from, still open, for a watch to keep; None if nobody keeps it. Each connection that
        ends without a login is held against its source by one sshd or another, so this one is worth keeping.
    """

    address: SockAddr
    banner: str
    source: Source = ANY_SOURCE
    connection: socket.socket | None = None

    def close(self) -> Sshd:
        """Close the connection, if it is open; return the sshd without it."""
        if self.connection is not None:
            self.connection.close()
        return self._replace(connection=None)


def first_banner(routes: Iterable[Route], timeout_s: float) -> Sshd | None:
    """Connect by the first route on which an SSH banner is the answer; None if there is none."""
    for (family, address), source in routes:
        with contextlib.ExitStack() as opened, contextlib.suppress(OSError):
            sock = opened.enter_context(socket.socket(family, socket.SOCK_STREAM))
            source.bind(sock)
            sock.settimeout(timeout_s)
            sock.connect(address)
            banner = sock.recv(BANNER_MAX_BYTES)
            if banner.startswith(BANNER_START):
                opened.pop_all()
                sock.setblocking(False)
                return Sshd((family, address), banner.decode("ascii", "replace").splitlines()[0], source, sock)
    return None
