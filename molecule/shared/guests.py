# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""The lab's guests, as the controller knows them."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

from lab.lab import console_tail

INVENTORY = Path(os.environ["LAB_RUN"]) / "inventory.yml"


def guests() -> dict[str, dict[str, Any]]:
    """Variables of each guest, by name."""
    found: dict[str, dict[str, Any]] = yaml.safe_load(INVENTORY.read_text())["lab"]["hosts"]
    return found


def ends_of_consoles(names: Collection[str] = ()) -> str:
    """Last lines of the consoles of these guests, of all by default."""
    return "\n".join(
        console_tail(Path(variables["lab_dir"])) for name, variables in guests().items() if not names or name in names
    )
