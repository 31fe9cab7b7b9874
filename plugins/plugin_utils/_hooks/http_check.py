# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks that send an HTTP request from the controller and check the response."""

from __future__ import annotations

import base64
import http.client
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from .._transport.bounded import CallAbandoned, bounded_call
from .._transport.tls import CasUnreadable, tls_context
from .._values import Options, Value
from .hook import HookAttempt, HookSessions

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
STATUS_OK = 200
USER_AGENT = "fleet.kexec"

#: Keys of the option.
OPTIONS = ("url", "method", "status", "headers", "body", "validate_certs", "ca_path", "username", "password", "contains")

_STATUS_MIN = 100
# Limit for the search of the response for a text.
_BODY_MAX_BYTES = 1024 * 1024
_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True)
class HttpCheck:
    """HTTP request and the response it expects.

    :ivar statuses: any of them is good.
    :ivar contains: text that the body of the response has to contain.
    :ivar ca_path: PEM file with the only CAs to trust; None for the controller's own.
    """

    url: str = field(repr=False)
    method: str = "GET"
    statuses: frozenset[int] = frozenset({STATUS_OK})
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    validate_certs: bool = True
    ca_path: str | None = None
    contains: str | None = None

    @classmethod
    def parse(cls, value: Value) -> HttpCheck:
        """Parse the option C(http)."""
        given = value.options(OPTIONS)
        url = given.required("url").url()
        method = given.get("method", "GET").choice(METHODS)
        headers = given.get("headers", {}).headers()
        names = {name.lower() for name in headers}
        body = None
        if "body" in given:
            body, content_type = _body(given["body"])
            if content_type and "content-type" not in names:
                headers["Content-Type"] = content_type
        if given.both("username", "password"):
            if "authorization" in names:
                raise given["username"].misplaced("with a header Authorization")
            headers["Authorization"] = _basic_auth(given)
        if "contains" in given and method == "HEAD":
            raise given["contains"].misplaced("with method HEAD, which is answered without a body")
        return cls(
            url=url,
            method=method,
            statuses=given.get("status", STATUS_OK).statuses(_STATUS_MIN),
            headers=headers,
            body=body,
            validate_certs=given.get("validate_certs", True).boolean(),
            ca_path=given["ca_path"].text() if "ca_path" in given else None,
            contains=given["contains"].text() if "contains" in given else None,
        )

    @property
    def label(self) -> str:
        """See :class:`HookAction`; names only the host of the URL."""
        return "http %s %s" % (self.method, urlsplit(self.url).netloc)

    async def attempt(self, _sessions: HookSessions, timeout_s: float) -> HookAttempt:
        over = threading.Event()
        try:
            return await bounded_call(lambda: _ask(self, timeout_s, over), timeout_s)
        except (CallAbandoned, TimeoutError):
            return HookAttempt(False, "no complete answer within %g s" % timeout_s)
        except RuntimeError as error:
            # No thread could be started.
            return HookAttempt(False, "no answer: %s" % error)
        finally:
            # Stops the thread, if it was left behind.
            over.set()


def _body(value: Value) -> tuple[bytes, str | None]:
    """Body of the request, and its content type."""
    try:
        if isinstance(value.raw, (Mapping, list, tuple)):
            return json.dumps(value.raw).encode("ascii"), "application/json"
        return value.text().encode("utf-8"), None
    except (TypeError, ValueError):
        raise value.wrong("text, or a dictionary or a list that can be sent as JSON") from None


def _basic_auth(given: Options) -> str:
    """Value of the header Authorization for basic authentication (RFC 7617)."""
    username, password = given["username"].text(), given["password"].text()
    if ":" in username:
        raise given["username"].wrong("without a colon")
    try:
        credentials = ("%s:%s" % (username, password)).encode("utf-8")
    except UnicodeEncodeError:
        raise given["password"].wrong("Unicode text, as username has to be") from None
    return "Basic " + base64.b64encode(credentials).decode("ascii")


class _AsAnswered(urllib.request.HTTPErrorProcessor):
    """Return every response as it is. No redirect is followed, so headers go only where the user sends them."""

    def http_response(self, request: Any, response: Any) -> Any:
        return response

    https_response = http_response


def _ask(check: HttpCheck, timeout_s: float, over: threading.Event) -> HookAttempt:
    """Send the request and judge the response.

    Ansible's C(open_url) is no option: it installs its opener for the whole process before using it, so a request of one thread
    may go out with the TLS settings of another.
    """
    opener = urllib.request.OpenerDirector()
    opener.addheaders = [("User-Agent", USER_AGENT)]
    for handler in (urllib.request.ProxyHandler(), urllib.request.HTTPHandler(), _AsAnswered()):
        opener.add_handler(handler)
    # Errors of servers and libraries may quote the request; those whose text is shown do not.
    try:
        request = urllib.request.Request(check.url, data=check.body, headers=dict(check.headers), method=check.method)  # noqa: S310
        if request.type == "https":
            opener.add_handler(urllib.request.HTTPSHandler(context=tls_context(check.validate_certs, check.ca_path)))
        with opener.open(request, timeout=timeout_s) as response:
            return _judged(check, response, over)
    except CasUnreadable as error:
        return HookAttempt(False, str(error))
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise error.reason from None
        return HookAttempt(False, "no answer: %s" % error.reason)
    except TimeoutError:
        raise
    except OSError as error:
        return HookAttempt(False, "no answer: %s" % error)
    except Exception as error:
        return HookAttempt(False, "no answer that could be understood (%s)" % type(error).__name__)


def _judged(check: HttpCheck, response: http.client.HTTPResponse, over: threading.Event) -> HookAttempt:
    answered = "answered %s" % " ".join([str(response.status), http.client.responses.get(response.status, "")]).strip()
    if response.status not in check.statuses:
        return HookAttempt(False, "%s, not %s" % (answered, " or ".join(map(str, sorted(check.statuses)))))
    if check.contains is None:
        return HookAttempt(True, answered)
    body = bytearray()
    while not over.is_set() and len(body) < _BODY_MAX_BYTES and (data := response.read1(_CHUNK_BYTES)):
        body += data
    found = check.contains.encode("utf-8", "surrogatepass") in body
    return HookAttempt(found, "%s, with%s the text" % (answered, "" if found else "out"))
