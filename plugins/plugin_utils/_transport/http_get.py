# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One GET over a connection that is there already, as a probe asks it: the status is all that is read of the answer.

Sockets are the event loop's, and TLS goes through memory, so that whoever
waits may be cancelled at any point, and nothing is left that holds on to the
socket.
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
# Of status line and headers, where interim answers come before the real one.
_HEAD_MAX_BYTES = 64 * 1024
# RFC 9112, section 4.
_STATUS_LINE = re.compile(rb"HTTP/1\.\d (\d{3})(?: [^\r\n]*)?\r?\n")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_FINAL_SINCE = 200

Result = TypeVar("Result")


class NoAnswer(Exception):
    """What came is no answer of HTTP, or none came."""


@dataclass(frozen=True)
class HttpGet:
    """A request for a resource.

    :ivar url: of C(http) or C(https), in ASCII; a user and password in it are sent by basic authentication (RFC 7617).
    :ivar validate_certs: whether the server's certificate has to be one for the name in C(url), from an authority that the
        controller trusts.
    """

    url: str = field(repr=False)
    validate_certs: bool = True

    @property
    def _parts(self) -> SplitResult:
        return urlsplit(self.url)

    @property
    def host(self) -> str:
        """The host that it names, without brackets."""
        return self._parts.hostname or ""

    @property
    def port(self) -> int:
        """The port that it means."""
        return self._parts.port or DEFAULT_PORTS[self._parts.scheme]

    @property
    def shown(self) -> str:
        """The URL without what may be secret: credentials, query and fragment."""
        parts = self._parts
        return "%s://%s%s" % (parts.scheme, _host_and_port(parts), parts.path)

    def request(self) -> bytes:
        """The request as it is sent."""
        parts = self._parts
        target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        lines = ["GET %s HTTP/1.1" % target, "Host: " + _host_and_port(parts), "User-Agent: " + USER_AGENT, "Accept: */*"]
        if parts.username is not None:
            credentials = "%s:%s" % (unquote(parts.username), unquote(parts.password or ""))
            lines.append("Authorization: Basic " + base64.b64encode(credentials.encode("utf-8", "surrogatepass")).decode("ascii"))
        return "\r\n".join([*lines, "Connection: close", "", ""]).encode("ascii")

    async def status(self, sock: socket.socket) -> int:
        """Ask over a connected socket, which does not block; the status of the answer.

        Waits for as long as the server takes; to be cancelled by whoever has no more time.

        :raises OSError: the connection, or TLS, failed.
        :raises NoAnswer: what came is something else.
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
            # An interim answer (RFC 9110, section 15.2) says that the real one comes.
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
        """The next bytes; empty at the end."""
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
        """Take a step of TLS with as much sent and received as it takes."""
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
                # The alert says why to the server.
                await self._flush()
                raise
            await self._flush()
            return result

    async def _flush(self) -> None:
        data = self._to_send.read()
        if data:
            await self._plain.send(data)
