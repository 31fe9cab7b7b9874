# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxies from the environment (C(http_proxy), C(https_proxy), C(no_proxy)), as Python's urllib reads them."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from .errors import HttpError
from .message import DEFAULT_PORTS, HttpRequest, basic_auth

#: Finds the proxy for a request; None for a direct connection. Raises HttpError.
ProxyFor = Callable[[HttpRequest], "Proxy | None"]


@dataclass(frozen=True)
class Proxy:
    """Proxy, and the headers that it gets."""

    uses_tls: bool
    host: str
    port: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        return "proxy %s:%d" % ("[%s]" % self.host if ":" in self.host else self.host, self.port)


def no_proxy(_request: HttpRequest) -> Proxy | None:
    """Connect directly."""
    return None


def proxy_from_environment(request: HttpRequest) -> Proxy | None:
    """Proxy that the environment names for a request; on macOS, the system's settings count too.

    :raises HttpError: its value makes no sense; it is not shown, since it may hold a password.
    """
    scheme = "https" if request.uses_tls else "http"
    value = urllib.request.getproxies().get(scheme)
    if not value or urllib.request.proxy_bypass(request.authority):
        return None
    wrong = HttpError("%s_proxy has to be the URL of a proxy, which begins with http:// or https://" % scheme)
    try:
        parts = urlsplit(value if "://" in value else "http://" + value)
        host, port = parts.hostname, parts.port
        credentials = [unquote(each or "") for each in (parts.username, parts.password)]
        headers = {"Proxy-Authorization": basic_auth(*credentials)} if parts.username else {}
    except ValueError:
        raise wrong from None
    if not host or parts.scheme not in DEFAULT_PORTS:
        raise wrong
    return Proxy(parts.scheme == "https", host, port or DEFAULT_PORTS[parts.scheme], headers)
