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


class _Clock(selectors.SelectSelector):
    """Never waits: time passes instead, if nothing is ready."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        # A turn of the loop takes a moment, as it really does.
        self.now += 1e-6
        if not ready:
            assert timeout is not None, "everybody waits, and nothing will happen"
            self.now += max(0.0, timeout)
            assert self.now < LIMIT_S, "this never ends"
        return ready


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Clock()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        return runner.run(work)
