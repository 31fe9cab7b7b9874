# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parser of the option C(probe). A URL may hold credentials, so no message shows a value."""

from __future__ import annotations

import ipaddress
import re
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from .._transport.http.message import HttpRequest
from .._transport.probing import CONNECT_TIMEOUT_S
from .._values import Value
from .errors import RebootError
from .service_watch import Service

HTTP_TIMEOUT_S = 2.0
#: Statuses that are good by default.
STATUSES = frozenset(range(200, 400))

_PORT_MAX = 65535
# Interim responses precede the final one.
_STATUS_MIN = 200
_OF_URL = ("status", "validate_certs", "timeout")
_LABEL = "[0-9A-Za-z_](?:[0-9A-Za-z_-]{0,61}[0-9A-Za-z_])?"
_NAME = re.compile(r"%s(?:\.%s)*\.?" % (_LABEL, _LABEL))


def parse_probe(value: Any) -> Service | None:
    """Parse the option, its variables already filled in. None means no probe; a key that is None counts as left out.

    :raises RebootError: C(PROBE_INVALID).
    """
    if value is None:
        return None
    probe = Value(value, "probe", partial(RebootError, "PROBE_INVALID"), secret=True)
    given = probe.options(("port", "url", "address", *_OF_URL))
    kind = given.one_of(("port", "url"))
    address = _address(given["address"]) if "address" in given else None
    if kind == "port":
        for key in _OF_URL:
            if key in given:
                raise given[key].misplaced("with port; it belongs to url")
        return Service(given["port"].count(1, _PORT_MAX), address, timeout_s=CONNECT_TIMEOUT_S)
    get = HttpRequest(_url(given["url"]))
    return Service(
        get.port,
        address or get.host,
        get,
        validate_certs=given.get("validate_certs", True).boolean(),
        statuses=given["status"].statuses(_STATUS_MIN) if "status" in given else STATUSES,
        timeout_s=given.get("timeout", HTTP_TIMEOUT_S).seconds(above_zero=True),
    )


def _url(value: Value) -> str:
    url = value.url(with_credentials=True)
    if not _is_address(urlsplit(url).hostname or ""):
        raise value.wrong("a URL whose host is a name or an address")
    return url


def _address(value: Value) -> str:
    address = value.text()
    if not _is_address(address):
        raise value.wrong("a name or an address, without a port")
    return address


def _is_address(text: str) -> bool:
    if _NAME.fullmatch(text):
        return True
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
