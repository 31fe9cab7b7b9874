# SPDX-License-Identifier: GPL-3.0-or-later
"""An event loop whose clock jumps to the next timer: hours in milliseconds, the same every time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

#: Beyond this a test hangs.
LIMIT_S = 24 * 3600.0

#: What a turn of the loop takes.
TURN_S = 1e-6


class _Clock(selectors.SelectSelector):
    """Never waits: time passes instead, if nothing is ready."""

    def __init__(self, now: float) -> None:
        super().__init__()
        self.now = now

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        # A turn of the loop takes a moment, as it really does.
        self.now += TURN_S
        if not ready:
            assert timeout is not None, "everybody waits, and nothing will happen"
            self.now += max(0.0, timeout)
            assert self.now < LIMIT_S, "this never ends"
        return ready


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, start: float) -> None:
        self._clock = _Clock(start)
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now

    def stand_still(self, seconds: float) -> None:
        self._clock.now += seconds


def stand_still(seconds: float) -> None:
    """Have so much time pass in which the process does not run."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, _VirtualLoop)
    loop.stand_still(seconds)


def run(work: Coroutine[Any, Any, Result], start: float = 1000.0) -> Result:
    """Run a coroutine to its end in virtual time, which begins at C(start)."""
    with asyncio.Runner(loop_factory=lambda: _VirtualLoop(start)) as runner:
        return runner.run(work)
