# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller that a rollout runs on, and what it shows to the user."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .._console.lines import View
from .._journal.run_state import RunState
from .._schedule.hosts import Prediction
from .._text import Glyphs


@dataclass(frozen=True)
class Controller:
    """Controller that the rollout runs on, and its interfaces to the user.

    :ivar name: name of this machine, for display.
    :ivar random: draws this number of bytes, as hexadecimal digits.
    :ivar say: shows a line to the user.
    :ivar warn: shows a warning to the user.
    :ivar progress: takes short messages about what a host does.
    :ivar columns: width of the texts before and after the rollout.
    :ivar view: makes the display, from the run's state and the predictions for each host.
    :ivar operator: name of the user who runs the playbook; empty if unknown.
    :ivar unread: whether nobody can read any more what is shown.
    """

    name: str
    own_boot_id: str
    random: Callable[[int], str]
    say: Callable[[str], None]
    warn: Callable[[str], None]
    progress: Callable[[str, str], None]
    columns: int
    glyphs: Glyphs
    view: Callable[[RunState, Mapping[str, Prediction]], View]
    operator: str = ""
    unread: Callable[[], bool] = lambda: False
