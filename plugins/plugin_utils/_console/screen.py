# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Output of a rollout: the playbook's terminal or log.

An action runs in a worker without a terminal. Its output goes through Ansible's C(Display) to the playbook's process, so it
is that process's standard output that matters.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible.utils.color import ANSIBLE_COLOR

from .._journal.run_state import RunState
from .._schedule.hosts import Prediction
from .._text import ASCII, UNICODE, Glyphs
from .lines import View
from .live import LiveView
from .plain import PlainView

# Size of a log, or of a terminal whose size is unknown.
COLUMNS = 80
LINES = 24


@dataclass(frozen=True)
class Screen:
    """Destination of the output; C(terminal) is its descriptor, or None if there is none, or nobody watches it."""

    terminal: int | None
    glyphs: Glyphs

    def size(self) -> tuple[int, int]:
        """Columns and lines of the output."""
        if self.terminal is not None:
            try:
                size = os.get_terminal_size(self.terminal)
            except OSError:
                return COLUMNS, LINES
            if size.columns and size.lines:
                return size.columns, size.lines
        return COLUMNS, LINES

    def view(self, display: Any, state: RunState, predictions: Mapping[str, Prediction]) -> View:
        def write(text: str) -> None:
            display.display(text.removesuffix("\n"), newline=text.endswith("\n"))

        def draw(text: str) -> None:
            display.display(text, screen_only=True, newline=False)

        if self.terminal is None:
            return PlainView(write, state, verbosity=display.verbosity, glyphs=self.glyphs, predictions=predictions)
        return LiveView(draw, self.size, state, colour=bool(ANSIBLE_COLOR), glyphs=self.glyphs, predictions=predictions)


def screen_of(process: int, environ: Mapping[str, str]) -> Screen:
    """Find where a process's standard output goes.

    The terminal that ansible-runner, and so AWX, gives a playbook does not count: its output is recorded, not watched.
    """
    encoding = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    glyphs = UNICODE if encoding.upper().replace("-", "").endswith("UTF8") else ASCII
    if environ.get("TERM", "dumb") == "dumb" or "AWX_ISOLATED_DATA_DIR" in environ:
        return Screen(None, glyphs)
    try:
        descriptor = os.open("/proc/%d/fd/1" % process, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return Screen(None, glyphs)
    if os.isatty(descriptor):
        return Screen(descriptor, glyphs)
    os.close(descriptor)
    return Screen(None, glyphs)
