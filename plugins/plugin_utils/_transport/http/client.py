# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's HTTP client: one request on a connection of its own, within one time limit.

Controllers have ansible-core and what it depends on, so no HTTP library; Python's own clients (urllib, http.client) and Ansible's
(open_url, a layer on top of urllib) block a thread each, limit the time of each read rather than of the whole, and can't be
cancelled. This one does what hooks, probes and the lock need, and no more: no redirects, cookies, C(.netrc), compression or
HTTP/2, and a new connection for each request, which over TLS costs a millisecond of CPU.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from ..tls import tls_context
from .connecting import Resolve, connected, resolve
from .errors import HttpError, socket_error
from .message import HttpRequest, read_body, read_head
from .proxies import Proxy, ProxyFor, no_proxy
from .stream import LimitedReader, PlainStream, Stream, TlsStream


@dataclass(frozen=True)
class HttpResponse:
    """Response to a request.

    :ivar body: what was read of it.
    :ivar complete: whether that is the whole body.
    """

    status: int
    body: bytes = field(default=b"", repr=False)
    complete: bool = True


async def ask(
    request: HttpRequest,
    *,
    context: ssl.SSLContext | None = None,
    timeout_s: float | None = None,
    body_max_bytes: int = 0,
    proxy_for: ProxyFor = no_proxy,
    sock: socket.socket | None = None,
    resolver: Resolve = resolve,
) -> HttpResponse:
    """Send a request and return the response. The caller may be cancelled at any point.

    :param context: for C(https); None for the controller's own CAs.
    :param timeout_s: limit for everything from the resolver to the last byte; None if the caller has one.
    :param body_max_bytes: limit for the body; with 0, the head is the end.
    :param sock: connected and non-blocking, closed by the caller; None to connect to the host of the URL, or to its proxy.
    :raises HttpError: there is no response that could be used, or not in time.
    """
    try:
        async with asyncio.timeout(timeout_s):
            try:
                async with _connection(request, sock, proxy_for, resolver) as (stream, proxy):
                    return await _exchange(request, stream, proxy, context, body_max_bytes)
            except OSError as error:
                raise HttpError(socket_error(error)) from None
    except TimeoutError:
        raise HttpError("no complete answer within %.3g s" % (timeout_s or 0.0)) from None


@contextlib.asynccontextmanager
async def _connection(
    request: HttpRequest, sock: socket.socket | None, proxy_for: ProxyFor, resolver: Resolve
) -> AsyncIterator[tuple[Stream, Proxy | None]]:
    """Stream to the host of a request, or to its proxy."""
    if sock is not None:
        yield PlainStream(sock), None
        return
    proxy = proxy_for(request)
    try:
        own = (
            await connected(proxy.host, proxy.port, resolver) if proxy else await connected(request.host, request.port, resolver)
        )
    except HttpError as error:
        raise HttpError("%s: %s" % (proxy, error)) if proxy else error from None
    with own:
        yield PlainStream(own), proxy


async def _exchange(
    request: HttpRequest, stream: Stream, proxy: Proxy | None, context: ssl.SSLContext | None, body_max_bytes: int
) -> HttpResponse:
    if proxy is not None and proxy.uses_tls:
        stream = await _over_tls(stream, tls_context(True), proxy.host)
    if request.uses_tls:
        if proxy is not None:
            await _tunnel(request, stream, proxy)
        stream = await _over_tls(stream, context or tls_context(True), request.host)
    forwarded = proxy is not None and not request.uses_tls
    await stream.send(request.encoded(whole_url=forwarded, also=proxy.headers if proxy is not None and forwarded else None))
    reader = LimitedReader(stream)
    head = await read_head(reader)
    if body_max_bytes == 0 or not head.has_body(request.method):
        return HttpResponse(head.status)
    return HttpResponse(head.status, *await read_body(reader, head, body_max_bytes))


async def _over_tls(stream: Stream, context: ssl.SSLContext, host: str) -> TlsStream:
    try:
        tls = TlsStream(stream, context, host)
    except ValueError:
        raise HttpError("the name of the server can't be used for TLS") from None
    try:
        await tls.handshake()
    except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
        raise HttpError("the connection was closed before TLS was agreed on") from None
    return tls


async def _tunnel(request: HttpRequest, stream: Stream, proxy: Proxy) -> None:
    """Have a proxy connect to the host of a request (RFC 9110, section 9.3.6)."""
    where = "%s:%d" % ("[%s]" % request.host if ":" in request.host else request.host, request.port)
    lines = ["CONNECT %s HTTP/1.1" % where, "Host: " + where, *("%s: %s" % header for header in proxy.headers.items()), "", ""]
    await stream.send("\r\n".join(lines).encode("latin-1"))
    try:
        # The server speaks only after the client, so nothing of it is read here.
        head = await read_head(LimitedReader(stream))
    except HttpError as error:
        raise HttpError("%s: %s" % (proxy, error)) from None
    if not 200 <= head.status < 300:
        raise HttpError("%s refuses to connect, with status %d" % (proxy, head.status))
