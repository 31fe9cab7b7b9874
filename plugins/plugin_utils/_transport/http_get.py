# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One GET over a connected socket, for probes; only the status of the response is read.

The event loop does the socket I/O, and TLS goes through memory buffers, so the caller can be cancelled at any point and nothing
keeps hold of the socket.
"""

from __future__ import annotations

import asyncio
import base64
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

from .tls import tls_context

USER_AGENT = "fleet.kexec"
DEFAULT_PORTS = {"http": 80, "https": 443}

_CHUNK_BYTES = 16 * 1024
# Limit for status line and headers, including interim responses before the final one.
_HEAD_MAX_BYTES = 64 * 1024
# RFC 9112, section 4.
_STATUS_LINE = re.compile(rb"HTTP/1\.\d (\d{3})(?: [^\r\n]*)?\r?\n")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_FINAL_SINCE = 200

Result = TypeVar("Result")


class NoAnswer(Exception):
    """Raised when the server sent no HTTP response, or nothing at all."""


@dataclass(frozen=True)
class HttpGet:
    """GET request for a URL.

    :ivar url: C(http) or C(https), ASCII only; credentials in it are sent by basic authentication (RFC 7617).
    """

    url: str = field(repr=False)
    validate_certs: bool = True

    @property
    def _parts(self) -> SplitResult:
        return urlsplit(self.url)

    @property
    def host(self) -> str:
        """Host of the URL, without brackets."""
        return self._parts.hostname or ""

    @property
    def port(self) -> int:
        return self._parts.port or DEFAULT_PORTS[self._parts.scheme]

    @property
    def shown(self) -> str:
        """URL without credentials, query and fragment, which may be secret."""
        parts = self._parts
        return "%s://%s%s" % (parts.scheme, _host_and_port(parts), parts.path)

    def request(self) -> bytes:
        parts = self._parts
        target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        lines = ["GET %s HTTP/1.1" % target, "Host: " + _host_and_port(parts), "User-Agent: " + USER_AGENT, "Accept: */*"]
        if parts.username is not None:
            credentials = "%s:%s" % (unquote(parts.username), unquote(parts.password or ""))
            lines.append("Authorization: Basic " + base64.b64encode(credentials.encode("utf-8", "surrogatepass")).decode("ascii"))
        return "\r\n".join([*lines, "Connection: close", "", ""]).encode("ascii")

    async def status(self, sock: socket.socket) -> int:
        """Send the request over a connected, non-blocking socket and return the status of the response.

        There is no time limit; the caller cancels it.

        :raises OSError: the connection or TLS failed.
        :raises NoAnswer: the server sent something else, or nothing.
        """
        stream: _Plain | _Tls = _Plain(sock)
        if self._parts.scheme == "https":
            stream = _Tls(sock, tls_context(self.validate_certs), self.host)
            await stream.handshake()
        await stream.send(self.request())
        head = b""
        while True:
            status = _STATUS_LINE.match(head)
            if status is not None and int(status[1]) >= _FINAL_SINCE:
                return int(status[1])
            # An interim response (RFC 9110, section 15.2) precedes the final one.
            interim_end = _HEAD_END.search(head) if status is not None else None
            if interim_end is not None:
                head = head[interim_end.end() :]
                continue
            if (status is None and b"\n" in head) or len(head) > _HEAD_MAX_BYTES:
                raise NoAnswer("the answer is not HTTP")
            data = await stream.receive()
            if not data:
                raise NoAnswer("the connection was closed without an answer")
            head += data


def _host_and_port(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]


class _Plain:
    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self._sock, data)

    async def receive(self) -> bytes:
        """Receive the next bytes; empty at the end."""
        return await self._loop.sock_recv(self._sock, _CHUNK_BYTES)


class _Tls:
    def __init__(self, sock: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._plain = _Plain(sock)
        self._received, self._to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._to_send, server_hostname=host)

    async def handshake(self) -> None:
        await self._complete(self._tls.do_handshake)

    async def send(self, data: bytes) -> None:
        await self._complete(lambda: self._tls.write(data))

    async def receive(self) -> bytes:
        try:
            return await self._complete(lambda: self._tls.read(_CHUNK_BYTES))
        except ssl.SSLZeroReturnError:
            return b""

    async def _complete(self, step: Callable[[], Result]) -> Result:
        """Run a TLS step, sending and receiving until it completes."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._flush()
                data = await self._plain.receive()
                if data:
                    self._received.write(data)
                else:
                    self._received.write_eof()
                continue
            except ssl.SSLError:
                # The TLS alert tells the server why.
                await self._flush()
                raise
            await self._flush()
            return result

    async def _flush(self) -> None:
        data = self._to_send.read()
        if data:
            await self._plain.send(data)
