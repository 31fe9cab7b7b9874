# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of names of hosts."""

from __future__ import annotations

from collections.abc import Sequence

from .._text import Glyphs, columns_of

_MOST_LINES = 3


def listed(names: Sequence[str], indent: str, columns: int, glyphs: Glyphs, most_lines: int = _MOST_LINES) -> list[str]:
    """List clean names in at most C(most_lines) lines of at most C(columns), and count the rest. Names are never cut."""
    lines = [indent]
    for number, name in enumerate(names):
        rest = len(names) - number
        more = "%s and %d more" % (glyphs.more, rest)
        separator = "" if lines[-1] == indent else " "
        last_line = len(lines) == most_lines
        # The last line needs room for the number of the rest, unless this is the last name.
        reserve = len(more) + 1 if last_line and rest > 1 else 0
        if columns_of(lines[-1]) + len(separator) + columns_of(name) + reserve <= columns or lines[-1] == indent:
            lines[-1] += separator + name
        elif last_line:
            lines[-1] += separator + more
            break
        else:
            lines.append(indent + name)
    return lines
