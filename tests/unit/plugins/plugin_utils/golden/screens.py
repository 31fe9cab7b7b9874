# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen of a rollout: in a log, and now and then on terminals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._console.terminal import Terminal
from .subject import ASCII, UNICODE, Change, LiveView, PlainView, Prediction, Reason, RunState, View

# Seconds since the beginning at which the terminals are looked at.
_LOOKS_S = (8.0, 25.0)


class Screens:
    """A log with every step, a terminal, and a narrow one without Unicode.

    :param state: of the run.
    """

    def __init__(self, predictions: Mapping[str, Prediction], state: RunState, began: float) -> None:
        self._written: list[str] = []
        self._began = began
        self._looks_s: Sequence[float] = _LOOKS_S
        self._seen: dict[str, list[str]] = {}
        self._terminals = (Terminal(80, 24), Terminal(60, 12))
        self._log: View = PlainView(self._written.append, state, verbosity=1, predictions=predictions)
        self._live: list[View] = [
            LiveView(terminal.write, terminal.size, state, glyphs=glyphs, predictions=predictions)
            for terminal, glyphs in zip(self._terminals, (UNICODE, ASCII), strict=True)
        ]

    def show(self, change: Change, now: float) -> None:
        """Take in a change."""
        for view in (self._log, *self._live):
            view.show(change, now)

    def tick(self, now: float, waiting: Reason | None = None) -> None:
        """Have time pass. Terminals are drawn only to be looked at, which is what takes longest here."""
        self._log.tick(now, waiting)
        if self._looks_s and now - self._began >= self._looks_s[0]:
            for view, terminal in zip(self._live, self._terminals, strict=True):
                view.tick(now, waiting)
                self._seen["%d columns after %g s" % (terminal.columns, self._looks_s[0])] = terminal.screen().split("\n")
            self._looks_s = self._looks_s[1:]

    def seen(self) -> dict[str, Any]:
        """All that was seen of it."""
        self._live[0].close()
        self._seen["at the end"] = self._terminals[0].everything().split("\n")
        return {"log": "".join(self._written).splitlines(), "screens": self._seen}
