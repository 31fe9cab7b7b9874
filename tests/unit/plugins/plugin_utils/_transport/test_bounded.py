# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
import contextvars
import os
import subprocess
import sys
import threading
import time

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.bounded import CallAbandoned, bounded_call

number: contextvars.ContextVar[int] = contextvars.ContextVar("number")


class Hanging:
    """A call that waits for a process that never ends."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.rc: int | None = None
        self.over = threading.Event()

    def __call__(self) -> int:
        self.process = subprocess.Popen(["sleep", "600"])
        self.rc = self.process.wait()
        self.over.set()
        return self.rc


def end_late() -> None:
    raise TimeoutError("its own")


def test_a_result_and_an_exception_come_through() -> None:
    assert asyncio.run(bounded_call(lambda: 42, 5)) == 42
    with pytest.raises(ZeroDivisionError):
        asyncio.run(bounded_call(lambda: 1 // 0, 5))
    # A function's own timeout is not ours.
    with pytest.raises(TimeoutError, match="its own"):
        asyncio.run(bounded_call(end_late, 5))


def test_a_call_that_ends_the_process_is_an_error_like_any_other() -> None:
    with pytest.raises(RuntimeError, match="SystemExit"):
        asyncio.run(bounded_call(lambda: sys.exit(3), 5))


def test_a_call_that_hangs_is_left_and_its_process_ended() -> None:
    hanging = Hanging()
    began = time.monotonic()
    with pytest.raises(CallAbandoned):
        asyncio.run(bounded_call(hanging, 0.3))
    assert time.monotonic() - began < 2
    assert hanging.over.wait(5)
    assert hanging.rc == -9


def test_who_is_cancelled_leaves_no_process_behind() -> None:
    hanging = Hanging()

    async def work() -> None:
        task = asyncio.create_task(bounded_call(hanging, 600))
        while hanging.process is None:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(work())
    assert hanging.over.wait(5)
    assert hanging.rc == -9


def test_processes_of_others_are_left_alone() -> None:
    other = Hanging()

    async def work() -> None:
        task = asyncio.create_task(bounded_call(other, 600))
        while other.process is None:
            await asyncio.sleep(0.01)
        with pytest.raises(CallAbandoned):
            await bounded_call(Hanging(), 0.2)
        assert other.process.poll() is None
        assert mine.poll() is None
        other.process.kill()
        assert await task == -9

    with subprocess.Popen(["sleep", "600"]) as mine:
        asyncio.run(work())
        mine.kill()


def test_a_thread_is_used_again_but_not_one_that_was_left_behind() -> None:
    go_on = threading.Event()

    async def work() -> None:
        first = await bounded_call(threading.get_ident, 5)
        assert await bounded_call(threading.get_ident, 5) == first
        left: list[int] = []

        def hang() -> None:
            left.append(threading.get_ident())
            go_on.wait(10)

        with pytest.raises(CallAbandoned):
            await bounded_call(hang, 0.1)
        assert await bounded_call(threading.get_ident, 5) != left[0]
        # Each call has the context of who called.
        number.set(7)
        assert await bounded_call(number.get, 5) == 7

    asyncio.run(work())
    go_on.set()


def test_a_process_that_one_call_left_is_not_ended_with_another() -> None:
    async def work() -> None:
        process = await bounded_call(lambda: subprocess.Popen(["sleep", "600"]), 5)
        try:
            with pytest.raises(CallAbandoned):
                await bounded_call(Hanging(), 0.2)
            assert process.poll() is None
        finally:
            process.kill()
            process.wait()

    asyncio.run(work())


def test_threads_of_a_process_are_not_missed_by_its_children() -> None:
    asyncio.run(bounded_call(lambda: None, 5))
    pid = os.fork()
    if not pid:
        # The thread that was idle is not there.
        os._exit(asyncio.run(bounded_call(lambda: 42, 5)))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 42
