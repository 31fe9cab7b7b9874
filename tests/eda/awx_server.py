# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""As much of AWX's REST interface as the modules of awx.awx need to look objects up and to make them."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


class AwxServer(ThreadingHTTPServer):
    """A server on a free port.

    :ivar objects: objects by their kind, in the order in which they were made.
    :ivar surveys: survey by the name of its job template; C(linked) likewise the numbers of its credentials.
    """

    def __init__(self, objects: Mapping[str, list[str]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, list[dict[str, Any]]] = {}
        self.surveys: dict[str, Any] = {}
        self.linked: dict[str, list[int]] = {}
        for kind, names in objects.items():
            for name in names:
                self.make(kind, {"name": name})

    @property
    def url(self) -> str:
        return "http://127.0.0.1:%d" % self.server_address[1]

    def make(self, kind: str, fields: dict[str, Any]) -> dict[str, Any]:
        made = self.objects.setdefault(kind, [])
        url = "/api/v2/%s/%d/" % (kind, len(made) + 1)
        related = {name: url + name + "/" for name in ("survey_spec", "credentials", "labels", "instance_groups")}
        made.append({"id": len(made) + 1, "type": kind[:-1], "url": url, "related": related, "summary_fields": {}, **fields})
        return made[-1]


@contextlib.contextmanager
def serving(objects: Mapping[str, list[str]]) -> Iterator[AwxServer]:
    """Serve, until the end of the block."""
    with AwxServer(objects) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    server: AwxServer

    def log_message(self, *_words: object) -> None:
        """Keep the output of the tests clean."""

    def do_GET(self) -> None:
        kind, number, part, wanted = self._asked()
        if kind == "ping":
            self._answer({"version": "24.6.1", "active_node": "awx"})
        elif not number:
            found = [
                each
                for each in self.server.objects.get(kind, [])
                if all(str(each.get(field, value)) == value for field, value in wanted.items())
            ]
            self._answer({"count": len(found), "next": None, "previous": None, "results": found})
        else:
            job_template = self.server.objects[kind][number - 1]
            name = job_template["name"]
            if part == "survey_spec":
                self._answer(self.server.surveys.get(name, {}))
            elif part:
                linked = [{"id": each} for each in self.server.linked.get(name, [])] if part == "credentials" else []
                self._answer({"count": len(linked), "next": None, "previous": None, "results": linked})
            else:
                self._answer(job_template)

    def do_POST(self) -> None:
        kind, number, part, _wanted = self._asked()
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not number:
            self._answer(self.server.make(kind, body), 201)
            return
        name = self.server.objects[kind][number - 1]["name"]
        if part == "survey_spec":
            self.server.surveys[name] = body
            self._answer({})
        else:
            self.server.linked.setdefault(name, []).append(body["id"])
            self._answer({}, 204)

    def _asked(self) -> tuple[str, int, str, dict[str, str]]:
        """Kind, number (0 for none) and part of what is asked for, and the fields that it is looked up by."""
        parts = urlsplit(self.path)
        kind, number, part = ([*parts.path.removeprefix("/api/v2/").strip("/").split("/"), "", ""])[:3]
        return kind, int(number or 0), part, dict(parse_qsl(parts.query))

    def _answer(self, values: Mapping[str, Any], status: int = 200) -> None:
        content = b"" if status == 204 else json.dumps(values).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-API-Product-Name", "AWX")
        self.send_header("X-API-Product-Version", "24.6.1")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
