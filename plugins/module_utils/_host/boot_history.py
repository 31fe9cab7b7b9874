# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Timelines of the host's latest reboots, stored on the host as JSON lines, oldest first."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, List, Optional, Tuple

from .._json import parse_json
from .._paths import STATE_DIRECTORY
from .atomic import write_atomically
from .files import HostFiles

PATH = STATE_DIRECTORY + "/history.jsonl"
#: Number of reboots kept.
KEPT = 100
# A hundred timelines take a tenth of this; a larger file is not ours.
_MAX_BYTES = 16 << 20

Timeline = Dict[str, Any]


def parse_history(text: str) -> List[Timeline]:
    """Parse timelines; lines that can't be parsed are skipped."""
    found = []
    for line in text.splitlines():
        try:
            timeline = parse_json(line)
        except ValueError:
            continue
        if isinstance(timeline, dict) and isinstance(timeline.get("boot_id"), str) and isinstance(timeline.get("phases"), list):
            found.append(timeline)
    return found


def read_history(files: HostFiles) -> List[Timeline]:
    """Read the timelines; empty without privileges."""
    content = files.read_bytes(PATH, _MAX_BYTES)
    return parse_history(content.decode("utf-8", "replace")) if content else []


def with_timeline(history: List[Timeline], timeline: Timeline) -> Tuple[List[Timeline], Timeline]:
    """Add the reboot to a system to the history; returns the new history and the timeline it holds for that system.

    The longer of two timelines of one system is kept, the later one if they are equal: the traces of the previous system are
    read only once, so a second timeline may lack them.
    """
    system = _system_of(timeline)
    before: Optional[Timeline] = next((each for each in history if _system_of(each) == system), None)
    if before is not None and len(before["phases"]) > len(timeline["phases"]):
        return history, before
    others = [each for each in history if _system_of(each) != system]
    return [*others, timeline][-KEPT:], timeline


def _system_of(timeline: Timeline) -> Tuple[str, int]:
    """Identity of the system that a timeline ends with; earlier versions of the collection knew no soft reboots."""
    return timeline["boot_id"], timeline.get("soft_reboots", 0)


def write_history(files: HostFiles, history: List[Timeline]) -> None:
    """Replace the history, or leave it unchanged on an OSError."""
    path = files.path(PATH)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    lines = [json.dumps(timeline, sort_keys=True, separators=(",", ":")) + "\n" for timeline in history]
    write_atomically(path, "".join(lines).encode("utf-8"), 0o600)
