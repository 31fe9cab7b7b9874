# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks that send an HTTP request from the controller and check the response."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from .._transport.http.client import HttpResponse, ask
from .._transport.http.errors import HttpError
from .._transport.http.message import FRAMING, HttpRequest, basic_auth
from .._transport.http.proxies import proxy_from_environment
from .._transport.tls import TlsFilesUnusable, tls_context
from .._values import Options, Value
from .hook import ON_CONTROLLER, HookAttempt, HookSessions

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
STATUS_OK = 200

#: Keys of the option.
OPTIONS = ("url", "method", "status", "headers", "body", "validate_certs", "ca_path", "username", "password", "contains")

_STATUS_MIN = 100
# Limit for the search of the response for a text.
_BODY_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True)
class HttpCheck:
    """HTTP request and the response it expects.

    :ivar statuses: any of them is good.
    :ivar contains: text that the body of the response has to contain.
    :ivar ca_path: PEM file with the only CAs to trust; None for the controller's own.
    """

    request: HttpRequest
    statuses: frozenset[int] = frozenset({STATUS_OK})
    validate_certs: bool = True
    ca_path: str | None = None
    contains: str | None = None
    run_on: ClassVar[str] = ON_CONTROLLER

    @classmethod
    def parse(cls, value: Value) -> HttpCheck:
        """Parse the option C(http)."""
        given = value.options(OPTIONS)
        url = given.required("url").url()
        method = given.get("method", "GET").choice(METHODS)
        headers = given.get("headers", {}).headers()
        names = {name.lower() for name in headers}
        for name in sorted(names & FRAMING):
            raise given["headers"].below("." + name, None).misplaced("because it follows from the request")
        body = None
        if "body" in given:
            body, content_type = _body(given["body"])
            if "content-type" not in names:
                headers["Content-Type"] = content_type
        if given.both("username", "password"):
            if "authorization" in names:
                raise given["username"].misplaced("with a header Authorization")
            headers["Authorization"] = _basic_auth(given)
        if "contains" in given and method == "HEAD":
            raise given["contains"].misplaced("with method HEAD, which is answered without a body")
        return cls(
            HttpRequest(url, method, headers, body),
            statuses=given.get("status", STATUS_OK).statuses(_STATUS_MIN),
            validate_certs=given.get("validate_certs", True).boolean(),
            ca_path=given["ca_path"].text() if "ca_path" in given else None,
            contains=given["contains"].text() if "contains" in given else None,
        )

    @property
    def label(self) -> str:
        """See :class:`HookAction`; names only the host of the URL."""
        return "http %s %s" % (self.request.method, self.request.authority)

    async def attempt(self, sessions: HookSessions, _environment: Mapping[str, str], timeout_s: float) -> HookAttempt:
        """See :class:`HookAction`. Proxies are taken from the environment."""
        async with sessions.at_once:
            return await self._attempt(timeout_s)

    async def _attempt(self, timeout_s: float) -> HookAttempt:
        try:
            response = await ask(
                self.request,
                context=tls_context(self.validate_certs, self.ca_path) if self.request.uses_tls else None,
                timeout_s=timeout_s,
                body_max_bytes=_BODY_MAX_BYTES if self.contains is not None else 0,
                proxy_for=proxy_from_environment,
            )
        except TlsFilesUnusable as error:
            return HookAttempt(False, str(error))
        except HttpError as error:
            return HookAttempt(False, "no answer: %s" % error)
        return self._judged(response)

    def _judged(self, response: HttpResponse) -> HookAttempt:
        # The server's own words may quote the request.
        answered = " ".join(["answered", str(response.status), http.client.responses.get(response.status, "")]).strip()
        if response.status not in self.statuses:
            return HookAttempt(False, "%s, not %s" % (answered, " or ".join(map(str, sorted(self.statuses)))))
        if self.contains is None:
            return HookAttempt(True, answered)
        found = self.contains.encode("utf-8", "surrogatepass") in response.body
        return HookAttempt(found, "%s, with%s the text" % (answered, "" if found else "out"))


def _body(value: Value) -> tuple[bytes, str]:
    """Body of the request, and its content type."""
    try:
        if isinstance(value.raw, (Mapping, list, tuple)):
            return json.dumps(value.raw).encode("ascii"), "application/json"
        return value.text().encode("utf-8"), "application/x-www-form-urlencoded"
    except (TypeError, ValueError):
        raise value.wrong("text, or a dictionary or a list that can be sent as JSON") from None


def _basic_auth(given: Options) -> str:
    username, password = given["username"].text(), given["password"].text()
    if ":" in username:
        raise given["username"].wrong("without a colon")
    try:
        return basic_auth(username, password)
    except UnicodeEncodeError:
        raise given["password"].wrong("Unicode text, as username has to be") from None
