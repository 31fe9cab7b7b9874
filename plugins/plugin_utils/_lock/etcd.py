# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the backend C(etcd), and the lock made from them."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .._transport.tls import TlsFilesUnusable, tls_context
from .._values import Options, Value
from .etcd_client import EtcdAccess, EtcdClient, EtcdEndpoint
from .etcd_lock import EtcdLock
from .model import MAX_LEASE_S, LockContext, SlotLock
from .options import Backend, LockOptions, invalid, read_name, read_timeout_s

PREFIX = "/fleet.kexec"
TTL_S = 30
# The least that etcd grants with its default election timeout: one and a half times that, in whole seconds.
MIN_TTL_S = 2
PORT = 2379

_PREFIX = re.compile(r"(/[A-Za-z0-9._-]+)+")
_TLS_ONLY = ("ca_path", "client_cert", "client_key")

ARGUMENTS: Mapping[str, Any] = {
    "endpoints": {"type": "list", "elements": "str"},
    "prefix": {"type": "str", "default": PREFIX},
    "ttl_s": {"type": "int", "default": TTL_S},
    "ca_path": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
}


@dataclass(frozen=True, kw_only=True)
class EtcdOptions(LockOptions):
    slots: int
    access: EtcdAccess
    prefix: str
    ttl_s: int

    @property
    def machines(self) -> tuple[str, ...]:
        return tuple(endpoint.host for endpoint in self.access.endpoints)

    def lock(self, context: LockContext) -> SlotLock:
        return EtcdLock(
            EtcdClient(self.access, context.clock),
            root="%s/%s/" % (self.prefix, self.name),
            name=self.name,
            slots=self.slots,
            ttl_s=self.ttl_s,
            context=context,
        )


def _read(given: Options) -> EtcdOptions:
    slots = given.required("slots", "how many hosts may be unavailable at once, over all controllers").count(1)
    listed = given.required("endpoints", "a list of URLs such as https://etcd1.example:2379").items("a list of URLs")
    endpoints = tuple(_endpoint(each.as_secret()) for each in listed)
    if not endpoints:
        raise given["endpoints"].wrong("a list of at least one URL, such as https://etcd1.example:2379")
    credentials = given.both("username", "password")
    tls = any(endpoint.tls for endpoint in endpoints)
    for name in _TLS_ONLY:
        if name in given and not tls:
            raise given[name].misplaced("without an endpoint that is https")
    return EtcdOptions(
        name=read_name(given),
        slots=slots,
        timeout_s=read_timeout_s(given),
        access=EtcdAccess(
            endpoints=endpoints,
            timeout_s=read_timeout_s(given),
            context=_context(given) if tls else None,
            username=given["username"].as_secret().text() if credentials else None,
            password=given["password"].as_secret().text() if credentials else None,
        ),
        prefix=_prefix(given.get("prefix", PREFIX)),
        ttl_s=given.get("ttl_s", TTL_S).count(MIN_TTL_S, MAX_LEASE_S),
    )


def _prefix(value: Value) -> str:
    prefix = value.text().rstrip("/")
    if not _PREFIX.fullmatch(prefix):
        raise value.wrong("a path such as /fleet.kexec, of letters, digits, dots, dashes and underscores")
    return prefix


def _endpoint(value: Value) -> EtcdEndpoint:
    url = urlsplit(value.url())
    if url.query or url.fragment:
        raise value.wrong("a URL such as https://etcd1.example:2379, without a query")
    return EtcdEndpoint(url.scheme == "https", url.hostname or "", url.port or PORT, url.path.rstrip("/"))


def _context(given: Options) -> ssl.SSLContext:
    if "client_key" in given:
        given.required("client_cert", "the certificate of client_key")
    files = {name: _file(given[name]) for name in _TLS_ONLY if name in given}
    try:
        return tls_context(given.get("validate_certs", True).boolean(), *(files.get(name) for name in _TLS_ONLY))
    except TlsFilesUnusable as error:
        raise invalid("lock: %s" % error) from error


def _file(value: Value) -> str:
    path = value.text()
    if not os.path.isfile(path):
        raise value.wrong("a file that is there")
    return path


ETCD = Backend("etcd", ARGUMENTS, _read)
