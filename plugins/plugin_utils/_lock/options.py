# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that all lock backends share, and how a backend registers; documented in C(doc_fragments/lock.py)."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

from .._values import Options, Value
from .model import LockContext, LockError, SlotLock

NAME = "default"
TIMEOUT_S = 5.0
MAX_TIMEOUT_S = 60.0
# Percent-encoded; file names are limited to 255.
MAX_HOST_BYTES = 240

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

#: Argument specification common to all backends, except the choice of one.
ARGUMENTS: Mapping[str, Any] = {
    "name": {"type": "str", "default": NAME},
    "slots": {"type": "int"},
    "timeout_s": {"type": "float", "default": TIMEOUT_S},
}

invalid = partial(LockError, "LOCK_INVALID")


@dataclass(frozen=True, kw_only=True)
class LockOptions(ABC):
    """Checked options of a lock; each backend adds its own. C(slots) is None for no limit."""

    name: str
    slots: int | None
    timeout_s: float

    @property
    def machines(self) -> tuple[str, ...]:
        """Names or addresses of the machines that keep the lock, except the controller."""
        return ()

    @abstractmethod
    def lock(self, context: LockContext) -> SlotLock:
        """Make the lock; nothing is touched before it is opened."""


@dataclass(frozen=True)
class Backend:
    """Place where slots are kept.

    :ivar arguments: argument specification of the backend's own options. Those without a default are refused with other backends.
    :ivar read: checks the options; raises LockError C(LOCK_INVALID).
    """

    name: str
    arguments: Mapping[str, Any]
    read: Callable[[Options], LockOptions]


def read_name(given: Options) -> str:
    return plain_name(given.get("name", NAME))


def read_timeout_s(given: Options) -> float:
    return given.get("timeout_s", TIMEOUT_S).seconds(above_zero=True, most=MAX_TIMEOUT_S)


def plain_name(value: Value) -> str:
    """Check a name that may become part of a key and of a path; raises LockError C(LOCK_INVALID)."""
    name = value.text()
    if not _NAME.fullmatch(name):
        raise value.wrong("up to 100 letters, digits, dots, dashes and underscores, with a letter or digit first")
    return name


def check_host(host: str) -> None:
    """Check a host name, which becomes part of a key and of a file name; raises LockError C(LOCK_INVALID)."""
    try:
        size = len(quote(host, safe=""))
    except UnicodeEncodeError:
        size = 0
    if not 0 < size <= MAX_HOST_BYTES:
        raise invalid("a host's name has to have 1 to %d characters" % MAX_HOST_BYTES)
