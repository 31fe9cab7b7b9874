# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages of etcd's JSON gateway (etcd 3.4 and later, C(/v3/…)).

They are those of etcd's gRPC interface (api/etcdserverpb/rpc.proto) in JSON: keys and values in base64, 64-bit numbers as
strings, and fields with their default value left out.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class KeyValue:
    """Key in etcd, and its value.

    :ivar mod_revision: of the last change; no two changes of the key share one.
    :ivar lease: 0 for none.
    """

    key: str
    value: str
    mod_revision: int
    lease: int

    def parsed(self) -> Any:
        """Value parsed as JSON; None if it is not JSON."""
        try:
            return json.loads(self.value)
        except ValueError:
            return None


@dataclass(frozen=True)
class KeyRange:
    """Result of reading a range of keys; C(count) is of all keys, even if only the count was requested."""

    count: int
    keys: tuple[KeyValue, ...]

    @property
    def first(self) -> KeyValue | None:
        """The key, if a single one was requested; None if it does not exist."""
        return self.keys[0] if self.keys else None


@dataclass(frozen=True)
class TransactionAnswer:
    """Outcome of a transaction.

    :ivar found: one range for each operation of the branch taken; empty for writes.
    :ivar revision: of the store after the transaction; the C(mod_revision) of what it wrote.
    """

    succeeded: bool
    found: tuple[KeyRange, ...]
    revision: int


def key_range(answer: Mapping[str, Any]) -> KeyRange:
    """Parse a range of keys from a response; raises KeyError or ValueError if it is malformed."""
    keys = tuple(
        KeyValue(_text(item["key"]), _text(item.get("value", "")), int(item["mod_revision"]), int(item.get("lease", 0)))
        for item in answer.get("kvs", ())
    )
    return KeyRange(int(answer.get("count", 0)), keys)


def lives(key: str, lease: int) -> dict[str, Any]:
    """Condition that the key exists with this lease."""
    return {"key": _b64(key), "target": "LEASE", "result": "EQUAL", "lease": str(lease)}


def unchanged(key: str, mod_revision: int) -> dict[str, Any]:
    """Condition that the key was last changed at this revision; 0 for a key that does not exist."""
    return {"key": _b64(key), "target": "MOD", "result": "EQUAL", "mod_revision": str(mod_revision)}


def get(key: str) -> dict[str, Any]:
    return {"request_range": {"key": _b64(key)}}


def get_below(prefix: str, count_only: bool = False) -> dict[str, Any]:
    """Read all keys with this prefix."""
    return {"request_range": {"key": _b64(prefix), "range_end": _b64(_end(prefix)), "count_only": count_only}}


def put(key: str, value: str, lease: int = 0) -> dict[str, Any]:
    return {"request_put": {"key": _b64(key), "value": _b64(value), "lease": str(lease)}}


def delete(key: str) -> dict[str, Any]:
    return {"request_delete_range": {"key": _b64(key)}}


def _end(prefix: str) -> str:
    # The first key past those with the prefix; prefixes end with a slash here.
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _text(data: str) -> str:
    return base64.b64decode(data).decode("utf-8", "replace")
