# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of the fields of events: bounded for the journal, and checked when they are read from one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from .._reboot.difference import ReportedDifference

# Limits for text from outside, such as the output of a hook. The tail gets most of the room because it says most.
TEXT_MAX_CHARS = 4096
TEXT_HEAD_CHARS = 1024


def bounded(text: str) -> str:
    """Shorten a text to :data:`TEXT_MAX_CHARS` characters: its head, the number of characters left out, and its tail."""
    if len(text) <= TEXT_MAX_CHARS:
        return text
    gap = "\n[%d characters left out]\n"
    tail_chars = TEXT_MAX_CHARS - TEXT_HEAD_CHARS - len(gap % len(text))
    return text[:TEXT_HEAD_CHARS] + gap % (len(text) - TEXT_HEAD_CHARS - tail_chars) + text[-tail_chars:]


def plain(value: Any) -> Any:
    """Convert the value of a field to plain values, with texts bounded."""
    if isinstance(value, Reason):
        return {"code": value.code, "message": bounded(value.message), "hint": value.hint}
    if isinstance(value, ReportedDifference):
        return value.as_dict()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple):
        return [_plain_item(each) for each in value]
    return value


def _plain_item(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: bounded(each) if isinstance(each, str) else each for key, each in value.items()}
    return plain(value)


def _text(value: Any) -> str:
    return _of_type(value, str)


def _flag(value: Any) -> bool:
    return _of_type(value, bool)


def _mapping(value: Any) -> dict[str, Any]:
    return _of_type(value, dict)


def number(value: Any) -> Any:
    """Require a finite number; raises TypeError for anything else."""
    # JSON allows numbers that overflow to infinity.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise TypeError("%r is no number" % (value,))
    return value


def _reason(value: Any) -> Reason:
    # The catalogue is not consulted: a later version may have codes that this one does not know.
    return Reason(_text(value["code"]), _text(value["message"]), _text(value["hint"]))


_Type = TypeVar("_Type")


def _of_type(value: Any, wanted: type[_Type]) -> _Type:
    if not isinstance(value, wanted):
        raise TypeError("%r is no %s" % (value, wanted.__name__))
    return value


def _or_none(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else read(value)


def _each(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: tuple(map(read, _of_type(value, list)))


#: Annotation of a field → reader of its value.
READERS: Mapping[str, Callable[[Any], Any]] = {
    "str": _text,
    "str | None": _or_none(_text),
    "bool": _flag,
    "bool | None": _or_none(_flag),
    "int": number,
    "int | None": _or_none(number),
    "float": number,
    "Reason": _reason,
    "Reason | None": _or_none(_reason),
    "Mapping[str, Any]": _mapping,
    "Mapping[str, Any] | None": _or_none(_mapping),
    "tuple[str, ...]": _each(_text),
    "tuple[Reason, ...]": _each(_reason),
    "tuple[ReportedDifference, ...]": _each(ReportedDifference.read),
    "tuple[Mapping[str, Any], ...]": _each(_mapping),
}
