# SPDX-License-Identifier: GPL-3.0-or-later
"""A real etcd on loopback, and how to look into it past the code under test."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

READY_TIMEOUT_S = 20.0
POLL_S = 0.02


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class EtcdServer:
    """One member, alone.

    :param arguments: more of etcd's options.
    :param context: TLS of those who ask, if it takes any.
    """

    def __init__(self, directory: Path, arguments: Sequence[str] = (), context: ssl.SSLContext | None = None) -> None:
        self._directory = directory
        self._arguments = arguments
        self._context = context
        self.url = "%s://127.0.0.1:%d" % ("https" if context else "http", free_port())
        self._peer_url = "http://127.0.0.1:%d" % free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        argv = ["etcd", "--data-dir", str(self._directory / "data"), "--initial-cluster", "default=" + self._peer_url]
        argv += ["--listen-client-urls", self.url, "--advertise-client-urls", self.url]
        argv += ["--listen-peer-urls", self._peer_url, "--initial-advertise-peer-urls", self._peer_url]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen([*argv, *self._arguments], stdout=log, stderr=log)
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not self._healthy():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("etcd did not start: " + (self._directory / "log").read_text()[-2000:])
            time.sleep(POLL_S)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + "/health", timeout=1, context=self._context) as answer:
                return bool(json.load(answer).get("health") == "true")
        except OSError:
            return False

    def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """One request of the gateway."""
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10, context=self._context) as answer:
            return dict(json.load(answer))

    def keys(self, prefix: str, revision: int = 0) -> dict[str, str]:
        """Keys that begin so and their values, now or at a revision."""
        body = {"key": encoded(prefix), "range_end": encoded(prefix[:-1] + chr(ord(prefix[-1]) + 1)), "revision": str(revision)}
        found = self.ask("/v3/kv/range", body).get("kvs", [])
        return {decoded(item["key"]): decoded(item.get("value", "")) for item in found}

    def revision(self) -> int:
        """The present one."""
        return int(self.ask("/v3/kv/range", {"key": encoded("none")})["header"]["revision"])

    def put(self, key: str, value: str) -> None:
        """As an administrator would by hand."""
        self.ask("/v3/kv/put", {"key": encoded(key), "value": encoded(value)})

    def delete(self, key: str) -> None:
        """As an administrator would by hand."""
        self.ask("/v3/kv/deleterange", {"key": encoded(key)})


def encoded(text: str) -> str:
    """As the gateway takes it."""
    return base64.b64encode(text.encode()).decode()


def decoded(text: str) -> str:
    """As the gateway gives it."""
    return base64.b64decode(text).decode()


@contextlib.contextmanager
def running(server: EtcdServer) -> Iterator[EtcdServer]:
    """A server that ends with the test."""
    try:
        server.start()
        yield server
    finally:
        server.stop()
