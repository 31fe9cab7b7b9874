# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB's C(test) command.

Source: GRUB's grub-core/commands/test.c.
"""

from __future__ import annotations

import operator
import re
from typing import Callable, Dict, Optional, Sequence, Tuple

from .grub_menu import Unknown, Value

# Whether a file passes a test such as C(-f); None if it can't be told.
FileTest = Callable[[str, str], Optional[bool]]

_STRINGS: Dict[str, Callable[[str, str], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NUMBERS: Dict[str, Callable[[int, int], bool]] = {
    "-eq": operator.eq,
    "-ne": operator.ne,
    "-lt": operator.lt,
    "-le": operator.le,
    "-gt": operator.gt,
    "-ge": operator.ge,
}
_UNARY = ("-n", "-z", "-d", "-e", "-f", "-s")
_OTHER_COMPARISON = re.compile(r"-(pgt|plt|nt|ot).*")
_LEADING_NUMBER = re.compile(r"\s*-?\d{1,18}")


def evaluate_test(arguments: Sequence[Value], file_test: FileTest) -> Optional[bool]:
    """Evaluate the arguments of C(test) or C([); None if the result can't be told."""
    either: Optional[bool] = False
    both: Optional[bool] = True
    invert = False
    rest = tuple(arguments)
    while rest:
        word = rest[0]
        if word in ("(", ")"):
            return None
        if word == "!":
            invert, rest = not invert, rest[1:]
        elif word == "-a" and not _compares(rest):
            rest = rest[1:]
        elif word == "-o" and not _compares(rest):
            either, both, rest = _or(either, both), True, rest[1:]
        else:
            value, rest = _primary(rest, file_test)
            both = _and(both, value if value is None else value != invert)
            invert = False
    return _or(either, both)


def _compares(rest: Sequence[Value]) -> bool:
    return len(rest) > 2 and (rest[1] in _STRINGS or rest[1] in _NUMBERS)


def _and(one: Optional[bool], other: Optional[bool]) -> Optional[bool]:
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def _or(one: Optional[bool], other: Optional[bool]) -> Optional[bool]:
    if one or other:
        return True
    return None if one is None or other is None else False


def _primary(rest: Tuple[Value, ...], file_test: FileTest) -> Tuple[Optional[bool], Tuple[Value, ...]]:
    """Evaluate the first test of an expression; return the rest of it too."""
    if len(rest) > 2 and isinstance(rest[1], str):
        named = rest[1]
        if named in _STRINGS or named in _NUMBERS or _OTHER_COMPARISON.match(named):
            return _compare(rest[0], named, rest[2]), rest[3:]
    first = rest[0]
    if len(rest) > 1 and isinstance(first, str) and first in _UNARY:
        value = rest[1]
        if isinstance(value, Unknown):
            return None, rest[2:]
        if first in ("-n", "-z"):
            return bool(value) == (first == "-n"), rest[2:]
        return file_test(first, value), rest[2:]
    return (None if isinstance(first, Unknown) else bool(first)), rest[1:]


def _compare(one: Value, comparison: str, other: Value) -> Optional[bool]:
    if isinstance(one, Unknown) or isinstance(other, Unknown):
        return None
    if comparison in _STRINGS:
        return _STRINGS[comparison](one, other)
    return _NUMBERS[comparison](_int(one), _int(other)) if comparison in _NUMBERS else None


def _int(text: str) -> int:
    found = _LEADING_NUMBER.match(text)
    return int(found.group()) if found else 0
