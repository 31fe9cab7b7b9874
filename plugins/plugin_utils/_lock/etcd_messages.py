# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages of etcd as its JSON gateway takes and gives them.

The gateway (etcd 3.4 and later, C(/v3/…)) has the messages of etcd's gRPC interface (api/etcdserverpb/rpc.proto) as JSON: keys
and values in base64, 64-bit numbers as strings, and what has its default value left out.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class KeyValue:
    """One key of etcd.

    :ivar mod_revision: of its last change; no two changes have the same.
    :ivar lease: 0 for none.
    """

    key: str
    value: str
    mod_revision: int
    lease: int

    def parsed(self) -> Any:
        """The value as JSON; None if it is none."""
        try:
            return json.loads(self.value)
        except ValueError:
            return None


@dataclass(frozen=True)
class KeyRange:
    """Range of keys, as etcd has it.

    :ivar count: of all, also where only the count was asked for.
    """

    count: int
    keys: tuple[KeyValue, ...]

    @property
    def first(self) -> KeyValue | None:
        """The key, where one was asked for."""
        return self.keys[0] if self.keys else None


@dataclass(frozen=True)
class TransactionAnswer:
    """Outcome of a transaction.

    :ivar found: one for each operation of the branch that was taken; empty for those that write.
    :ivar revision: of the store after it; the C(mod_revision) of what it wrote.
    """

    succeeded: bool
    found: tuple[KeyRange, ...]
    revision: int


def key_range(answer: Mapping[str, Any]) -> KeyRange:
    """Range of keys that an answer holds.

    :raises KeyError, ValueError: it makes no sense.
    """
    keys = tuple(
        KeyValue(_text(item["key"]), _text(item.get("value", "")), int(item["mod_revision"]), int(item.get("lease", 0)))
        for item in answer.get("kvs", ())
    )
    return KeyRange(int(answer.get("count", 0)), keys)


def lives(key: str, lease: int) -> dict[str, Any]:
    """True if the key is there with this lease."""
    return {"key": _b64(key), "target": "LEASE", "result": "EQUAL", "lease": str(lease)}


def unchanged(key: str, mod_revision: int) -> dict[str, Any]:
    """True if the key is as it was at this revision; 0 for not there."""
    return {"key": _b64(key), "target": "MOD", "result": "EQUAL", "mod_revision": str(mod_revision)}


def get(key: str) -> dict[str, Any]:
    """Read one key."""
    return {"request_range": {"key": _b64(key)}}


def get_below(prefix: str, count_only: bool = False) -> dict[str, Any]:
    """Read all keys that begin so."""
    return {"request_range": {"key": _b64(prefix), "range_end": _b64(_end(prefix)), "count_only": count_only}}


def put(key: str, value: str, lease: int = 0) -> dict[str, Any]:
    """Write one key."""
    return {"request_put": {"key": _b64(key), "value": _b64(value), "lease": str(lease)}}


def delete(key: str) -> dict[str, Any]:
    """Remove one key."""
    return {"request_delete_range": {"key": _b64(key)}}


def _end(prefix: str) -> str:
    # The first key that does not begin so; prefixes end with a slash here.
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _text(data: str) -> str:
    return base64.b64decode(data).decode("utf-8", "replace")
