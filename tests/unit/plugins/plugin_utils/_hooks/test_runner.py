# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks with real processes and a real HTTP server; only hosts are simulated."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import os
import shlex
import socket
import ssl
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.hooks import Hook, parse_hooks
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.runner import (
    MESSAGE_MAX_CHARS,
    HookOutcome,
    HookRunner,
)
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.bounded import CallAbandoned, bounded_call
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.prober import Sshd
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.session import SessionLost

from ... import virtual_time

ODD_ARGUMENTS = ("a b", "it's", '"', "$HOME `id` $(id) \\", "two\nlines\n", "", "*", "ä")
PRINT_ARGUMENTS = (sys.executable, "-c", "import sys; print(ascii(sys.argv[1:]))")


def hook(**given: Any) -> Hook:
    (parsed,) = parse_hooks([given], "before")
    return parsed


class Host:
    """A host that is this machine, if it is asked to run a command, or answers in turn as a test told it to."""

    def __init__(self, *answers: Any, takes_s: float = 0.0) -> None:
        self._answers = list(answers)
        self._takes_s = takes_s
        self.asked: list[tuple[Any, ...]] = []

    async def _answer(self, timeout_s: float) -> Any:
        if self._takes_s > timeout_s:
            await asyncio.sleep(timeout_s)
            raise SessionLost("no answer within %.1f s" % timeout_s)
        await asyncio.sleep(self._takes_s)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def run(self, script: str, args: Sequence[str], become: bool, timeout_s: float) -> CommandResult:
        self.asked.append(("run", become, timeout_s))
        if self._answers or self._takes_s:
            answer: CommandResult = await self._answer(timeout_s)
            return answer
        # As ssh does: one string, for the login shell there.
        command = "exec " + shlex.join(["/bin/sh", "-c", script, "fleet-kexec", *args])

        def work() -> CommandResult:
            done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
            return CommandResult(done.returncode, done.stdout, done.stderr)

        try:
            return await bounded_call(work, timeout_s)
        except CallAbandoned as error:
            raise SessionLost(str(error)) from error

    async def module(self, name: str, args: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        self.asked.append((name, dict(args), timeout_s))
        answer: dict[str, Any] = await self._answer(timeout_s)
        return answer

    async def sshd(self) -> Sshd | None:
        raise AssertionError("hooks don't ask for it")

    async def unshare(self) -> None:
        raise AssertionError("hooks don't ask for it")

    def restore(self) -> None:
        raise AssertionError("hooks don't ask for it")


def run(wanted: Hook, host: Host | None = None, controller: Host | None = None) -> HookOutcome:
    """In real time."""
    return asyncio.run(HookRunner(host or Host(), controller or Host()).run(wanted))


def run_virtually(wanted: Hook, host: Host | None = None, controller: Host | None = None) -> HookOutcome:
    return virtual_time.run(HookRunner(host or Host(), controller or Host()).run(wanted))


def is_running(pid: int) -> bool:
    try:
        # Whoever inherits an orphan may take its time to reap it.
        return Path("/proc/%d/stat" % pid).read_text(encoding="ascii").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def eventually(condition: Callable[[], bool], limit_s: float = 5.0) -> bool:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return False


def pids_that_run(argument: str) -> list[int]:
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if argument.encode() in (directory / "cmdline").read_bytes().split(b"\0"):
                found.append(int(directory.name))
    return [pid for pid in found if is_running(pid)]


# Commands.


@pytest.mark.parametrize("kind", ["command", "controller_command"])
def test_arguments_arrive_as_they_are(kind: str) -> None:
    outcome = run(hook(**{kind: [*PRINT_ARGUMENTS, *ODD_ARGUMENTS]}))
    assert (outcome.ok, outcome.attempts, outcome.message) == (True, 1, ascii(list(ODD_ARGUMENTS)))


@pytest.mark.parametrize("kind", ["command", "controller_command"])
def test_a_command_that_fails_says_how_and_its_last_words(kind: str) -> None:
    outcome = run(hook(**{kind: ["sh", "-c", "seq 1 100000 >&2; echo 'no quorum' >&2; exit 3"]}))
    assert (outcome.ok, outcome.message) == (False, "exit code 3: 99999; 100000; no quorum")


def test_a_command_that_says_nothing() -> None:
    assert run(hook(controller_command=["true"])).message == "no output"
    assert run(hook(controller_command=["sh", "-c", "kill -9 $$"])).message == "signal 9: no output"


def test_a_command_that_is_not_there() -> None:
    outcome = run(hook(controller_command=["/nowhere/drain"]))
    assert (outcome.ok, outcome.attempts) == (False, 1)
    assert "No such file or directory: '/nowhere/drain'" in outcome.message
    outcome = run(hook(command=["/nowhere/drain"]))
    assert not outcome.ok
    assert outcome.message.startswith("exit code 127: ")


def test_a_command_has_no_input() -> None:
    assert run(hook(controller_command=["sh", "-c", "read x || echo none; exec tty"])).message.startswith("exit code 1: none")


def test_messages_are_short_and_fit_for_a_terminal() -> None:
    outcome = run(hook(controller_command=[sys.executable, "-c", "print('x' * 100000 + '\\x1b[31m\\0' + 'end')"]))
    assert len(outcome.message) == MESSAGE_MAX_CHARS
    assert outcome.message.startswith("…x")
    assert outcome.message.endswith("x [31m end")


def test_output_is_not_hoarded() -> None:
    tracemalloc.start()
    try:
        assert run(hook(controller_command=["head", "--bytes=20M", "/dev/zero"])).ok
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_what_a_command_leaves_in_the_background_is_not_waited_for() -> None:
    outcome = run(hook(controller_command=["sh", "-c", "sleep 600 & echo $!"], timeout=20))
    pid = int(outcome.message)
    try:
        assert outcome.ok
        assert outcome.duration_ms < 10_000
        # It was told to go on.
        assert is_running(pid)
    finally:
        os.kill(pid, 9)


def test_a_timeout_ends_a_command_with_its_children() -> None:
    outcome = run(hook(controller_command=["sh", "-c", "sh -c 'sleep 600 & echo $!; wait'; exit 0"], timeout=0.6))
    assert not outcome.ok
    assert outcome.message.startswith("no end within 0.6 s: ")
    assert 600 <= outcome.duration_ms < 5_000
    pid = int(outcome.message.split()[-1])
    assert eventually(lambda: not is_running(pid))


def test_a_timeout_ends_a_command_that_ignores_signals() -> None:
    outcome = run(hook(controller_command=["sh", "-c", "trap '' TERM INT HUP; echo $$; while :; do sleep 1; done"], timeout=0.6))
    assert not outcome.ok
    assert eventually(lambda: not is_running(int(outcome.message.split()[-1])))


def test_a_command_on_the_host_that_hangs_is_an_attempt_that_failed() -> None:
    outcome = run(hook(command=["sleep", "600"], timeout=0.2, retries=1, delay=0.1))
    assert (outcome.ok, outcome.attempts, outcome.message) == (False, 2, "no answer within 0.2 s")
    assert 500 <= outcome.duration_ms < 5_000


def test_who_is_cancelled_leaves_no_process_behind(tmp_path: Path) -> None:
    written = tmp_path / "pid"

    async def work() -> None:
        script = "sleep 600 & echo $! > '%s.new' && mv '%s.new' '%s'; wait" % ((written,) * 3)
        task = asyncio.create_task(HookRunner(Host(), Host()).run(hook(controller_command=["sh", "-c", script])))
        while not written.exists():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(work())
    assert eventually(lambda: not is_running(int(written.read_text(encoding="ascii"))))


def test_who_is_cancelled_at_the_start_leaves_no_process_behind() -> None:
    mark = "fleet-kexec-%d" % os.getpid()

    async def work(turns: int) -> None:
        wanted = hook(controller_command=["sh", "-c", "sleep 600 & wait", mark])
        task = asyncio.create_task(HookRunner(Host(), Host()).run(wanted))
        for _turn in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    descriptors = len(os.listdir("/proc/self/fd"))
    for turns in range(8):
        asyncio.run(work(turns))
    assert eventually(lambda: not pids_that_run(mark))
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_no_file_descriptor_is_left_open() -> None:
    async def work() -> None:
        runner = HookRunner(Host(), Host())
        descriptors = len(os.listdir("/proc/self/fd"))
        for given in (["true"], ["/nowhere"], ["sleep", "600"]):
            await runner.run(hook(controller_command=given, timeout=0.2))
        assert len(os.listdir("/proc/self/fd")) == descriptors

    asyncio.run(work())


# Attempts.


def test_it_is_tried_again_until_it_succeeds() -> None:
    host = Host(CommandResult(1, "", "not yet"), SessionLost("gone"), CommandResult(0, "ok", ""), takes_s=2)
    outcome = run_virtually(hook(command=["x"], retries=5, delay=10), host)
    assert outcome == HookOutcome(True, 3, 26_000, "ok")
    assert host.asked == [("run", True, 60.0)] * 3


def test_attempts_are_used_up() -> None:
    host = Host(*[CommandResult(1, "", "n%d" % number) for number in range(9)])
    assert run_virtually(hook(command=["x"], retries=2, delay=5), host) == HookOutcome(False, 3, 10_000, "exit code 1: n2")


def test_a_host_that_is_lost_is_an_attempt_that_failed() -> None:
    assert run_virtually(hook(command=["x"]), Host(SessionLost("no route"))) == HookOutcome(False, 1, 0, "no route")
    assert run_virtually(hook(module={"name": "x"}), Host(SessionLost("no route"))) == HookOutcome(False, 1, 0, "no route")


def test_a_host_that_refuses_is_an_attempt_that_failed() -> None:
    outcome = run_virtually(hook(command=["x"]), Host(AnsibleError("Incorrect sudo password")))
    assert (outcome.ok, outcome.message) == (False, "Incorrect sudo password")


def test_cancelling_ends_the_wait_for_the_next_attempt() -> None:
    async def work() -> float:
        runner = HookRunner(Host(CommandResult(1, "", "")), Host())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await runner.run(hook(command=["x"], retries=1, delay=3600))
        return asyncio.get_running_loop().time()

    assert virtual_time.run(work()) < 1004


# Modules.


def test_a_module_runs_where_it_should() -> None:
    host, controller = Host({"changed": True}), Host({"changed": False, "msg": "ok"})
    assert run_virtually(hook(module={"name": "a.b.c", "args": {"x": 1}}, timeout=7), host, controller).message == "no message"
    assert (host.asked, controller.asked) == ([("a.b.c", {"x": 1}, 7.0)], [])
    outcome = run_virtually(hook(module={"name": "d", "run_on": "controller"}), host, controller)
    assert (outcome.ok, outcome.message) == (True, "ok")
    assert controller.asked == [("d", {}, 60.0)]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"failed": True, "msg": "no such unit"}, "no such unit"),
        ({"failed": True}, "the module failed, and did not say why"),
        ({"failed": True, "msg": "non-zero return code", "rc": 2, "stderr": "a\nb\n"}, "non-zero return code: a; b"),
        ({"rc": 2, "stdout": "x"}, "the module failed: x"),
        ({"failed": True, "msg": ["odd"], "rc": 0}, "['odd']"),
    ],
)
def test_a_module_that_fails_is_an_attempt_that_failed(result: dict[str, Any], message: str) -> None:
    outcome = run_virtually(hook(module={"name": "x"}), Host(result))
    assert (outcome.ok, outcome.message) == (False, message)


def test_a_module_that_hangs_is_an_attempt_that_failed() -> None:
    outcome = run_virtually(hook(module={"name": "x"}, timeout=5), Host(takes_s=600))
    assert outcome == HookOutcome(False, 1, 5_000, "no answer within 5.0 s")


def test_what_a_module_was_given_is_not_in_its_message() -> None:
    args = {"key": "BEGIN\nline one\nline two", "login": {"password": "hunter22", "pin": 12345}, "long": "hunter22 and more"}
    for said in (
        {"failed": True, "msg": "no login with hunter22 and more, hunter22, 12345", "invocation": {"module_args": args}},
        {"failed": True, "msg": "failed", "rc": 1, "stderr": "x\n  line two  \nline one, 12345"},
        {"msg": "fine: hunter22"},
        SessionLost("no hunter22"),
        AnsibleError("bad key BEGIN\nline one\nline two"),
    ):
        message = run_virtually(hook(module={"name": "x", "args": args}), Host(said)).message
        assert "********" in message
        assert not [secret for secret in ("line one", "line two", "hunter22", "12345", "and more") if secret in message]


# HTTP.

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
    assert (outcome.ok, outcome.message) == (False, "no complete answer within 0.3 s")
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
    assert (outcome.ok, outcome.message) == (False, "no complete answer within 0.3 s")


def test_a_closed_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = "http://127.0.0.1:%d/%s" % (listener.getsockname()[1], SECRET)
    outcome = http(url, retries=2)
    assert (outcome.ok, outcome.attempts) == (False, 3)
    assert outcome.message == "no answer: [Errno 111] Connection refused"


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
                await HookRunner(Host(), Host()).run(wanted)

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
            outcomes: list[Awaitable[HookOutcome]] = [HookRunner(Host(), Host()).run(each) for each in wanted]
            return list(await asyncio.gather(*outcomes))

        outcomes = asyncio.run(work())
    assert [outcome.ok for outcome in outcomes] == [False, True, True, False] * 8
    assert "certificate verify failed" in outcomes[0].message
    assert outcomes[3].message.startswith("the CAs in ca_path can't be read: ")
