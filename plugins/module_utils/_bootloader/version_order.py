# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Order of version strings by the UAPI group's Version Format Specification.

It has to be systemd's order to the letter, since it decides which entry systemd-boot boots. Source: C(strverscmp_improved) of
systemd, src/fundamental/string-util-fundamental.c.
"""

from __future__ import annotations

import re
from typing import Any

_IGNORED = re.compile(r"[^0-9A-Za-z~.^-]*")
_DIGITS = re.compile(r"[0-9]*")
_LETTERS = re.compile(r"[A-Za-z]*")
_DIGIT = re.compile(r"[0-9]")
# In this order; a segment with one of these in front is older than one without.
_SEPARATORS = "-^."


def compare(left: Any, right: Any) -> int:
    """Order of two values: negative, 0 or positive."""
    return int(left > right) - int(left < right)


def compare_versions(left: str, right: str) -> int:
    """Order of two versions: negative if the left one is older, 0 if they are equivalent, positive if it is newer."""
    if not left or not right:
        return compare(left, right)
    while True:
        left, right = _without(_IGNORED, left), _without(_IGNORED, right)
        if left.startswith("~") or right.startswith("~"):
            order = compare(not left.startswith("~"), not right.startswith("~"))
            if order:
                return order
            left, right = left[1:], right[1:]
        if not left or not right:
            # Except after a tilde, more segments are newer.
            return compare(left, right)
        for separator in _SEPARATORS:
            if left.startswith(separator) or right.startswith(separator):
                order = compare(not left.startswith(separator), not right.startswith(separator))
                if order:
                    return order
                left, right = left[1:], right[1:]
        order, left, right = _compare_segments(left, right)
        if order:
            return order


def _compare_segments(left: str, right: str) -> tuple[int, str, str]:
    """Order of the first segments, and the rest of both versions."""
    numeric = _DIGIT.match(left) or _DIGIT.match(right)
    if numeric:
        left, right = left.lstrip("0"), right.lstrip("0")
    pattern = _DIGITS if numeric else _LETTERS
    rest_left, rest_right = _without(pattern, left), _without(pattern, right)
    a, b = left[: len(left) - len(rest_left)], right[: len(right) - len(rest_right)]
    # The longer number is the greater one, and no number is less than any; of words, the longer one is newer if it begins alike.
    order = compare((len(a), a), (len(b), b)) if numeric else compare(a, b)
    return order, rest_left, rest_right


def _without(pattern: re.Pattern[str], text: str) -> str:
    """Remove what a pattern matches at the start."""
    match = pattern.match(text)
    return text[match.end() :] if match else text
