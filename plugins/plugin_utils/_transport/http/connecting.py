# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connect to a name that may have several addresses, some of which may lead nowhere (RFC 8305, "happy eyeballs")."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable, Sequence

from ..bounded import CallAbandoned, bounded_call
from .errors import HttpError, NoConnection, socket_error

# An address that does not answer within this time gets company from the next one (RFC 8305, section 5).
HEAD_START_S = 0.25
RESOLVE_TIMEOUT_S = 30.0

TcpAddress = tuple[socket.AddressFamily, tuple[object, ...]]
#: Finds the addresses of a host and port, in the order of preference; may block, and raise OSError.
Resolve = Callable[[str, int], list[TcpAddress]]


def resolve(host: str, port: int, flags: int = 0) -> list[TcpAddress]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    # A scope is in the rest of the address, too, and asyncio would have the name with it resolved once more.
    return [(family, (str(where).partition("%")[0], *rest)) for family, _type, _protocol, _name, (where, *rest) in found]


async def connected(host: str, port: int, resolver: Resolve = resolve) -> socket.socket:
    """Non-blocking socket connected to whichever address answers first; the caller closes it.

    :raises HttpError: no address answers, as :class:`NoConnection`, or the name can't be resolved.
    """
    return await _first_connected(_in_turn(await _addresses(host, port, resolver)))


async def _addresses(host: str, port: int, resolver: Resolve) -> list[TcpAddress]:
    try:
        # A numeric address needs no resolver, and so no thread to wait for one.
        return resolve(host, port, socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        pass
    try:
        return await bounded_call(lambda: resolver(host, port), RESOLVE_TIMEOUT_S)
    except socket.gaierror as error:
        raise HttpError("the name can't be resolved: %s" % error.strerror) from error
    except (OSError, UnicodeError, CallAbandoned, RuntimeError) as error:
        # A label too long, a resolver that does not answer, or no thread could be started.
        raise HttpError("the name can't be resolved: %s" % error) from error


def _in_turn(addresses: Sequence[TcpAddress]) -> list[TcpAddress]:
    """Order addresses so that families take turns, beginning with that of the first one."""
    families: dict[socket.AddressFamily, list[TcpAddress]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    rounds = itertools.zip_longest(*families.values())
    return [address for each in rounds for address in each if address is not None]


async def _first_connected(addresses: Sequence[TcpAddress]) -> socket.socket:
    waiting = list(addresses)
    attempts: dict[asyncio.Task[socket.socket], TcpAddress] = {}
    failures: list[str] = []
    chosen: socket.socket | None = None
    try:
        while waiting or attempts:
            if waiting:
                address = waiting.pop(0)
                attempts[asyncio.create_task(_connect(address))] = address
            head_start_s = HEAD_START_S if waiting else None
            done, _pending = await asyncio.wait(attempts, timeout=head_start_s, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if error is None:
                    chosen = task.result()
                    return chosen
                _family, where = attempts.pop(task)
                said = socket_error(error) if isinstance(error, OSError) else str(error)
                failures.append("%s: %s" % (where[0], said) if len(addresses) > 1 else said)
        raise NoConnection("; ".join(failures) or "the name has no address")
    finally:
        for task in attempts:
            task.cancel()
        for result in await asyncio.gather(*attempts, return_exceptions=True):
            if isinstance(result, socket.socket) and result is not chosen:
                result.close()


async def _connect(address: TcpAddress) -> socket.socket:
    family, where = address
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, where)
    except BaseException:
        sock.close()
        raise
    return sock
