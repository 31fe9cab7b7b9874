# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turning the signals that end a playbook into exceptions, so that what was begun can be undone.

An Ansible worker answers SIGINT and SIGTERM by killing its process group,
and no exception is ever raised.
"""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """While entered, the signals raise KeyboardInterrupt in the main thread, once."""

    def __init__(self) -> None:
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        for number in _SIGNALS:
            self._previous[number] = signal.signal(number, self._interrupt)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.release()

    def release(self) -> None:
        """Let the signals do again what they did before."""
        while self._previous:
            signal.signal(*self._previous.popitem())

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        # The clean-up that follows is bounded; a second signal should not cut it short.
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt
