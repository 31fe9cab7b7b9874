# SPDX-License-Identifier: GPL-3.0-or-later
"""What is only so with etcd: leases that run out, members that don't answer, answers that are lost, users and TLS."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
import traceback
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.interface import lock_options, make_lock
from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.model import LockError

from ..conftest import TTL_S
from ..etcd_server import POLL_S, EtcdServer, decoded, encoded, free_port, running
from .contender import Contender
from .driven import DrivenLock

PASSWORD = "s3cret-Pass%20"


def lock_of(options: dict[str, Any], run_id: str = "run", **changes: Any) -> DrivenLock:
    return DrivenLock(make_lock(lock_options({**options, **changes}), run_id, "ctl of " + run_id))


def refusal(function: Callable[..., object], *arguments: Any) -> LockError:
    with pytest.raises(LockError) as caught:
        function(*arguments)
    return caught.value


def code_of(function: Callable[..., object], *arguments: Any) -> str:
    return refusal(function, *arguments).reason.code


# --- leases ------------------------------------------------------------------------------


def test_a_controller_that_is_stopped_for_longer_than_its_lease(
    etcd: EtcdServer, etcd_options: dict[str, Any], start_with: Callable[[dict[str, Any], str], Contender]
) -> None:
    stopped, living, twin, resumed = (start_with(etcd_options, run_id) for run_id in ("stopped", "living", "living", "stopped"))
    runs = "/fleet.kexec/%s/runs/" % etcd_options["name"]
    for contender, host in ((stopped, "web1"), (living, "web2")):
        assert contender.call("open") is None
        assert contender.call("acquire", host) is True
        assert contender.call("confirm", host) is None
    os.kill(stopped.process.pid, signal.SIGSTOP)
    stopped_at = time.monotonic()
    # Both wait for a lease: one of them in vain.
    twin.order("open")
    resumed.order("open")
    assert resumed.answer() is None
    assert TTL_S - 1 < time.monotonic() - stopped_at < TTL_S + 3
    assert sorted(etcd.keys(runs)) == [runs + "living", runs + "stopped"]
    assert living.call("acquire", "web3") is False, "the slot of the stopped one counts"
    assert living.call("confirm", "web2") is None, "kept alive for longer than its lease"

    # The stopped one has lost its run, and the slot once it is taken over.
    stopped.order("confirm", "web1")
    os.kill(stopped.process.pid, signal.SIGCONT)
    assert stopped.answer() == "LOCK_LOST"
    assert resumed.call("acquire", "web1") is True
    assert stopped.call("release", "web1") == "LOCK_LOST"
    assert stopped.call("open") == "LOCK_LOST"
    assert stopped.call("acquire", "web4") == "LOCK_LOST"
    assert resumed.call("confirm", "web1") is None
    slots = etcd.keys("/fleet.kexec/%s/slots/" % etcd_options["name"])
    assert [json.loads(record)["run_id"] for record in slots.values()] == ["stopped", "living"]
    assert twin.answer() == "LOCK_LOST"


def test_a_lease_that_was_revoked(etcd: EtcdServer, etcd_options: dict[str, Any]) -> None:
    lock = lock_of(etcd_options)
    lock.open()
    for host in ("web1", "web2"):
        assert lock.acquire(host)
    (lease,) = (
        item["ID"] for item in etcd.ask("/v3/lease/leases", {})["leases"] if _key_of(etcd, item["ID"]) == etcd_options["name"]
    )
    etcd.ask("/v3/lease/revoke", {"ID": lease})
    assert code_of(lock.confirm, "web1") == "LOCK_LOST"
    assert code_of(lock.acquire, "web3") == "LOCK_LOST"
    # It is true that this host is back; nobody else has taken it over.
    lock.release("web1")
    resumed = lock_of(etcd_options)
    resumed.open()
    assert resumed.acquire("web2")
    assert code_of(lock.release, "web2") == "LOCK_LOST"
    assert [holder.host for holder in resumed.holders()] == ["web2"]
    resumed.close()


def _key_of(etcd: EtcdServer, lease: str) -> str:
    keys = etcd.ask("/v3/lease/timetolive", {"ID": lease, "keys": True}).get("keys", [])
    return decoded(keys[0]).split("/")[2] if keys else ""


def test_what_an_administrator_does_by_hand(etcd: EtcdServer, etcd_options: dict[str, Any]) -> None:
    root = "/fleet.kexec/%s/" % etcd_options["name"]
    lock = lock_of(etcd_options)
    lock.open()
    assert lock.acquire("web1")
    etcd.delete(root + "slots/web1")
    assert "gone" in str(refusal(lock.confirm, "web1"))
    assert lock.acquire("web1")
    etcd.put(root + "slots/web1", "not JSON")
    assert "somebody else's" in str(refusal(lock.confirm, "web1"))
    assert not lock.acquire("web1")
    assert [(holder.host, holder.run_id) for holder in lock.holders()] == [("web1", "")]
    assert code_of(lock.release, "web1") == "SLOT_OWED"
    etcd.put(root + "total", json.dumps({"slots": 9}))
    error = refusal(lock.acquire, "web2")
    assert error.reason.code == "LOCK_MISMATCH"
    assert "9 slots recorded, but this run asks for 2 slots" in str(error)
    lock.close()


# --- members that don't answer -----------------------------------------------------------


@contextlib.contextmanager
def listener(says: bytes = b"", peers: list[object] | None = None) -> Iterator[str]:
    """A server that takes connections and says something again and again, or nothing.

    :param peers: gets whoever connects.
    """
    ended = threading.Event()

    def serve(server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, peer = server.accept()
                if peers is not None:
                    peers.append(peer)
                threading.Thread(target=trickle, args=(connection,), daemon=True).start()

    def trickle(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            while not ended.wait(0.02):
                connection.sendall(says)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        yield "http://127.0.0.1:%d" % server.getsockname()[1]
        ended.set()
        server.shutdown(socket.SHUT_RDWR)


def test_nobody_answers(etcd_options: dict[str, Any]) -> None:
    with listener() as silent, listener(b"H") as trickling:
        dead = "http://127.0.0.1:%d" % free_port()
        lock = lock_of(etcd_options, endpoints=[dead, silent, trickling], timeout_s=0.2)
        for call in (lock.open, lock.holders, lambda: lock.release("web1")):
            began = time.monotonic()
            error = refusal(call)
            # 0.8 s, and what a busy machine adds.
            assert time.monotonic() - began < 4
            assert error.reason.code == "LOCK_UNAVAILABLE"
            assert dead + ": " in str(error)
            assert "refused" in str(error)
            assert silent + ": no complete answer within 0.2 s" in str(error)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"HTTP/1.0 404 Not Found\r\n\r\n404 page not found", "HTTP status 404"),
        (b"HTTP/1.0 200 OK\r\n\r\n<html>", "an answer that is not JSON"),
        (b"HTTP/1.0 200 OK\r\n\r\n{}", "nonsense"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "the answer is not HTTP/1"),
    ],
)
def test_something_else_answers(etcd_options: dict[str, Any], answer: bytes, message: str) -> None:
    def serve(server: socket.socket) -> None:
        connection, _peer = server.accept()
        with connection:
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)
            # Closing with something unread would take the answer back.
            while connection.recv(65536):
                pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        error = refusal(lock_of(etcd_options, endpoints=["http://127.0.0.1:%d" % server.getsockname()[1]]).open)
    assert error.reason.code == "LOCK_UNAVAILABLE"
    assert message in str(error)


def test_the_next_endpoint_is_tried(etcd: EtcdServer, etcd_options: dict[str, Any]) -> None:
    peers: list[object] = []
    with listener(peers=peers) as silent:
        lock = lock_of(etcd_options, endpoints=["http://127.0.0.1:%d" % free_port(), silent, etcd.url], timeout_s=0.5)
        lock.open()
        assert lock.acquire("web1")
        lock.confirm("web1")
        assert len(peers) == 1, "the one that answered is asked first from then on"
        lock.close()


class Gateway:
    """Stands between a lock and etcd, and loses or delays messages."""

    def __init__(self, etcd: EtcdServer, port: int = 0) -> None:
        self._etcd = etcd
        self._seen: Counter[tuple[str, bytes]] = Counter()
        self.loses_answers = False
        self.delays_writes = False
        self.delayed: list[tuple[str, bytes]] = []
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = gateway.handle(self.path, body)
                if answer is None:
                    return
                # The lock may not wait any more.
                with contextlib.suppress(ConnectionError):
                    self.send_response(200)
                    self.end_headers()
                    self.wfile.write(answer)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = "http://127.0.0.1:%d" % self._server.server_address[1]
        threading.Thread(target=lambda: self._server.serve_forever(POLL_S), daemon=True).start()

    def handle(self, path: str, body: bytes) -> bytes | None:
        if self.delays_writes and b"request_put" in body:
            self.delayed.append((path, body))
            return None
        answer = self.forward(path, body)
        self._seen[path, body] += 1
        # Of each message the first answer, the third, and so on.
        return None if self.loses_answers and self._seen[path, body] % 2 else answer

    def forward(self, path: str, body: bytes) -> bytes:
        with urllib.request.urlopen(urllib.request.Request(self._etcd.url + path, body), timeout=10) as answer:
            return bytes(answer.read())

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def gateway(etcd: EtcdServer) -> Iterator[Gateway]:
    made = Gateway(etcd)
    yield made
    made.close()


def test_a_single_etcd_that_refuses_connections_for_a_moment(etcd: EtcdServer, etcd_options: dict[str, Any]) -> None:
    port = free_port()
    made: list[Gateway] = []
    lock = lock_of(etcd_options, endpoints=["http://127.0.0.1:%d" % port], timeout_s=5.0)
    for call in (lock.open, lambda: lock.acquire("web1"), lambda: lock.release("web1"), lock.close):
        starting = threading.Timer(0.2, lambda: made.append(Gateway(etcd, port)))
        starting.start()
        call()
        starting.join()
        made.pop().close()


def test_answers_that_are_lost(etcd: EtcdServer, etcd_options: dict[str, Any], gateway: Gateway) -> None:
    """Every message is sent twice, because its first answer is lost."""
    gateway.loses_answers = True
    lock = lock_of(etcd_options, endpoints=[gateway.url, gateway.url])
    lock.open()
    assert lock.acquire("web1")
    assert lock.acquire("web2")
    assert not lock.acquire("web3")
    lock.confirm("web1")
    lock.release("web1")
    assert [holder.host for holder in lock.holders()] == ["web2"]
    assert lock.acquire("web3")
    assert len(etcd.keys("/fleet.kexec/%s/slots/" % etcd_options["name"])) == 2
    lock.close()


def test_a_request_that_arrives_late_does_nothing(etcd: EtcdServer, etcd_options: dict[str, Any], gateway: Gateway) -> None:
    lock = lock_of(etcd_options, endpoints=[gateway.url])
    lock.open()
    for late in (lock.acquire, lock.release):
        if late == lock.release:
            assert lock.acquire("web1")
        gateway.delays_writes = True
        assert code_of(late, "web1") == "LOCK_UNAVAILABLE"
        gateway.delays_writes = False
        # Given up after all, or needed after all.
        assert (lock.release if late == lock.acquire else lock.acquire)("web1") in (None, True)
        before = lock.holders()
        for path, body in gateway.delayed:
            assert b'"succeeded":true' not in gateway.forward(path, body)
        gateway.delayed.clear()
        assert lock.holders() == before
    lock.confirm("web1")
    lock.close()


# --- users and TLS -----------------------------------------------------------------------


def test_users(tmp_path: Path) -> None:
    with running(EtcdServer(tmp_path)) as etcd:
        for user, password in (("root", "root"), ("fleet", PASSWORD)):
            etcd.ask("/v3/auth/user/add", {"name": user, "password": password})
            etcd.ask("/v3/auth/role/add", {"name": user})
            etcd.ask("/v3/auth/user/grant", {"user": user, "role": user})
        # The keys of the locks, and nothing else.
        permission = {"permType": "READWRITE", "key": encoded("/fleet.kexec/"), "range_end": encoded("/fleet.kexec0")}
        etcd.ask("/v3/auth/role/grant", {"name": "fleet", "perm": permission})
        etcd.ask("/v3/auth/enable", {})
        options = {"backend": "etcd", "endpoints": [etcd.url], "slots": 1, "timeout_s": 1.5}
        fleet: dict[str, Any] = {"username": "fleet", "password": PASSWORD}
        lock = lock_of(options, **fleet)
        assert PASSWORD not in repr(vars(lock.lock)) + repr(vars(vars(lock.lock)["_client"]))
        lock.open()
        assert lock.acquire("web1")
        # Its token is of no use any more; its lease is.
        etcd.stop()
        assert PASSWORD not in str(refusal(lock.confirm, "web1"))
        etcd.start()
        lock.confirm("web1")
        lock.release("web1")
        lock.close()
        refused: list[tuple[dict[str, Any], str]] = [
            ({}, "user name is empty"),
            ({**fleet, "password": PASSWORD + "x"}, "authentication failed"),
            ({**fleet, "prefix": "/other"}, "permission denied"),
        ]
        for changes, message in refused:
            error = refusal(lock_of(options, **changes).open)
            assert error.reason.code == "LOCK_UNAVAILABLE"
            assert message in str(error)
            assert PASSWORD not in "".join(traceback.format_exception(error)) + repr(error.as_result())


def make_certificates(directory: Path) -> None:
    """An authority (ca), a server on 127.0.0.1 and a client."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True, timeout=20)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    # Python 3.13 and later ask for it.
    usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", "-days", "2", *usage)
    for name in ("server", "client"):
        (directory / "extensions").write_text("subjectAltName=IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")
        openssl("req", *key, "-keyout", name + ".key", "-out", name + ".csr", "-subj", "/O=" + name)
        signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extensions", "-days", "2"]
        openssl("x509", "-req", "-in", name + ".csr", "-out", name + ".pem", *signing)


def test_tls(tmp_path: Path) -> None:
    make_certificates(tmp_path)
    files = {name: str(tmp_path / name) for name in ("ca.pem", "server.pem", "server.key", "client.pem", "client.key")}
    context = ssl.create_default_context(cafile=files["ca.pem"])
    context.load_cert_chain(files["client.pem"], files["client.key"])
    arguments = ["--cert-file", files["server.pem"], "--key-file", files["server.key"]]
    arguments += ["--client-cert-auth", "--trusted-ca-file", files["ca.pem"]]
    with running(EtcdServer(tmp_path, arguments, context)) as etcd:
        options = {"backend": "etcd", "endpoints": [etcd.url], "slots": 1, "timeout_s": 2.0}
        client = {"client_cert": files["client.pem"], "client_key": files["client.key"]}
        for run_id, changes in (("a", {**client, "ca_path": files["ca.pem"]}), ("b", {**client, "validate_certs": False})):
            lock = lock_of(options, run_id, **changes)
            lock.open()
            assert lock.acquire("web1")
            lock.confirm("web1")
            lock.release("web1")
            lock.close()
        error = refusal(lock_of(options, **client).open)
        assert error.reason.code == "LOCK_UNAVAILABLE"
        assert "certificate verify failed" in str(error)
        assert code_of(lock_of(options, ca_path=files["ca.pem"]).open) == "LOCK_UNAVAILABLE"
