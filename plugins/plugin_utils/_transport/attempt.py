# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sockets of probes: how one is opened, what its failure says, and how an answered one tells that its host goes away."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from dataclasses import dataclass
from typing import Generic, TypeVar

from .pace import Outcome
from .sshd import ANY_SOURCE, SockAddr, Source

# A host that is gone is noticed on a kept connection after at most so long: the kernel asks after a second without a word, and
# gives up if nothing was heard for this long.
KEPT_IDLE_S = 1
KEPT_TIMEOUT_MS = 1500

# linux/in.h, linux/in6.h, linux/errqueue.h, linux/icmp.h, linux/icmpv6.h.
_IP_RECVERR, _IPV6_RECVERR = 11, 25
_RECVERR: dict[int, tuple[int, int]] = {
    socket.AF_INET: (socket.IPPROTO_IP, _IP_RECVERR),
    socket.AF_INET6: (socket.IPPROTO_IPV6, _IPV6_RECVERR),
}
# struct sock_extended_err: errno, origin, type, code, padding, info, data; the address of the sender follows.
_EXTENDED_ERR = struct.Struct("IBBBBII")
_FROM_ICMP, _FROM_ICMP6 = 2, 3
_ICMP_UNREACHABLE, _ICMP6_UNREACHABLE = 3, 1
# Port unreachable; network, host and all communication prohibited.
_ICMP_REJECTED = (3, 9, 10, 13)
# Prohibited, port unreachable, policy failed, route rejected.
_ICMP6_REJECTED = (1, 4, 5, 6)
_ERROR_MAX_BYTES = 512


Prey = TypeVar("Prey")


@dataclass(eq=False, slots=True)
class Attempt(Generic[Prey]):
    """One attempt at a target, from its SYN on.

    :ivar started: monotonic seconds.
    :ivar deadline: when to give it up.
    :ivar connected: whether the connection is made.
    :ivar dropped: whether it is no longer waited for; its descriptor may already belong to another attempt.
    """

    target: Prey
    sock: socket.socket
    descriptor: int
    started: float
    deadline: float
    connected: bool = False
    dropped: bool = False


def open_probe(address: SockAddr, source: Source) -> socket.socket:
    """Open a socket for a probe, not connected yet.

    :raises OSError: no descriptor is left, or the source does not exist.
    """
    family, _where = address
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        if family in _RECVERR:
            sock.setsockopt(*_RECVERR[family], 1)
        if source != ANY_SOURCE:
            source.bind(sock)
    except OSError:
        sock.close()
        raise
    return sock


def outcome_of(error: int, sock: socket.socket, address: SockAddr) -> Outcome:
    """Outcome of a probe that could not connect; C(error) is its errno.

    A closed port resets the connection. A firewall rejects it by ICMP, as a rule, which Linux 5.8 and later tell; before, and for
    sockets without an error queue, both look like a closed port.
    """
    if _is_rejected_by(sock, str(address[1][0])):
        return Outcome.REJECTED
    return Outcome.CLOSED if error == errno.ECONNREFUSED else Outcome.SILENT


def _is_rejected_by(sock: socket.socket, host: str) -> bool:
    """Whether a firewall on the host itself has rejected the connection. That of a router says nothing about the host."""
    try:
        control = sock.recvmsg(_ERROR_MAX_BYTES, _ERROR_MAX_BYTES, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)[1]
    except OSError:
        return False
    for level, kind, data in control:
        if (level, kind) != _RECVERR.get(sock.family) or len(data) < _EXTENDED_ERR.size:
            continue
        _errno, origin, icmp_type, code, _padding, _info, _data = _EXTENDED_ERR.unpack_from(data)
        rejected = (origin == _FROM_ICMP and icmp_type == _ICMP_UNREACHABLE and code in _ICMP_REJECTED) or (
            origin == _FROM_ICMP6 and icmp_type == _ICMP6_UNREACHABLE and code in _ICMP6_REJECTED
        )
        # struct sockaddr_in has its address after family and port, sockaddr_in6 after its flow information, too.
        start, length = (4, 4) if sock.family == socket.AF_INET else (8, 16)
        sender = data[_EXTENDED_ERR.size + start :][:length]
        with contextlib.suppress(OSError, ValueError):
            if rejected and socket.inet_ntop(sock.family, sender) == host.partition("%")[0]:
                return True
    return False


def keep(sock: socket.socket) -> None:
    """Have the kernel notice when the other end of a connection goes silent."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEPT_IDLE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEPT_IDLE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, KEPT_TIMEOUT_MS)
