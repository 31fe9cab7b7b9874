# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Runs of hooks, as note.py has noted them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Noted(NamedTuple):
    """Run of a hook, at seconds since 1970."""

    at: float
    what: str
    host: str


def noted(path: Path) -> list[Noted]:
    """Runs of hooks so far, in their order."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [Noted(float(at), what, host) for at, what, host in map(str.split, lines)]
