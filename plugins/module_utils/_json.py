# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON from files and devices, which may be damaged or made to do harm."""

from __future__ import annotations

import json
from typing import Any, Union


def parse_json(text: Union[str, bytes]) -> Any:
    """Parse JSON; raises ValueError for all that is none, also for nesting that is too deep."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
