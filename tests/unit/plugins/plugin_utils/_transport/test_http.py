# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP client against real servers on loopback, most of which mean no good."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import os
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.http import connecting
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.http.client import HttpResponse, ask
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.http.errors import HttpError
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.http.message import HttpRequest
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.http.proxies import proxy_from_environment
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.tls import TlsFilesUnusable, tls_context

DOCS = Path(__file__).parents[5] / "docs"
SECRET = "T0P-SECRET"
LIMIT_S = 10.0

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """What a server was asked, and where it is."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[bytes] = []
        self.left = asyncio.Event()

    def url(self, path: str = "/", scheme: str = "http") -> str:
        return "%s://127.0.0.1:%d%s" % (scheme, self.port, path)

    @property
    def lines(self) -> list[str]:
        """Of the last request."""
        return self.asked[-1].decode("latin-1").split("\r\n")


@contextlib.asynccontextmanager
async def serving(*parts: bytes, tls: ssl.SSLContext | None = None, then: Handler | None = None) -> AsyncIterator[Server]:
    """A server that answers every request with these parts, and closes; or does something else C(then)."""
    found: list[Server] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = found[0]
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            server.asked.append(await reader.readuntil(b"\r\n\r\n"))
            for part in parts:
                writer.write(part)
                await writer.drain()
                # Each in a segment of its own.
                await asyncio.sleep(0)
            if then is not None:
                await then(reader, writer)
        server.left.set()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    found.append(Server(server.sockets[0].getsockname()[1]))
    try:
        yield found[0]
    finally:
        server.close()


def asked(work: Coroutine[Any, Any, Any]) -> Any:
    async def limited() -> Any:
        async with asyncio.timeout(LIMIT_S):
            return await work

    return asyncio.run(limited())


def answer(*parts: bytes, method: str = "GET", body_max_bytes: int = 1000, then: Handler | None = None) -> HttpResponse:
    async def work() -> HttpResponse:
        async with serving(*parts, then=then) as server:
            request = HttpRequest(server.url("/" + SECRET), method)
            return await ask(request, body_max_bytes=body_max_bytes, timeout_s=LIMIT_S / 2)

    response: HttpResponse = asked(work())
    return response


def refusal(work: Callable[[], Any]) -> str:
    with pytest.raises(HttpError) as caught:
        work()
    assert SECRET not in str(caught.value)
    return str(caught.value)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


# --- what is sent ------------------------------------------------------------------------


def test_a_request_and_its_defaults() -> None:
    async def work() -> None:
        async with serving(b"HTTP/1.1 204 No Content\r\n\r\n") as server:
            url = server.url("/a/b?c=d&e#f").replace("//", "//me%40home:ge%3Aheim@")
            assert (await ask(HttpRequest(url))).status == 204
            assert server.lines == [
                "GET /a/b?c=d&e HTTP/1.1",
                "Host: 127.0.0.1:%d" % server.port,
                "User-Agent: fleet.kexec",
                "Accept: */*",
                "Accept-Encoding: identity",
                "Authorization: Basic bWVAaG9tZTpnZTpoZWlt",
                "Connection: close",
                "",
                "",
            ]

    asked(work())


def test_headers_replace_the_defaults_and_a_body_has_its_length() -> None:
    request = HttpRequest("http://web1", "POST", {"user-agent": "x", "X-Scope": "\xe9"}, b"\0body")
    head, _end, body = request.encoded().partition(b"\r\n\r\n")
    assert body == b"\0body"
    assert head.startswith(b"POST / HTTP/1.1\r\nHost: web1\r\nAccept: */*\r\n")
    assert head.endswith(b"user-agent: x\r\nX-Scope: \xe9\r\nContent-Length: 5\r\nConnection: close")
    assert b"Content-Length: 0\r\n" in HttpRequest("http://web1", "PUT").encoded()
    assert b"Content-Length" not in HttpRequest("http://web1", "DELETE").encoded()


def test_a_request_is_shown_without_its_secrets() -> None:
    request = HttpRequest("https://ops:%s@[2001:db8::7]:8443/x?%s#%s" % ((SECRET,) * 3), "GET", {"X": SECRET}, SECRET.encode())
    assert (request.host, request.port, request.shown) == ("2001:db8::7", 8443, "https://[2001:db8::7]:8443/x")
    assert SECRET not in repr(request)


# --- what comes back ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more"], HttpResponse(200, b"hello")),
        ([b"HTTP/1.1 200 OK\r\n\r\nhello"], HttpResponse(200, b"hello")),
        ([b"HTTP/1.0 200 OK\nServer: old\n\nhello"], HttpResponse(200, b"hello")),
        ([b"HTT", b"P/1.1 3", b"02\r", b"\nContent-", b"Length:1\r\n\r", b"\nx"], HttpResponse(302, b"x")),
        ([b"HTTP/1.0 503\r\n"], HttpResponse(503)),
        ([b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"], HttpResponse(200)),
        ([b"HTTP/1.1 100 Continue\r\n", b"\r\n", b"HTTP/1.1 404 Not Found\r\n\r\n"], HttpResponse(404)),
        ([b"HTTP/1.1 204 \r\nContent-Length: 5\r\n\r\n"], HttpResponse(204)),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\ncontent-length: 3\r\n\r\nabc"], HttpResponse(200, b"abc")),
        (
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"A;x=y\r\n0123456789\r\n0\r\nX: y\r\n\r\n"],
            HttpResponse(200, b"abc0123456789"),
        ),
        # Were its length believed, the rest would pass for another response.
        (
            [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"],
            HttpResponse(200, b"ab"),
        ),
        ([b"HTTP/1.1 200 OK\r\nX-Folded: a\r\n Content-Length: 1\r\n\r\nabc"], HttpResponse(200, b"abc")),
    ],
)
def test_responses(parts: list[bytes], expected: HttpResponse) -> None:
    assert answer(*parts) == expected


def test_a_response_without_a_body_is_not_waited_for() -> None:
    async def forever(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    for method, status, most in (("HEAD", 200, 10), ("GET", 304, 10), ("GET", 200, 0)):
        head = b"HTTP/1.1 %d x\r\nContent-Length: 9\r\n\r\n" % status
        assert answer(head, method=method, body_max_bytes=most, then=forever) == HttpResponse(status)


@pytest.mark.parametrize(
    "framing",
    [b"Content-Length: 5000\r\n\r\n", b"\r\n", b"Transfer-Encoding: chunked\r\n\r\n1388\r\n"],
    ids=["length", "close", "chunks"],
)
def test_no_more_of_a_body_is_read_than_wanted(framing: bytes) -> None:
    response = answer(b"HTTP/1.1 200 OK\r\n" + framing, b"x" * 5000, body_max_bytes=1000)
    assert response == HttpResponse(200, b"x" * 1000, complete=False)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "the connection was closed without an answer"),
        ([b"HTTP/1.1 2"], "the answer is not HTTP/1"),
        ([b"SSH-2.0-OpenSSH_9.2\r\n"], "the answer is not HTTP/1"),
        ([b"\0\0\x12\x04\0\0\0\0\0"], "the answer is not HTTP/1"),
        ([b"HTTP/2 200\r\n\r\n"], "the answer is not HTTP/1"),
        ([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], "the answer is not HTTP/1"),
        ([b"HTTP/1.1 099 x\r\n\r\n"], "the answer is not HTTP/1"),
        ([b"HTTP/1.1 101 Switching\r\n\r\n"], "the server switched to another protocol, which was not asked for"),
        ([b"HTTP/1.1 200 " + SECRET.encode() * 10_000], "the head of the answer is too long"),
        ([b"HTTP/1.1 200 OK\r\nX: y" + b"z" * 100_000], "the head of the answer is too long"),
        ([b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n" * 100] * 200], "the head of the answer is too long"),
        ([b"HTTP/1.1 103 x\r\n\r\n" * 10_000], "the head of the answer is too long"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"], "the answer ended after 3 of 9 bytes"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc"], "the answer has no valid Content-Length"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nabc"], "the answer has no valid Content-Length"),
        ([b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b"], "the answer is compressed, which was not asked for"),
        (
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"],
            "the answer has a transfer coding that was not asked for",
        ),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"], "the answer ended too early"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"], "the answer ended too early"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nabc"], "the answer is not chunked as announced"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcde\r\n"], "a chunk of the answer is too long"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 5000], "a line of the answer is too long"),
    ],
)
def test_what_is_no_answer(parts: list[bytes], message: str) -> None:
    assert refusal(lambda: answer(*parts)) == message


def test_a_connection_that_is_reset() -> None:
    async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    assert refusal(lambda: answer(then=reset)) == "Connection reset by peer"


# --- time --------------------------------------------------------------------------------


async def _drip_head(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX: ")
    await _drip(_reader, writer)


async def _drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


async def _keep_silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


SLOW: list[tuple[bytes, Handler]] = [
    (b"", _keep_silent),
    (b"HTTP/1.1 200 OK\r\n", _keep_silent),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", _keep_silent),
    (b"", _drip_head),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", _drip),
    (b"HTTP/1.1 200 OK\r\n\r\n", _drip),
]


@pytest.mark.parametrize(("head", "then"), SLOW)
def test_one_limit_for_all_of_it(head: bytes, then: Handler) -> None:
    async def work() -> None:
        async with serving(head, then=then) as server:
            began = time.monotonic()
            with pytest.raises(HttpError, match=r"^no complete answer within 0\.2 s$"):
                await ask(HttpRequest(server.url()), timeout_s=0.2, body_max_bytes=200_000)
            assert 0.15 < time.monotonic() - began < 2
            # It hangs up.
            await server.left.wait()

    asked(work())


@pytest.mark.parametrize(("head", "then"), SLOW)
def test_who_asks_may_be_cancelled_at_any_point(head: bytes, then: Handler) -> None:
    async def work() -> None:
        async with serving(head, then=then) as server:
            task = asyncio.create_task(ask(HttpRequest(server.url()), body_max_bytes=200_000))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await server.left.wait()

    asked(work())


def test_a_request_that_nobody_reads() -> None:
    async def work() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            request = HttpRequest("http://127.0.0.1:%d/" % listening.getsockname()[1], "POST", {}, b"x" * (64 << 20))
            with pytest.raises(HttpError, match=r"within 0\.3 s"):
                await ask(request, timeout_s=0.3)

    asked(work())


# --- connecting --------------------------------------------------------------------------


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def test_a_port_that_is_closed() -> None:
    assert refusal(lambda: asked(ask(HttpRequest("http://127.0.0.1:%d/%s" % (closed_port(), SECRET))))) == "Connection refused"


def test_a_name_that_is_unknown_or_impossible() -> None:
    def unknown(host: str, port: int) -> list[connecting.TcpAddress]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    told = refusal(lambda: asked(ask(HttpRequest("http://nowhere/"), resolver=unknown)))
    assert told == "the name can't be resolved: Name or service not known"
    assert "can't be resolved" in refusal(lambda: asked(ask(HttpRequest("http://%s/" % ("x" * 300)))))


def test_a_resolver_that_hangs_is_within_the_limit() -> None:
    def slow(host: str, port: int) -> list[connecting.TcpAddress]:
        time.sleep(1.0)
        return []

    began = time.monotonic()
    assert "within 0.1 s" in refusal(lambda: asked(ask(HttpRequest("http://web1/"), timeout_s=0.1, resolver=slow)))
    assert time.monotonic() - began < 0.9


def test_an_address_that_leads_nowhere_holds_nobody_up() -> None:
    async def work() -> None:
        async with serving(b"HTTP/1.1 200 OK\r\n\r\n") as server:
            # A full backlog drops what comes next.
            with socket.create_server(("127.0.0.2", server.port), backlog=0) as full:
                full_address = full.getsockname()
                with socket.create_connection(full_address), socket.socket() as second:
                    second.setblocking(False)
                    with contextlib.suppress(BlockingIOError):
                        second.connect(full_address)
                    found = [(socket.AF_INET, full_address), (socket.AF_INET, ("127.0.0.1", server.port))]
                    began = time.monotonic()
                    response = await ask(HttpRequest("http://web1/"), resolver=lambda host, port: list(found))
                    assert response.status == 200
                    assert connecting.HEAD_START_S <= time.monotonic() - began < 3

    asked(work())


def test_addresses_that_refuse_are_all_told() -> None:
    port = closed_port()
    found = [(socket.AF_INET, ("127.0.0.1", port)), (socket.AF_INET, ("127.0.0.2", port))]
    told = refusal(lambda: asked(ask(HttpRequest("http://web1/"), resolver=lambda host, port: list(found))))
    assert told == "127.0.0.1: Connection refused; 127.0.0.2: Connection refused"


def test_families_take_turns() -> None:
    six, four = socket.AF_INET6, socket.AF_INET
    found: list[connecting.TcpAddress] = [(six, ("a",)), (six, ("b",)), (four, ("c",)), (six, ("d",)), (four, ("e",))]
    assert [where[0] for _family, where in connecting._in_turn(found)] == ["a", "c", "b", "e", "d"]


def test_a_numeric_address_of_ipv6() -> None:
    async def work() -> None:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked_for.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            writer.close()

        asked_for: list[bytes] = []
        server = await asyncio.start_server(handle, "::1", 0)
        port = server.sockets[0].getsockname()[1]
        assert (await ask(HttpRequest("http://[::1]:%d/" % port))).status == 200
        assert b"Host: [::1]:%d\r\n" % port in asked_for[0]
        server.close()

    asked(work())


def test_a_socket_that_is_given_stays_its_owner_s() -> None:
    async def work() -> None:
        async with serving(b"HTTP/1.1 200 OK\r\n\r\n") as server:
            with socket.create_connection(("127.0.0.1", server.port)) as sock:
                sock.setblocking(False)
                assert (await ask(HttpRequest("http://elsewhere.example/"), sock=sock)).status == 200
                assert sock.fileno() >= 0
            assert "Host: elsewhere.example" in server.lines

    asked(work())


# --- TLS ---------------------------------------------------------------------------------


def certificate(directory: Path, *, days: int = 1) -> Path:
    """A self-signed one, with its key, for localhost and the loopback address."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    built = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key(), serial_number=1)
        .not_valid_before(now - datetime.timedelta(days=9))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    path = directory / "certificate.pem"
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + built.public_bytes(pem))
    return path


def certificate_of_a_lax_authority(directory: Path) -> tuple[Path, Path]:
    """A server's for the loopback address, with its key, and that of its CA, which does not say that it may sign certificates."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True, timeout=20)

    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server")
    (directory / "extensions").write_text("subjectAltName=IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")
    signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extensions"]
    openssl("x509", "-req", "-in", "server.csr", "-out", "server.pem", *signing)
    with (directory / "server.pem").open("ab") as stream:
        stream.write((directory / "server.key").read_bytes())
    return directory / "server.pem", directory / "ca.pem"


def server_context(path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.fixture(scope="module")
def cert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls"))


def over_tls(cert: Path, context: ssl.SSLContext | None, host: str = "127.0.0.1", large: int = 0) -> tuple[Any, list[bytes]]:
    """What comes of a request, and what the server was asked."""

    async def take_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert len(await reader.readexactly(large)) == large
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"y" * large)
        await writer.drain()

    async def work() -> tuple[Any, list[bytes]]:
        async with serving(tls=server_context(cert), then=take_all) as server:
            request = HttpRequest("https://%s:%d/%s" % (host, server.port, SECRET), "POST", {}, b"x" * large)
            found = [(socket.AF_INET, ("127.0.0.1", server.port))]
            try:
                outcome: Any = await ask(
                    request, context=context, body_max_bytes=large + 1, resolver=lambda host, port: list(found), timeout_s=5
                )
            except HttpError as error:
                outcome = str(error)
            return outcome, server.asked

    outcome: tuple[Any, list[bytes]] = asked(work())
    return outcome


def test_tls_and_bodies_larger_than_any_buffer(cert: Path) -> None:
    for context in (tls_context(False), tls_context(True, str(cert))):
        outcome, _asked = over_tls(cert, context, large=5_000_000)
        assert outcome == HttpResponse(200, b"y" * 5_000_000)


def test_a_server_that_nobody_vouches_for_gets_no_request(cert: Path, tmp_path: Path) -> None:
    outcome, asked_for = over_tls(cert, None)
    assert outcome.startswith("certificate verify failed: self-signed certificate (let the controller trust its CA, by ca_path")
    assert asked_for == []
    expired = certificate(tmp_path, days=-1)
    outcome, asked_for = over_tls(expired, tls_context(True, str(expired)))
    assert outcome.startswith("certificate verify failed: certificate has expired (check the clocks")
    outcome, asked_for = over_tls(cert, tls_context(True, str(cert)), host="web1")
    assert outcome == "certificate verify failed: Hostname mismatch, certificate is not valid for 'web1'"
    assert asked_for == []


def test_a_private_ca_that_python_3_13_takes_no_longer(tmp_path: Path) -> None:
    server, ca = certificate_of_a_lax_authority(tmp_path)
    context = ssl.create_default_context(cafile=ca)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    outcome, asked_for = over_tls(server, context)
    assert outcome.startswith("certificate verify failed: CA cert does not include key usage extension (Python 3.13")
    assert "docs/locks.md, section Private CAs" in outcome and "\n## Private CAs\n" in (DOCS / "locks.md").read_text()
    assert asked_for == []


@contextlib.contextmanager
def answering(serve: Callable[[socket.socket], object]) -> Iterator[str]:
    """A server that serves one connection, in a thread: asyncio's own would not send all of TLS's alerts."""

    def work() -> None:
        with contextlib.suppress(OSError):
            connection, _peer = listening.accept()
            with connection:
                serve(connection)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=work)
        thread.start()
        yield "https://127.0.0.1:%d/" % listening.getsockname()[1]
        thread.join(LIMIT_S)
        assert not thread.is_alive()


def test_a_server_that_wants_a_certificate(cert: Path) -> None:
    context = server_context(cert)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cert)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as stream:
            stream.recv(65536)
            stream.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    with answering(serve) as url:
        assert asked(ask(HttpRequest(url), context=tls_context(True, str(cert), str(cert)))).status == 200
    with answering(serve) as url:
        told = refusal(lambda: asked(ask(HttpRequest(url), context=tls_context(True, str(cert)))))
        assert told in ("TLS failed: tlsv13 alert certificate required", "Connection reset by peer")


def test_a_server_without_tls() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with answering(serve) as url:
        told = refusal(lambda: asked(ask(HttpRequest(url))))
        assert told.startswith("TLS failed: ")
    with answering(lambda connection: connection.recv(65536)) as url:
        assert refusal(lambda: asked(ask(HttpRequest(url)))) == "the connection was closed before TLS was agreed on"


def test_files_of_tls_that_can_t_be_used(cert: Path, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    with pytest.raises(TlsFilesUnusable, match="the CAs in ca_path can't be read: "):
        tls_context(True, "/nowhere")
    with pytest.raises(TlsFilesUnusable, match="client_cert or client_key can't be used: "):
        tls_context(True, None, str(cert), str(tmp_path / "x"))


# --- proxies -----------------------------------------------------------------------------


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


def connecting_to(port: int) -> Handler:
    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to_there = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n")
        back = asyncio.create_task(_relay(there, writer))
        await _relay(reader, to_there)
        back.cancel()
        to_there.close()

    return tunnel


def test_http_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        async with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as proxy:
            monkeypatch.setenv("http_proxy", "http://me:%s%%40@127.0.0.1:%d/" % (SECRET, proxy.port))
            request = HttpRequest("http://web1.example/x?y")
            response = await ask(request, proxy_for=proxy_from_environment, body_max_bytes=10)
            assert response == HttpResponse(200, b"ok")
            assert proxy.lines[:2] == ["GET http://web1.example/x?y HTTP/1.1", "Host: web1.example"]
            assert "Proxy-Authorization: Basic bWU6VDBQLVNFQ1JFVEA=" in proxy.lines
            # Not asked for, or not for this host.
            with pytest.raises(HttpError, match="resolved"):
                await ask(HttpRequest("http://web1.invalid/"), timeout_s=5)
            monkeypatch.setenv("no_proxy", "localhost,.example")
            assert proxy_from_environment(request) is None

    asked(work())


@pytest.mark.parametrize("proxy_scheme", ["http", "https"])
def test_https_through_a_proxy(monkeypatch: pytest.MonkeyPatch, cert: Path, proxy_scheme: str) -> None:
    async def work() -> None:
        async with contextlib.AsyncExitStack() as opened:
            server = await opened.enter_async_context(serving(b"HTTP/1.1 200 OK\r\n\r\nhello", tls=server_context(cert)))
            proxy_tls = server_context(cert) if proxy_scheme == "https" else None
            proxy = await opened.enter_async_context(serving(tls=proxy_tls, then=connecting_to(server.port)))
            monkeypatch.setenv("https_proxy", "%s://me:%s@127.0.0.1:%d" % (proxy_scheme, SECRET, proxy.port))
            # Whom the controller trusts, as far as the proxy is concerned.
            monkeypatch.setenv("SSL_CERT_FILE", str(cert))
            tls_context.cache_clear()
            request = HttpRequest("https://localhost/%s" % SECRET)
            context = tls_context(True, str(cert))
            response = await ask(request, context=context, proxy_for=proxy_from_environment, body_max_bytes=10)
            assert response == HttpResponse(200, b"hello")
            assert proxy.lines[:2] == ["CONNECT localhost:443 HTTP/1.1", "Host: localhost:443"]
            assert any(line.startswith("Proxy-Authorization: Basic ") for line in proxy.lines)
            assert SECRET not in proxy.asked[0].decode()
            assert not any(line.startswith("Proxy-") for line in server.lines)

    asked(work())
    tls_context.cache_clear()


def test_a_proxy_that_refuses_or_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        request = HttpRequest("https://web1/%s" % SECRET)
        async with serving(b"HTTP/1.1 407 %s\r\n\r\n" % SECRET.encode()) as proxy:
            monkeypatch.setenv("https_proxy", "http://me:%s@127.0.0.1:%d" % (SECRET, proxy.port))
            told = await told_by(request)
            assert told == "proxy 127.0.0.1:%d refuses to connect, with status 407" % proxy.port
        async with serving(b"what?") as proxy:
            monkeypatch.setenv("https_proxy", "127.0.0.1:%d" % proxy.port)
            assert await told_by(request) == "proxy 127.0.0.1:%d: the answer is not HTTP/1" % proxy.port
        port = closed_port()
        monkeypatch.setenv("https_proxy", "http://me:%s@127.0.0.1:%d" % (SECRET, port))
        assert await told_by(request) == "proxy 127.0.0.1:%d: Connection refused" % port
        for wrong in ("socks5://me:%s@x" % SECRET, "http://%s:port" % SECRET, "http://[%s" % SECRET):
            monkeypatch.setenv("https_proxy", wrong)
            assert (await told_by(request)).startswith("https_proxy has to be the URL of a proxy")

    async def told_by(request: HttpRequest) -> str:
        with pytest.raises(HttpError) as caught:
            await ask(request, proxy_for=proxy_from_environment, timeout_s=5)
        assert SECRET not in str(caught.value)
        return str(caught.value)

    asked(work())
