# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
import os
import signal

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.interrupts import Interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_told_and_the_others_are_swallowed(number: signal.Signals) -> None:
    told: list[str] = []

    async def work() -> None:
        with Interrupts(lambda: told.append("interrupted")):
            os.kill(os.getpid(), number)
            await asyncio.sleep(0.05)
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(0.05)

    before = signal.getsignal(number)
    asyncio.run(work())
    assert told == ["interrupted"]
    assert signal.getsignal(number) is before


def test_a_cancelled_task_can_still_clean_up() -> None:
    steps: list[str] = []

    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None
        with Interrupts(task.cancel):
            os.kill(os.getpid(), signal.SIGTERM)
            try:
                await asyncio.sleep(10)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)
                await asyncio.sleep(0.05)
                steps.append("cleaned up")

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(work())
    assert steps == ["cleaned up"]


def test_after_release_signals_do_what_they_did() -> None:
    seen: list[int] = []

    async def work() -> None:
        with Interrupts(lambda: seen.append(0)) as interrupts:
            interrupts.release()
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(0.05)

    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    try:
        asyncio.run(work())
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [signal.SIGTERM]
