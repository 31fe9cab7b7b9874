# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts from a host, whose bytes need not be UTF-8."""

from __future__ import annotations

import re

# Stands for a byte that is not UTF-8 (PEP 383).
_SURROGATE_ESCAPE = re.compile("[\udc80-\udcff]")


def printable(text: str) -> str:
    """Show a text in valid Unicode: bytes that are not UTF-8 appear as C(\\xe9)."""
    return _SURROGATE_ESCAPE.sub(lambda found: "\\x%02x" % (ord(found.group()) & 0xFF), text)
