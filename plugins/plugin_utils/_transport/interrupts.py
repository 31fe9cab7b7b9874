# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handle SIGINT and SIGTERM, so that a reboot that has begun can be undone.

By default an Ansible worker answers them by killing its process group; no exception is raised.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from types import TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Context in which the first SIGINT or SIGTERM calls a function from the event loop; later ones are ignored.

    Handling an interrupt takes bounded time, and a second signal must not cut it short.
    """

    def __init__(self, interrupted: Callable[[], object]) -> None:
        self._tell: Callable[[], object] | None = interrupted
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            self._previous[number] = signal.getsignal(number)
            loop.add_signal_handler(number, self._interrupt)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.release()

    def release(self) -> None:
        """Restore the previous signal handlers."""
        while self._previous:
            number, handler = self._previous.popitem()
            asyncio.get_running_loop().remove_signal_handler(number)
            signal.signal(number, handler)

    def _interrupt(self) -> None:
        tell, self._tell = self._tell, None
        if tell is not None:
            tell()
