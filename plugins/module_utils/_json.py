# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON from files and devices, which may be damaged or made to do harm."""

from __future__ import annotations

import json
import math
from typing import Any, Optional, Union


def parse_json(text: Union[str, bytes]) -> Any:
    """Parse JSON; raises ValueError for all that is none, also for nesting that is too deep."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def finite_number(value: Any) -> Optional[float]:
    """Take a value of JSON for a number; None for all else, also for one that is too large, or for infinity."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
