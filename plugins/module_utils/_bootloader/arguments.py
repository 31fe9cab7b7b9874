# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments on a command line, changed without a change to anything else on it.

As the kernel takes them apart: white space separates arguments except within
double quotes, and those after C(--) are for init.
"""

from __future__ import annotations

import re
from typing import Iterator, List, Sequence, Tuple

_ARGUMENT = re.compile(r'(?:"[^"]*(?:"|$)|[^\s"])+')
_END = "--"


def _arguments(line: str) -> Iterator[re.Match[str]]:
    """Arguments for the kernel, with their places."""
    for match in _ARGUMENT.finditer(line):
        if match.group() == _END:
            return
        yield match


def _value(argument: str, name: str) -> Tuple[bool, str]:
    bare = argument.strip('"')
    return bare.startswith(name + "="), bare[len(name) + 1 :]


def values_of(line: str, name: str) -> Tuple[str, ...]:
    """Values of an argument, in order."""
    found = (_value(match.group(), name) for match in _arguments(line))
    return tuple(value for is_it, value in found if is_it)


def without(line: str, name: str) -> str:
    """The line without an argument, and without the white space before it."""
    pieces: List[str] = []
    end = 0
    for match in _arguments(line):
        if not _value(match.group(), name)[0]:
            continue
        before = line[end : match.start()]
        kept = before.rstrip(" \t")
        # The first argument takes the white space behind it along.
        end = match.end()
        if not "".join(pieces) + kept:
            kept = before
            end += len(line[end:]) - len(line[end:].lstrip(" \t"))
        pieces.append(kept)
    return "".join(pieces) + line[end:]


def with_values(line: str, name: str, values: Sequence[str]) -> str:
    """The line with these values of an argument and no others, behind all that is there for the kernel."""
    bare = without(line, name)
    end = max((match.end() for match in _arguments(bare)), default=0)
    added = " ".join("%s=%s" % (name, value) for value in values)
    if not added:
        return bare
    rest = bare[end:]
    if not end:
        return added + (" " + rest if rest.strip() else rest)
    return bare[:end] + " " + added + rest
