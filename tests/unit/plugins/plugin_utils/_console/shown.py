# SPDX-License-Identifier: GPL-3.0-or-later
"""Views to test with, which are told records, and keep the state that they show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._console.lines import View
from ansible_collections.fleet.kexec.plugins.plugin_utils._console.live import LiveView
from ansible_collections.fleet.kexec.plugins.plugin_utils._console.plain import PlainView
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.events import Record
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_state import RunState

from .terminal import Terminal


class Shown:
    """A view and its state."""

    def __init__(self, view: View, state: RunState) -> None:
        self._view = view
        self._state = state

    def record(self, record: Record, now: float) -> None:
        """Have both take in a record."""
        change = self._state.read(record)
        if change is not None:
            self._view.show(change, now)

    def tick(self, now: float, waiting: Reason | None = None) -> None:
        """See :class:`View`."""
        self._view.tick(now, waiting)

    def close(self) -> None:
        """See :class:`View`."""
        self._view.close()


def live(terminal: Terminal, state: RunState | None = None, **options: Any) -> Shown:
    """A live view on a terminal."""
    state = state or RunState()
    return Shown(LiveView(terminal.write, terminal.size, state, **options), state)


def plain(write: Callable[[str], object], state: RunState | None = None, **options: Any) -> Shown:
    """A log."""
    state = state or RunState()
    return Shown(PlainView(write, state, **options), state)
