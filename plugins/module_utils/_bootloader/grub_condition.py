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
    place = 0
    while place < len(arguments):
        words = arguments[place : place + 3]
        # A comparison comes first, whatever it compares.
        word = "" if _compares(words) else words[0]
        if word in ("(", ")"):
            return None
        if word == "!":
            invert, place = not invert, place + 1
        elif word == "-a":
            place += 1
        elif word == "-o":
            either, both, place = _or(either, both), True, place + 1
        else:
            value, count = _primary(words, file_test)
            place += count
            both = _and(both, value if value is None else value != invert)
            invert = False
    return _or(either, both)


def _compares(words: Sequence[Value]) -> bool:
    if len(words) < 3 or not isinstance(words[1], str):
        return False
    return words[1] in _STRINGS or words[1] in _NUMBERS or _OTHER_COMPARISON.match(words[1]) is not None


def _and(one: Optional[bool], other: Optional[bool]) -> Optional[bool]:
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def _or(one: Optional[bool], other: Optional[bool]) -> Optional[bool]:
    if one or other:
        return True
    return None if one is None or other is None else False


def _primary(words: Sequence[Value], file_test: FileTest) -> Tuple[Optional[bool], int]:
    """Evaluate the test that an expression's next three words begin with; return the number of its words too."""
    if _compares(words):
        return _compare(words[0], str(words[1]), words[2]), 3
    first = words[0]
    if len(words) > 1 and isinstance(first, str) and first in _UNARY:
        value = words[1]
        if isinstance(value, Unknown):
            return None, 2
        if first in ("-n", "-z"):
            return bool(value) == (first == "-n"), 2
        return file_test(first, value), 2
    return (None if isinstance(first, Unknown) else bool(first)), 1


def _compare(one: Value, comparison: str, other: Value) -> Optional[bool]:
    if isinstance(one, Unknown) or isinstance(other, Unknown):
        return None
    if comparison in _STRINGS:
        return _STRINGS[comparison](one, other)
    return _NUMBERS[comparison](_int(one), _int(other)) if comparison in _NUMBERS else None


def _int(text: str) -> int:
    found = _LEADING_NUMBER.match(text)
    return int(found.group()) if found else 0
