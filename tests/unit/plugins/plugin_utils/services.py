# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers on loopback, for probes of services: they go silent, close, and come back."""

from __future__ import annotations

import contextlib
import http.server
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path
from typing import Any


def self_signed(directory: Path, name: str) -> Path:
    """A certificate for a name with its key, in one PEM file."""
    made = directory / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=" + name]
    extension = ["-addext", "subjectAltName=DNS:%s,IP:127.0.0.1" % name]
    subprocess.run([*command, *extension, "-keyout", str(made), "-out", str(made) + ".crt"], check=True, capture_output=True)
    with made.open("ab") as stream:
        stream.write(Path(str(made) + ".crt").read_bytes())
    return made


class TcpService:
    """Something that listens. Connections are counted, and closed by whoever made them."""

    def __init__(self, port: int = 0) -> None:
        self._socket = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port = int(self._socket.getsockname()[1])
        self.connected_at: list[float] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _peer = self._socket.accept()
                self.connected_at.append(time.monotonic())
                connection.close()

    def close(self) -> None:
        """Refuse connections from here on."""
        # Closing alone would leave the accepting thread with the socket.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class SilentService:
    """A host that drops packets: connections are neither accepted nor refused, as its queue of them is full."""

    def __init__(self, port: int = 0) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self._socket.listen(0)
        self.port = int(self._socket.getsockname()[1])
        self._queued = [socket.socket() for _number in range(4)]
        for each in self._queued:
            each.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                each.connect(("127.0.0.1", self.port))

    def close(self) -> None:
        """Refuse connections from here on."""
        for each in self._queued:
            each.close()
        self._socket.close()


class HttpService:
    """HTTP with a status of one's choice.

    :ivar status: what is answered; None: nothing, for as long as that is so.
    :ivar takes_s: until an answer.
    """

    def __init__(self, status: int | None = 200, port: int = 0, certificate: Path | None = None, takes_s: float = 0.0) -> None:
        self.status, self.takes_s = status, takes_s
        self.asked_at: list[float] = []
        self.most_at_once = self._at_once = 0
        self._closed = threading.Event()
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.asked_at.append(time.monotonic())
                service._at_once += 1
                service.most_at_once = max(service.most_at_once, service._at_once)
                time.sleep(service.takes_s)
                while service.status is None and not service._closed.wait(0.005):
                    pass
                service._at_once -= 1
                with contextlib.suppress(OSError):
                    self.send_response(service.status or 500)
                    self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            allow_reuse_address = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", port), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Refuse connections from here on."""
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()
