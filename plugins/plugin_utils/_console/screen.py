# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a rollout is shown: the terminal that the playbook runs on, if it does.

An action runs in a worker without one; what it shows goes through Ansible's
C(Display) to the playbook's process, whose standard output is looked at here.
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

# Of a log, or a terminal that does not tell.
COLUMNS = 80
LINES = 24


@dataclass(frozen=True)
class Screen:
    """What is known of where the output goes.

    :ivar terminal: a descriptor of the terminal; None if it is none, or nobody looks at it.
    """

    terminal: int | None
    glyphs: Glyphs

    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        if self.terminal is not None:
            try:
                size = os.get_terminal_size(self.terminal)
            except OSError:
                return COLUMNS, LINES
            if size.columns and size.lines:
                return size.columns, size.lines
        return COLUMNS, LINES

    def view(self, display: Any, state: RunState, predictions: Mapping[str, Prediction]) -> View:
        """Display of a rollout here.

        :param display: Ansible's.
        :param state: of the run; see :class:`Progress`.
        """

        def write(text: str) -> None:
            display.display(text.removesuffix("\n"), newline=text.endswith("\n"))

        def draw(text: str) -> None:
            display.display(text, screen_only=True, newline=False)

        if self.terminal is None:
            return PlainView(write, state, verbosity=display.verbosity, glyphs=self.glyphs, predictions=predictions)
        return LiveView(draw, self.size, state, colour=bool(ANSIBLE_COLOR), glyphs=self.glyphs, predictions=predictions)


def screen_of(process: int, environ: Mapping[str, str]) -> Screen:
    """Where a process's standard output goes.

    ansible-runner, and AWX with it, gives a playbook a terminal and keeps what it writes; nobody looks at that.
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
