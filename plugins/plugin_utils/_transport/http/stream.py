# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams of bytes over a connected socket, plain or TLS, and a reader for lines and blocks of limited size.

The event loop does the socket I/O, and TLS goes through memory buffers, so a caller can be cancelled at any point and nothing
keeps hold of the socket. A stream of TLS may run over another one, as through a proxy that uses TLS itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Protocol, TypeVar

from .errors import HttpError

_CHUNK_BYTES = 64 * 1024

Result = TypeVar("Result")


class Stream(Protocol):
    """Both directions of a connection; raises OSError if it fails."""

    async def send(self, data: bytes) -> None:
        """Send all of it."""

    async def receive(self) -> bytes:
        """Receive the next bytes; empty at the end."""


class PlainStream:
    """Stream over a connected, non-blocking socket, which its owner closes."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self._sock, data)

    async def receive(self) -> bytes:
        return await self._loop.sock_recv(self._sock, _CHUNK_BYTES)


class TlsStream:
    """TLS over another stream."""

    def __init__(self, below: Stream, context: ssl.SSLContext, host: str) -> None:
        self._below = below
        self._received, self._to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        # A scope (fe80::1%eth0) means nothing to the server.
        self._tls = context.wrap_bio(self._received, self._to_send, server_hostname=host.partition("%")[0])

    async def handshake(self) -> None:
        await self._complete(self._tls.do_handshake)

    async def send(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            written = await self._complete(lambda: self._tls.write(left))  # noqa: B023  # called before it changes
            left = left[written:]

    async def receive(self) -> bytes:
        try:
            return await self._complete(lambda: self._tls.read(_CHUNK_BYTES))
        # Many servers close without TLS's own goodbye. Whoever needs a certain length notices what is missing.
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    async def _complete(self, step: Callable[[], Result]) -> Result:
        """Run a TLS step, sending and receiving until it completes."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._flush()
                data = await self._below.receive()
                if data:
                    self._received.write(data)
                else:
                    self._received.write_eof()
                continue
            except ssl.SSLError:
                # The TLS alert tells the server why. The error is what matters, even if the server has gone already.
                with contextlib.suppress(OSError):
                    await self._flush()
                raise
            await self._flush()
            return result

    async def _flush(self) -> None:
        data = self._to_send.read()
        if data:
            await self._below.send(data)


class LimitedReader:
    """Reader of a stream that never keeps more than was asked for, and a chunk."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._kept = bytearray()
        self.ended = False

    async def line(self, max_bytes: int, what: str) -> bytes:
        """Next line, without its end; what is left of the stream if it ends before the line does.

        :raises HttpError: it is longer, C(what) is too long then.
        """
        searched = 0
        while (end := self._kept.find(b"\n", searched)) < 0:
            searched = len(self._kept)
            if searched > max_bytes:
                raise HttpError("%s is too long" % what)
            if not await self._more():
                return self._take(len(self._kept)).removesuffix(b"\r")
        if end > max_bytes:
            raise HttpError("%s is too long" % what)
        return self._take(end + 1)[:-1].removesuffix(b"\r")

    async def some(self, most_bytes: int) -> bytes:
        """Next bytes, one to C(most_bytes) of them; empty at the end of the stream."""
        if not self._kept:
            await self._more()
        return self._take(min(most_bytes, len(self._kept)))

    async def starts_with(self, start: bytes) -> bool:
        """Whether the stream goes on like this; waits only for as many bytes as it takes to tell."""
        while not self._kept.startswith(start):
            if not start.startswith(self._kept) or not await self._more():
                return False
        return True

    async def _more(self) -> bool:
        data = b"" if self.ended else await self._stream.receive()
        self._kept += data
        self.ended = not data
        return not self.ended

    def _take(self, count: int) -> bytes:
        taken = bytes(self._kept[:count])
        del self._kept[:count]
        return taken
