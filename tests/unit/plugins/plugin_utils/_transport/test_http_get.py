# SPDX-License-Identifier: GPL-3.0-or-later
"""GETs against real servers on loopback, over TLS too."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.http_get import HttpGet, NoAnswer

from ..services import self_signed


@contextmanager
def answering(parts: list[bytes], context: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """A server that answers one request; its port, and what it was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _peer = listening.accept()
            try:
                with connection if context is None else context.wrap_socket(connection, server_side=True) as stream:
                    asked.append(stream.recv(65536))
                    for part in parts:
                        stream.sendall(part)
            except OSError:
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1], asked
        thread.join(10.0)
        assert not thread.is_alive()


def status(get: HttpGet, port: int) -> int:
    async def ask() -> int:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.setblocking(False)
            async with asyncio.timeout(10.0):
                return await get.status(sock)

    return asyncio.run(ask())


def test_what_is_asked() -> None:
    with answering([b"HTTP/1.1 204 No Content\r\n\r\n"]) as (port, asked):
        assert status(HttpGet("http://me%40home:ge%3Aheim@127.0.0.1:8080/a/b?c=d&e#f"), port) == 204
    lines = asked[0].decode().split("\r\n")
    assert lines[0] == "GET /a/b?c=d&e HTTP/1.1"
    assert "Host: 127.0.0.1:8080" in lines
    assert "Authorization: Basic bWVAaG9tZTpnZTpoZWlt" in lines
    assert lines[-2:] == ["", ""]
    assert HttpGet("http://web1").request().startswith(b"GET / HTTP/1.1\r\nHost: web1\r\n")


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([b"HTTP/1.1 200 OK\r\n\r\n"], 200),
        ([b"HTTP/1.0 503\r\n"], 503),
        ([b"HTT", b"P/1.1 3", b"02 Found\r", b"\n"], 302),
        ([b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"], 200),
        ([b"HTTP/1.1 100 Continue\r\n", b"\r\n", b"HTTP/1.1 404 Not Found\r\n"], 404),
    ],
)
def test_the_status_is_what_counts(parts: list[bytes], expected: int) -> None:
    with answering(parts) as (port, _asked):
        assert status(HttpGet("http://a/"), port) == expected


@pytest.mark.parametrize(
    "parts", [[], [b"HTTP/1.1 2"], [b"SSH-2.0-OpenSSH_9.2\r\n"], [b"HTTP/1.1 103 \r\nX: y" + b"z" * 100_000]]
)
def test_what_is_no_answer(parts: list[bytes]) -> None:
    with answering(parts) as (port, _asked), pytest.raises((NoAnswer, ConnectionError)):
        status(HttpGet("http://a/"), port)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], ssl.SSLContext]:
    certificate = self_signed(tmp_path_factory.mktemp("tls"), "localhost")

    def make() -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        return context

    return make


def test_tls_of_a_server_that_nobody_vouches_for(serving: Callable[[], ssl.SSLContext]) -> None:
    with answering([b"HTTP/1.1 200 OK\r\n\r\n"], serving()) as (port, asked):
        assert status(HttpGet("https://localhost/x", validate_certs=False), port) == 200
    assert asked[0].startswith(b"GET /x HTTP/1.1\r\n")
    with answering([b"HTTP/1.1 200 OK\r\n\r\n"], serving()) as (port, asked), pytest.raises(ssl.SSLCertVerificationError):
        status(HttpGet("https://ops:geheim@localhost/x"), port)
    assert asked == [], "no password for whom nobody vouches"


def test_a_server_without_tls(tmp_path: Path) -> None:
    with answering([b"HTTP/1.1 400 Bad Request\r\n\r\n"]) as (port, _asked), pytest.raises(ssl.SSLError):
        status(HttpGet("https://localhost/"), port)
