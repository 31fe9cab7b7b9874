# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of a journal for other programs, which may template, match or show them: bounded, and plain text only.

Whoever can write a journal, and every host and hook whose output is in it, could choose these texts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .._text import clean, clipped

if TYPE_CHECKING:
    from .events import Record

TEXT_MAX_CHARS = 1024
ITEMS_MAX = 100
DEPTH_MAX = 6
# What numbers in JSON are exact to, everywhere.
NUMBER_MAX = 2**53
HOST_MAX_CHARS = 255

# Jinja's; ansible-rulebook and Ansible template what rules pass on.
_OPENING = re.compile(r"\{(?=[{%#])")
# What programs that receive events keep their own data in: hosts to limit a playbook to, for one.
_RESERVED = frozenset({"meta"})


def published(run_id: str, record: Record) -> dict[str, Any]:
    """Convert a record of a run to an event: the fields of the record, and C(run_id).

    Texts are cleaned and cut to :data:`TEXT_MAX_CHARS`, lists and dictionaries to :data:`ITEMS_MAX`; a template is none any more.
    C(host) is never changed: if the name would have to be, it is None.
    """
    event = {name: _bounded(value, DEPTH_MAX) for name, value in _items(record) if name not in _RESERVED}
    host = record.get("host")
    if host is not None and not (isinstance(host, str) and event.get("host") == host and len(host) <= HOST_MAX_CHARS):
        event["host"] = None
    return {**event, "run_id": run_id}


def _items(value: dict[Any, Any]) -> list[tuple[str, Any]]:
    return [(_plain(str(key)), each) for key, each in list(value.items())[:ITEMS_MAX]]


def _bounded(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _plain(value)
    if isinstance(value, (dict, list)) and not depth:
        return None
    if isinstance(value, dict):
        return {name: _bounded(each, depth - 1) for name, each in _items(value)}
    if isinstance(value, list):
        return [_bounded(each, depth - 1) for each in value[:ITEMS_MAX]]
    if isinstance(value, (int, float)):
        # Infinity is not, and neither is what is no number.
        return value if abs(value) <= NUMBER_MAX else None
    return value


def _plain(text: str) -> str:
    # Each character is looked at, so most of an enormous text is dropped before.
    if len(text) > 4 * TEXT_MAX_CHARS:
        text = text[: 2 * TEXT_MAX_CHARS] + text[-2 * TEXT_MAX_CHARS :]
    return clipped(_OPENING.sub("{ ", clean(text)), TEXT_MAX_CHARS)
