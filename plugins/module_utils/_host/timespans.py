# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time spans as systemd writes them: C(1min 30s), C(500ms), C(infinity)."""

from __future__ import annotations

import re
from typing import Optional

# systemd.time(7).
_SECONDS = {
    "us": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "w": 604800.0,
    "month": 2629800.0,
    "y": 31557600.0,
}
_PIECE = re.compile(r"(\d+(?:\.\d+)?)([a-z]+)")

INFINITY_S = float("inf")


def parse_timespan(text: str) -> Optional[float]:
    """Parse a time span to seconds; :data:`INFINITY_S` for C(infinity), None if it is not a time span."""
    text = text.strip()
    if text == "infinity":
        return INFINITY_S
    if text == "0":
        return 0.0
    total_s = 0.0
    for word in text.split():
        piece = _PIECE.fullmatch(word)
        if piece is None or piece.group(2) not in _SECONDS:
            return None
        total_s += float(piece.group(1)) * _SECONDS[piece.group(2)]
    return total_s if text else None
