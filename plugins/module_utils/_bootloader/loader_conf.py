# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines and patterns in files of systemd-boot: C(loader.conf), entries, and C(os-release) in unified kernel images.

Source: C(line_get_key_value) and C(efi_fnmatch) in src/boot/efi-string.c of systemd.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

SAVED = "@saved"


@dataclass(frozen=True)
class LoaderConf:
    """Settings that select the default entry, in lower case; empty if there are none.

    :ivar preferred: pattern that counts before C(default), and for entries with tries left only.
    """

    default: str
    preferred: str


def parse_pairs(text: str, separators: str) -> Dict[str, Tuple[str, ...]]:
    """Parse a key and a value per line; the values of a repeated key are in order. A key without a value does not count."""
    pairs: Dict[str, List[str]] = {}
    for line in re.split(r"[\r\n]", text.split("\0", 1)[0]):
        stripped = line.strip(" \t")
        key = re.split("[%s]" % re.escape(separators), stripped, maxsplit=1)[0]
        value = stripped[len(key) :].lstrip(separators)
        if not stripped.startswith("#") and value:
            pairs.setdefault(key, []).append(unquoted(value))
    return {key: tuple(values) for key, values in pairs.items()}


def unquoted(value: str) -> str:
    """Remove the quotes around a value."""
    return value[1:-1] if len(value) > 1 and value[0] in "\"'" and value[-1] == value[0] else value


def parse_loader_conf(text: str) -> LoaderConf:
    pairs = parse_pairs(text, " \t")
    return LoaderConf(_last_pattern(pairs.get("default", ())), _last_pattern(pairs.get("preferred", ())))


def _last_pattern(values: Tuple[str, ...]) -> str:
    """Last valid value; those with an at sign in front, other than C(@saved), are ignored."""
    lowered = [value.lower() for value in values]
    return next((value for value in reversed(lowered) if not value.startswith("@") or value == SAVED), "")


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern matches an entry's name. It may use C(*), C(?) and sets in brackets; a backslash escapes."""
    expression = _expression(pattern)
    return expression is not None and expression.fullmatch(name) is not None


def _expression(pattern: str) -> Optional[re.Pattern[str]]:
    """Translate a pattern; None if it is broken, and matches nothing."""
    # Separated by stars.
    segments = [""]
    place = 0
    while place < len(pattern):
        character = pattern[place]
        place += 1
        if character == "*":
            segments.append("")
        elif character == "?":
            segments[-1] += "."
        elif character == "[":
            end, members = _members(pattern, place)
            if end is None:
                return None
            segments[-1] += members
            place = end
        else:
            if character == "\\":
                if place == len(pattern):
                    return None
                character = pattern[place]
                place += 1
            segments[-1] += re.escape(character)
    if len(segments) == 1:
        return re.compile(segments[0], re.DOTALL)
    # The first place for a segment is the right one. To try others too would take exponential time.
    first, *middle, last = segments
    fixed = ("(?=(?P<s%d>.*?%s))(?P=s%d)" % (number, segment, number) for number, segment in enumerate(middle) if segment)
    return re.compile("%s%s.*%s" % (first, "".join(fixed), last), re.DOTALL)


def _members(pattern: str, place: int) -> Tuple[Optional[int], str]:
    """Translate a set that begins at C(place), after its bracket, and find where it ends. There is no negation."""
    members: List[str] = []
    first, can_range = place, True
    while place < len(pattern):
        character = pattern[place]
        if character == "]" and place > first:
            return place + 1, "(?:%s)" % "|".join(members)
        if character == "-" and can_range and place > first and pattern[place + 1 : place + 2] not in ("]", ""):
            low = pattern[place - 1]
            place += 2 if pattern[place + 1] == "\\" else 1
            if place >= len(pattern):
                return None, ""
            if low <= pattern[place]:
                members.append("[%s-%s]" % (re.escape(low), re.escape(pattern[place])))
            can_range = False
        else:
            place += 1 if character == "\\" else 0
            if place >= len(pattern):
                return None, ""
            members.append(re.escape(pattern[place]))
            can_range = True
        place += 1
    return None, ""
