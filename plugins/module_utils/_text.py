# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text from a host that is shown: names and messages whose bytes need not be UTF-8, and which other users may have chosen.

Values that are passed on, such as kernel command lines and paths, keep every byte: they are decoded with surrogate escapes (PEP
383) and made printable only where they are shown.
"""

from __future__ import annotations

from typing import Any, Union

#: Most characters of a name that are shown.
NAME_MAX_CHARS = 120
_CUT = "..."


def _escaped(char: str) -> str:
    """Escape a character as in a Python string; a byte that is not UTF-8 as C(\\xe9)."""
    code = ord(char)
    # Surrogate escapes.
    if 0xDC80 <= code <= 0xDCFF:
        return "\\x%02x" % (code & 0xFF)
    return char.encode("unicode_escape").decode("ascii")


def printable(text: str, kept: str = "") -> str:
    """Show a text in any language: all that is not printable, such as control characters, becomes an escape.

    Printable is what C(str.isprintable) says, which leaves out characters that change the direction of text.

    :param kept: characters that stay all the same, such as line breaks.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in kept else _escaped(char) for char in text)


def shown_name(name: Union[str, bytes], max_chars: int = NAME_MAX_CHARS) -> str:
    """Show a name, or a short word, of something on a host: printable ASCII on one line, all else as escapes.

    White space and zero bytes around it are left out. A longer name is cut, with C(...) at its end.
    """
    text = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name
    text = text.strip("\0 \t\r\n")
    pieces = [char if " " <= char <= "~" else _escaped(char) for char in text[: max_chars + 1]]
    left = sum(map(len, pieces))
    if left <= max_chars:
        return "".join(pieces)
    while left > max_chars - len(_CUT):
        left -= len(pieces.pop())
    return "".join(pieces) + _CUT


def printable_values(value: Any, kept: str = "") -> Any:
    """Make all texts in a result printable, as :func:`printable`, also in its lists and dictionaries."""
    if isinstance(value, str):
        return printable(value, kept)
    if isinstance(value, dict):
        return {printable_values(key, kept): printable_values(each, kept) for key, each in value.items()}
    return [printable_values(each, kept) for each in value] if isinstance(value, (list, tuple)) else value
