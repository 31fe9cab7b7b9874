# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text for terminals and logs: cut to fit, and free of control sequences."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

# ECMA-48: control sequences, strings (OSC, DCS, …) up to their terminator, and other escapes; 7-bit and 8-bit introducers.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]*[0-~]?"
)
_BLANK = frozenset({"Zs", "Zl", "Zp"})
# Control and format characters (including those that change the direction of text), and marks that take no column.
_DROPPED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Mn", "Me"})


@dataclass(frozen=True)
class Glyphs:
    """Symbols for terminals and logs; C(levels) are those of a chart, lowest first."""

    good: str
    bad: str
    none: str
    alert: str
    more: str
    full: str
    empty: str
    levels: str


UNICODE = Glyphs("✓", "✗", "-", "!", "…", "█", "░", " ▁▂▃▄▅▆▇█")
#: For terminals and logs without Unicode.
ASCII = Glyphs("+", "x", "-", "!", "~", "#", ".", " .:-=+*#")


def clean(text: str) -> str:
    """Clean up external text: one line, without anything that a terminal would act on."""
    if text.isascii() and text.isprintable():
        return text
    kept = []
    for char in unicodedata.normalize("NFC", _ESCAPES.sub("", text)):
        category = unicodedata.category(char)
        if char in "\t\n\r\v\f" or category in _BLANK:
            kept.append(" ")
        elif category not in _DROPPED:
            kept.append(char)
    return " ".join("".join(kept).split())


def by_path(path: str) -> str:
    """Path in a sentence, such as C(via kexec)."""
    known = {
        "kexec": "via kexec",
        "soft": "by a soft reboot",
        "firmware": "through firmware",
        "unknown": "by an unknown path",
        "": "by an unknown path",
    }
    return known.get(path) or "by %s" % clean(path)


def columns_of(text: str) -> int:
    """Number of columns that a clean text takes on a terminal."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(char: str) -> int:
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def fit(text: str, columns: int, more: str = UNICODE.more) -> str:
    """Cut a clean text to a number of columns, with a mark at the cut."""
    if columns_of(text) <= columns:
        return text
    room = columns - len(more)
    if room < 0:
        return ""
    end = 0
    for end, char in enumerate(text):  # noqa: B007
        room -= _columns(char)
        if room < 0:
            break
    return text[:end] + more


def pad(text: str, columns: int, more: str = UNICODE.more) -> str:
    """Cut or pad a clean text to a number of columns."""
    fitting = fit(text, columns, more)
    return fitting + " " * (columns - columns_of(fitting))


def clipped(text: str, chars: int = 400) -> str:
    """Clean up external text and keep head and tail of a long one, since its last words say most."""
    line = clean(text)
    head = chars // 4
    return line if len(line) <= chars else "%s … %s" % (line[:head], line[head + 3 - chars :])


def without_name(text: str, host: str) -> str:
    """Replace the name of a host in a message by C(the host), so that equal messages of several hosts are found."""
    # As a part of a longer word, such as of another host's name, it is not this host's.
    return re.sub(r"(?<![\w.-])%s(?![\w-]|\.\w)" % re.escape(host), "the host", text)


def duration(seconds: float) -> str:
    """Format a duration for people: C(8.4 s), C(74 s), C(2m05s), C(1h02m), C(2d03h)."""
    if seconds < 9.95:
        return "%.1f s" % max(0.0, seconds)
    whole = round(seconds)
    if whole < 100:
        return "%d s" % whole
    if whole < 3600:
        return "%dm%02ds" % divmod(whole, 60)
    if whole < 86400:
        return "%dh%02dm" % divmod(whole // 60, 60)
    return "%dd%02dh" % divmod(whole // 3600, 24)


def saving(saves_s: Mapping[str, float], auto: str | None = None) -> str:
    """Describe the seconds of outage that something saves against other methods, by these; empty if none are known.

    :param auto: that of them which C(auto) would take.
    """
    parts = [
        "%s than %s%s" % (difference(seconds), by_path(method), ", which auto would take" if method == auto else "")
        for method, seconds in saves_s.items()
    ]
    return "predicted outage %s" % ", ".join(parts) if parts else ""


def difference(saved_s: float) -> str:
    """Seconds that something saves, such as C(9.0 s less); negative ones are more."""
    return "%s %s" % (duration(abs(saved_s)), "less" if saved_s >= 0 else "more")


def stamp(seconds: float) -> str:
    """Format the time since the start, at constant width for the first ten hours: C(0:01:31)."""
    whole = max(0, int(seconds))
    return "%d:%02d:%02d" % (whole // 3600, whole // 60 % 60, whole % 60)


def counted(number: int, what: str) -> str:
    """Format a number with its noun: C(1 host), C(2 hosts)."""
    return "%d %s%s" % (number, what, "" if number == 1 else "s")


def gauge(fraction: float, cells: int, glyphs: Glyphs = UNICODE) -> str:
    """Bar that shows a fraction."""
    full = max(0, min(cells, int(fraction * cells)))
    return glyphs.full * full + glyphs.empty * (cells - full)
