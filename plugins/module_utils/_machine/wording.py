# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of snapshots and differences."""

from __future__ import annotations

from .._text import shown_name

_NAME_CHARS = 200
_SHOWN_CHARS = 120
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")
# Documentation/admin-guide/tainted-kernels.rst
_TAINTS = {
    1: "a module was loaded by force",
    2: "out of specification",
    4: "machine check",
    5: "bad page",
    7: "oops",
    8: "an ACPI table was overridden",
    9: "warning",
    11: "workaround for a bug of the firmware",
    14: "soft lockup",
}


def legible(text: str) -> str:
    """Show a name, or a message of the kernel, from the host."""
    return shown_name(text, _NAME_CHARS)


def clipped(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 3] + "..."


def size_words(size_bytes: int) -> str:
    """Format a size, rounded down so that a smaller one never looks larger: C(931.5 GiB)."""
    power = 0
    while size_bytes >> 10 * (power + 1) and power + 1 < len(_UNITS):
        power += 1
    tenths = size_bytes * 10 >> 10 * power
    return "%d.%d %s" % (tenths // 10, tenths % 10, _UNITS[power]) if power else "%d bytes" % size_bytes


def taint_words(taint: int) -> str:
    return ", ".join(words for bit, words in _TAINTS.items() if taint >> bit & 1)
