# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user says about the lock; documented in C(doc_fragments/lock.py)."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import quote, urlsplit

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.urls import make_context

from .model import LockError

BACKEND_LOCAL = "local"
BACKEND_ETCD = "etcd"

# What etcd grants at least with its default election timeout: one and a half times that, in whole seconds.
MIN_TTL_S = 2
MAX_TTL_S = 3600
MAX_TIMEOUT_S = 60.0
ETCD_PORT = 2379
# Quoted; file names end at 255.
MAX_HOST_BYTES = 240

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PREFIX = re.compile(r"(/[A-Za-z0-9._-]+)+")
# Those without a default, so that it shows whether somebody gave them.
_ETCD_ONLY = ("endpoints", "ca_path", "client_cert", "client_key", "username", "password")
_TLS_ONLY = ("ca_path", "client_cert", "client_key")


def lock_argument_spec() -> dict[str, Any]:
    """Argument specification of the shared budget.

    Only types and choices: what options mean together is judged by
    :func:`lock_options`, so that it has a code.
    """
    return {"lock": {"type": "dict", "options": _options_spec()}}


def _options_spec() -> dict[str, Any]:
    return {
        "backend": {"type": "str", "choices": [BACKEND_LOCAL, BACKEND_ETCD], "default": BACKEND_LOCAL},
        "name": {"type": "str", "default": "default"},
        "slots": {"type": "int"},
        "timeout_s": {"type": "float", "default": 5.0},
        "endpoints": {"type": "list", "elements": "str"},
        "prefix": {"type": "str", "default": "/fleet.kexec"},
        "ttl_s": {"type": "int", "default": 30},
        "ca_path": {"type": "path"},
        "client_cert": {"type": "path"},
        "client_key": {"type": "path"},
        "validate_certs": {"type": "bool", "default": True},
        "username": {"type": "str"},
        "password": {"type": "str", "no_log": True},
    }


@dataclass(frozen=True)
class Endpoint:
    """Where a member of etcd listens.

    :ivar path: what its gateway lies below, without a slash at the end; mostly empty.
    """

    tls: bool
    host: str
    port: int
    path: str

    def __str__(self) -> str:
        host = "[%s]" % self.host if ":" in self.host else self.host
        return "%s://%s:%d%s" % ("https" if self.tls else "http", host, self.port, self.path)


@dataclass(frozen=True)
class EtcdOptions:
    """How etcd is reached.

    :ivar context: of endpoints with TLS; None if there are none.
    """

    endpoints: tuple[Endpoint, ...]
    slots: int
    prefix: str
    ttl_s: int
    timeout_s: float
    context: ssl.SSLContext | None
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class LockOptions:
    """What the user says, checked.

    :ivar slots: None for no limit.
    :ivar etcd: None for the local backend.
    """

    name: str
    slots: int | None
    timeout_s: float
    etcd: EtcdOptions | None


def lock_options(given: Mapping[str, Any]) -> LockOptions:
    """Check what the user says.

    :raises LockError: C(LOCK_INVALID).
    """
    options = _typed(given)
    check_name("name", options["name"])
    slots = options.get("slots")
    _require(slots is None or slots >= 1, "slots has to be 1 or more, not %s" % slots)
    timeout_s = options["timeout_s"]
    _require(
        0 < timeout_s <= MAX_TIMEOUT_S, "timeout_s has to be more than 0 and at most %g, not %g" % (MAX_TIMEOUT_S, timeout_s)
    )
    etcd = None
    if options["backend"] == BACKEND_ETCD:
        _require(slots is not None, "backend etcd needs slots: how many hosts may be down at once")
        etcd = _etcd_options(options)
    else:
        # Else somebody who only forgot the backend would believe that the budget is shared.
        stray = [name for name in _ETCD_ONLY if name in options]
        _require(not stray, "backend local takes no %s; set backend to etcd" % " and no ".join(stray))
    return LockOptions(options["name"], slots, timeout_s, etcd)


def check_name(what: str, value: str) -> None:
    """A name that may be part of a key and of a path.

    :raises LockError: C(LOCK_INVALID).
    """
    _require(
        _NAME.fullmatch(value) is not None,
        "%s has to be up to 100 letters, digits, dots, dashes and underscores, with a letter or digit first" % what,
    )


def check_host(host: str) -> None:
    """A host's name, which is part of a key and a file's name.

    :raises LockError: C(LOCK_INVALID).
    """
    try:
        size = len(quote(host, safe=""))
    except UnicodeEncodeError:
        size = 0
    _require(0 < size <= MAX_HOST_BYTES, "a host's name has to have 1 to %d characters" % MAX_HOST_BYTES)


def _typed(given: Mapping[str, Any]) -> dict[str, Any]:
    # A float would be cut down to an int without a word.
    for name in ("slots", "ttl_s"):
        _require(not isinstance(given.get(name), (bool, float)), "%s has to be a whole number" % name)
    for name in ("username", "password"):
        value = given.get(name)
        # Ansible's own message would show it.
        _require(value is None or isinstance(value, str), "%s has to be a string" % name)
    result = ArgumentSpecValidator(_options_spec()).validate({name: value for name, value in given.items() if value is not None})
    _require(not result.error_messages, "; ".join(result.error_messages))
    return {name: value for name, value in result.validated_parameters.items() if value is not None}


def _etcd_options(options: Mapping[str, Any]) -> EtcdOptions:
    endpoints = tuple(_endpoint(text) for text in options.get("endpoints", ()))
    _require(bool(endpoints), "backend etcd needs endpoints: a list of URLs such as https://etcd1.example:2379")
    prefix = options["prefix"].rstrip("/")
    _require(
        _PREFIX.fullmatch(prefix) is not None,
        "prefix has to be a path such as /fleet.kexec, of letters, digits, dots, dashes and underscores",
    )
    ttl_s = options["ttl_s"]
    _require(MIN_TTL_S <= ttl_s <= MAX_TTL_S, "ttl_s has to be from %d to %d, not %d" % (MIN_TTL_S, MAX_TTL_S, ttl_s))
    _require(("username" in options) == ("password" in options), "username and password go together; one of them is missing")
    _require("client_cert" in options or "client_key" not in options, "client_key needs client_cert")
    tls = any(endpoint.tls for endpoint in endpoints)
    stray = [name for name in _TLS_ONLY if name in options]
    _require(tls or not stray, "%s needs endpoints that are https" % " and ".join(stray))
    return EtcdOptions(
        endpoints=endpoints,
        slots=options["slots"],
        prefix=prefix,
        ttl_s=ttl_s,
        timeout_s=options["timeout_s"],
        context=_context(options) if tls else None,
        username=options.get("username"),
        password=options.get("password"),
    )


def _endpoint(text: str) -> Endpoint:
    # The URL is not part of what is said: it may hold a password.
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as error:
        raise LockError("LOCK_INVALID", "lock: an endpoint is no URL: a host in brackets or a port is wrong") from error
    _require(url.username is None and url.password is None, "an endpoint holds a user; give username and password instead")
    _require(
        url.scheme in ("http", "https") and bool(url.hostname) and not url.query and not url.fragment,
        "an endpoint is no URL such as https://etcd1.example:2379",
    )
    _require(re.search(r"[\x00-\x20\x7f]", text) is None, "an endpoint has a space or control character in it")
    return Endpoint(url.scheme == "https", url.hostname or "", ETCD_PORT if port is None else port, url.path.rstrip("/"))


def _context(options: Mapping[str, Any]) -> ssl.SSLContext:
    for name in _TLS_ONLY:
        if name in options:
            _require(os.path.isfile(options[name]), "%s: there is no file %s" % (name, options[name]))
    try:
        context = make_context(
            cafile=options.get("ca_path"),
            validate_certs=options["validate_certs"],
            client_cert=options.get("client_cert"),
            client_key=options.get("client_key"),
        )
    except (OSError, ValueError) as error:
        raise LockError("LOCK_INVALID", "lock: ca_path, client_cert or client_key can't be used: %s" % error) from error
    return cast(ssl.SSLContext, context)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise LockError("LOCK_INVALID", "lock: " + message)
