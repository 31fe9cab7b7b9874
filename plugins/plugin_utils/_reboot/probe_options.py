# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option C(probe), as users write it.

A URL may hold credentials, and values are in no error.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from .._transport.http_get import HttpGet
from .._transport.prober import CONNECT_TIMEOUT_S
from .errors import RebootError
from .service_watch import Service

HTTP_TIMEOUT_S = 2.0
#: Answers that are good if nothing else is said.
STATUSES = frozenset(range(200, 400))

_PORT_MAX = 65535
_OF_URL = ("status", "validate_certs", "timeout")
_URL = re.compile(r"https?://[\x21-\x7e]+", re.IGNORECASE)
_LABEL = "[0-9A-Za-z_](?:[0-9A-Za-z_-]{0,61}[0-9A-Za-z_])?"
_NAME = re.compile(r"%s(?:\.%s)*\.?" % (_LABEL, _LABEL))


def parse_probe(value: Any) -> Service | None:
    """Read the option, its variables already filled in. None is no probe; in it, None is as if left out.

    :raises RebootError: C(PROBE_INVALID).
    """
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise _invalid("probe", "a dictionary")
    given = {key: each for key, each in value.items() if each is not None}
    known = ("port", "url", "address", *_OF_URL)
    for key in given:
        if key not in known:
            raise RebootError("PROBE_INVALID", "probe has no %r; it takes %s" % (key, ", ".join(known)))
    if ("port" in given) == ("url" in given):
        raise _invalid("probe", "a dictionary with either port or url")
    address = _address(given["address"]) if "address" in given else None
    if "port" in given:
        for key in _OF_URL:
            if key in given:
                raise _invalid("probe.%s" % key, "left out with port; it belongs to url")
        return Service(_whole(given["port"], "probe.port", 1, _PORT_MAX), address, timeout_s=CONNECT_TIMEOUT_S)
    get = HttpGet(_url(given["url"]), _boolean(given.get("validate_certs", True)))
    return Service(
        get.port,
        address or get.host,
        get,
        statuses=_statuses(given["status"]) if "status" in given else STATUSES,
        timeout_s=_timeout(given.get("timeout", HTTP_TIMEOUT_S)),
    )


def _invalid(where: str, wanted: str) -> RebootError:
    return RebootError("PROBE_INVALID", "%s has to be %s" % (where, wanted))


def _url(value: Any) -> str:
    if not isinstance(value, str) or not _URL.fullmatch(value):
        raise _invalid("probe.url", "a URL that begins with http:// or https://, in ASCII and without spaces")
    try:
        parts = urlsplit(value)
        valid = _is_address(parts.hostname or "") and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise _invalid("probe.url", "a URL with a host, and with a port from 1 to 65535 if any")
    return value


def _address(value: Any) -> str:
    if not isinstance(value, str) or not _is_address(value):
        raise _invalid("probe.address", "a name or an address, without a port")
    return value


def _is_address(text: str) -> bool:
    if _NAME.fullmatch(text):
        return True
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _whole(value: Any, where: str, least: int, most: int) -> int:
    """A number, or the text of one: variables from a command line or an INI file are text."""
    valid = not isinstance(value, bool) and re.fullmatch(r"[0-9]{1,9}", str(value), re.ASCII) is not None
    if not valid or not least <= int(value) <= most:
        raise _invalid(where, "a whole number from %d to %d" % (least, most))
    return int(value)


def _statuses(value: Any) -> frozenset[int]:
    several = value if isinstance(value, (list, tuple)) else [value]
    if not several:
        raise _invalid("probe.status", "a status, or a list of at least one")
    return frozenset(_whole(each, "probe.status", 200, 599) for each in several)


def _boolean(value: Any) -> bool:
    word = str(value).lower()
    if word not in ("true", "yes", "false", "no"):
        raise _invalid("probe.validate_certs", "true or false")
    return word in ("true", "yes")


def _timeout(value: Any) -> float:
    try:
        seconds = math.nan if isinstance(value, bool) else float(str(value))
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise _invalid("probe.timeout", "a number of seconds, above 0")
    return seconds
