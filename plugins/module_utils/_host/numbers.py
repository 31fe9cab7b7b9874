# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers that a host writes: counts, stamps and durations, which fit into 64 bits."""

from __future__ import annotations

import re
from typing import Optional

_COUNT = re.compile(r"[0-9]{1,19}")


def parse_count(text: str) -> Optional[int]:
    """Parse decimal digits; None for anything else, also for more of them than any counter has."""
    return int(text) if _COUNT.fullmatch(text) else None
