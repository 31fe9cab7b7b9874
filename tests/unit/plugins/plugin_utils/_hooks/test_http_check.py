# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests, with a real HTTP server."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import ipaddress
import os
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.http_check import HttpCheck
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.runner import HookOutcome
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.http.message import HttpRequest

from .hosts import hook, outcome_of, run

URL = "https://lb.example:8443/T0KEN/nodes?key=T0KEN"


def check(**given: Any) -> HttpCheck:
    action = hook(http=dict({"url": URL}, **given)).action
    assert isinstance(action, HttpCheck)
    return action


def test_a_request_with_defaults() -> None:
    assert check() == HttpCheck(HttpRequest(URL, "GET"), frozenset({200}), True, None, None)


def test_a_request_with_everything_set() -> None:
    action = check(
        method="POST",
        status=[200, 204],
        headers={"X-Scope": "a", "X-Count": 3},
        body="é",
        validate_certs=False,
        ca_path="/etc/ca.pem",
        username="ops",
        password="p:ä",
        contains="ready",
    )
    authorization = "Basic " + base64.b64encode("ops:p:ä".encode()).decode()
    headers = {
        "X-Scope": "a",
        "X-Count": "3",
        "Content-Type": "application/x-www-form-urlencoded",
        "Authorization": authorization,
    }
    assert action == HttpCheck(
        HttpRequest(URL, "POST", headers, "é".encode()),
        frozenset({200, 204}),
        False,
        "/etc/ca.pem",
        "ready",
    )


def test_a_dictionary_is_sent_as_json() -> None:
    request = check(body={"a": [1, "é"]}).request
    assert (request.body, request.headers) == (b'{"a": [1, "\\u00e9"]}', {"Content-Type": "application/json"})
    assert check(body=[], headers={"content-type": "x/y"}).request.headers == {"content-type": "x/y"}


SECRET = "T0P-SECRET"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.server.requests.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
        getattr(self, "answer" + self.path.partition("?")[0].replace("/", "_"))()

    do_GET = do_POST = do_HEAD = _answer

    def _send(self, status: int, body: bytes = b"", reason: str | None = None, **headers: str) -> None:
        self.send_response(status, reason)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_ok(self) -> None:
        self._send(200, b"all is ready here")

    def answer_third(self) -> None:
        self._send(200 if len(self.server.requests) >= 3 else 503)

    def answer_hanging(self) -> None:
        self.server.released.wait(20)

    def answer_hanging_body(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.server.released.wait(20)

    def answer_dripping(self) -> None:
        # Never silent for long, and never done.
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        with contextlib.suppress(OSError):
            while not self.server.released.wait(0.02):
                self.wfile.write(b"x")
            return
        self.server.left.set()

    def answer_huge(self) -> None:
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            while not self.server.released.is_set():
                self.wfile.write(b"x" * 65536)
        self.close_connection = True

    def answer_elsewhere(self) -> None:
        self._send(302, Location="/ok")

    def answer_private(self) -> None:
        # ops:T0P-SECRET
        allowed = self.headers.get("Authorization") == "Basic b3BzOlQwUC1TRUNSRVQ="
        self._send(200 if allowed else 401, WWW_Authenticate='Basic realm="x"')

    def answer_echo(self) -> None:
        _command, _path, headers, body = self.server.requests[-1]
        self._send(500, body, reason="%s %s" % (headers, body.decode()), X_Echo=headers.get("X-Secret", ""))

    def answer_garbage(self) -> None:
        self.wfile.write(b"%s\r\n\r\n" % SECRET.encode())
        self.close_connection = True

    def log_message(self, *_args: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Answers as its path says."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.released, self.left = threading.Event(), threading.Event()
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.url = "%s://127.0.0.1:%d" % ("https" if context else "http", self.server_address[1])
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        # Clients that go away are what some tests are about.
        pass

    def close(self) -> None:
        self.released.set()
        self.shutdown()
        self.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def server() -> Iterator[Server]:
    with contextlib.closing(Server()) as opened:
        yield opened


def http(url: str, timeout: float = 20, retries: int = 0, **given: Any) -> HookOutcome:
    return run(hook(http=dict({"url": url}, **given), timeout=timeout, retries=retries, delay=0.01))


def test_an_answer_as_it_should_be(server: Server) -> None:
    outcome = http(server.url + "/ok?x=1")
    assert (outcome.ok, outcome.attempts, outcome.message) == (True, 1, "answered 200 OK")
    assert http(server.url + "/ok", contains="is ready").message == "answered 200 OK, with the text"
    assert http(server.url + "/ok", method="HEAD").ok
    assert [request[:2] for request in server.requests] == [("GET", "/ok?x=1"), ("GET", "/ok"), ("HEAD", "/ok")]


def test_what_is_sent(server: Server) -> None:
    assert http(server.url + "/ok", method="POST", headers={"X-Scope": "é"}, body={"silence": "kx1"}).ok
    (_method, _path, headers, body) = server.requests[0]
    assert body == b'{"silence": "kx1"}'
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Scope"] == "é"
    assert headers["User-Agent"] == "fleet.kexec"


def test_a_wrong_status_or_body(server: Server) -> None:
    outcome = http(server.url + "/ok", status=[204, 202])
    assert (outcome.ok, outcome.message) == (False, "answered 200 OK, not 202 or 204")
    outcome = http(server.url + "/ok", contains="is  ready")
    assert (outcome.ok, outcome.message) == (False, "answered 200 OK, without the text")
    assert http(server.url + "/private", status=401).ok


def test_a_service_that_takes_its_time_is_asked_again(server: Server) -> None:
    outcome = http(server.url + "/third", retries=9)
    assert (outcome.ok, outcome.attempts) == (True, 3)


def test_a_redirect_is_an_answer(server: Server) -> None:
    assert http(server.url + "/elsewhere").message == "answered 302 Found, not 200"
    assert http(server.url + "/elsewhere", status=302).ok
    assert [path for _method, path, _headers, _body in server.requests] == ["/elsewhere"] * 2


def test_basic_authentication(server: Server) -> None:
    assert http(server.url + "/private", username="ops", password=SECRET).ok
    outcome = http(server.url + "/private", username="ops", password="wrong")
    assert (outcome.ok, outcome.message) == (False, "answered 401 Unauthorized, not 200")
    assert len(server.requests) == 2


@pytest.mark.parametrize("path", ["/hanging", "/hanging_body", "/dripping"])
def test_a_server_that_hangs(server: Server, path: str) -> None:
    outcome = http(server.url + path, timeout=0.3, contains="x" * 2000)
    assert (outcome.ok, outcome.message) == (False, "no answer: no complete answer within 0.3 s")
    assert 250 <= outcome.duration_ms < 5_000


def test_a_server_that_is_given_up_is_hung_up_on(server: Server) -> None:
    assert not http(server.url + "/dripping", timeout=0.3, contains="x" * 2000).ok
    assert server.left.wait(5)


def test_an_endless_answer_is_not_hoarded(server: Server) -> None:
    assert http(server.url + "/huge", contains="y").message == "answered 200 OK, without the text"


def test_a_port_where_nobody_accepts() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        url = "http://127.0.0.1:%d/" % listener.getsockname()[1]
        # A full backlog drops what comes next.
        with socket.create_connection(listener.getsockname()):
            outcome = http(url, timeout=0.3)
    assert (outcome.ok, outcome.message) == (False, "no answer: no complete answer within 0.3 s")


def test_a_closed_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = "http://127.0.0.1:%d/%s" % (listener.getsockname()[1], SECRET)
    outcome = http(url, retries=2)
    assert (outcome.ok, outcome.attempts) == (False, 3)
    assert outcome.message == "no answer: Connection refused"


def test_no_secret_is_in_a_message(server: Server) -> None:
    given: dict[str, Any] = {
        "headers": {"X-Secret": SECRET},
        "body": SECRET,
        "username": "ops",
        "password": SECRET,
        "method": "POST",
    }
    for path in ("/echo", "/garbage", "/ok?" + SECRET):
        outcome = http(server.url + path, status=204, **given)
        assert not outcome.ok
        assert SECRET not in outcome.message
        assert "b3BzOlQwUC1TRUNSRVQ" not in outcome.message
    assert len(server.requests) == 3


def test_who_is_cancelled_does_not_wait_for_a_server(server: Server) -> None:
    async def work() -> None:
        wanted = hook(http={"url": server.url + "/dripping", "contains": "y"})
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await outcome_of(wanted)

    began = time.monotonic()
    asyncio.run(work())
    assert time.monotonic() - began < 5
    assert server.left.wait(5)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed one, with its key, for the loopback address."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.datetime.now(datetime.timezone.utc)
    built = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key(), serial_number=1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    path = tmp_path_factory.mktemp("tls") / "loopback.pem"
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()) + built.public_bytes(pem)
    )
    return path


def test_a_certificate_counts_for_those_who_look_at_it(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with contextlib.closing(Server(context)) as server:
        checks: list[dict[str, Any]] = [{}, {"validate_certs": False}, {"ca_path": str(certificate)}, {"ca_path": "/nowhere"}]
        wanted = [hook(http=dict(check, url=server.url + "/ok")) for check in checks * 8]

        # All at once: one must not go by another's settings.
        async def work() -> list[HookOutcome]:
            outcomes: list[Awaitable[HookOutcome]] = [outcome_of(each) for each in wanted]
            return list(await asyncio.gather(*outcomes))

        outcomes = asyncio.run(work())
    assert [outcome.ok for outcome in outcomes] == [False, True, True, False] * 8
    assert "certificate verify failed" in outcomes[0].message
    assert outcomes[3].message.startswith("the CAs in ca_path can't be read: ")
