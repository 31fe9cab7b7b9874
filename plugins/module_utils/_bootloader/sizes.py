# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse sizes as the kernel does on its command line.

Source: C(memparse) in lib/cmdline.c: a number as C(strtoull) takes it with base 0, then one of K, M, G, T, P, E in either case.
"""

from __future__ import annotations

import re
from typing import Tuple

_SIZE = re.compile(r"(0[xX][0-9a-fA-F]+|[0-9]+)([KMGTPE]?)", re.IGNORECASE | re.ASCII)
_SHIFTS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40, "P": 50, "E": 60}
# The kernel computes in 64 bits and overflows silently.
_LIMIT = 1 << 64

MIB = 1 << 20


def take_size(text: str, at: int = 0) -> Tuple[int, int]:
    """Parse a size at a position in a text, and return it with the position behind it.

    :raises ValueError: there is none, or it exceeds 64 bits.
    """
    match = _SIZE.match(text, at)
    if not match:
        raise ValueError("a size is expected at %r" % text[at:])
    digits, suffix = match.groups()
    if digits.lower().startswith("0x"):
        number = int(digits, 16)
    elif digits.startswith("0") and len(digits) > 1:
        if not set(digits) <= set("01234567"):
            raise ValueError("%s begins with 0, so it is octal, but has a digit above 7" % digits)
        number = int(digits, 8)
    else:
        number = int(digits)
    size = number << _SHIFTS[suffix.upper()]
    if size >= _LIMIT:
        raise ValueError("%s does not fit into 64 bits" % match.group())
    return size, match.end()


def format_size(size_bytes: int) -> str:
    """Format a size in the largest unit that expresses it exactly: C(256M), C(1G)."""
    for suffix in "TGMK":
        if size_bytes and size_bytes % (1 << _SHIFTS[suffix]) == 0:
            return "%d%s" % (size_bytes >> _SHIFTS[suffix], suffix)
    return "%d" % size_bytes


def round_up(size_bytes: int, unit_bytes: int) -> int:
    return -(-size_bytes // unit_bytes) * unit_bytes
