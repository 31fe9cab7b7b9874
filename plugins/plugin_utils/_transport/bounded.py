# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls that end in time, whatever they call.

A connection plugin gives no such promise: its timeout covers connecting, and
an ssh that hangs later hangs the task. Here the call runs in a thread of its
own, beside the event loop. One that takes too long is left behind, and the
processes it started are ended, which usually lets the thread end too.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import signal
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeVar

Result = TypeVar("Result")


class CallAbandoned(Exception):
    """The call did not end in time."""


async def bounded_call(function: Callable[[], Result], timeout_s: float) -> Result:
    """Call a function that blocks, and hand on its result or exception.

    Whoever waits for it may be cancelled; the call is abandoned then, too.

    :raises CallAbandoned: it did not end in time; it is left behind.
    """
    loop = asyncio.get_running_loop()
    settled: asyncio.Future[Result] = loop.create_future()

    def settle(result: list[Result], error: BaseException | None) -> None:
        if settled.done():
            return
        if error is not None:
            settled.set_exception(error)
        else:
            settled.set_result(result[0])

    def work() -> None:
        result: list[Result] = []
        error: BaseException | None = None
        try:
            result.append(function())
        # A StopIteration, say, can't be the exception of a future.
        except Exception as caught:
            error = caught if not isinstance(caught, StopIteration) else RuntimeError("StopIteration")
        except BaseException as caught:
            error = RuntimeError("%s: %s" % (type(caught).__name__, caught))
        # A loop that is closed has nobody left who waits.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, result, error)

    context = contextvars.copy_context()
    thread = _idle.pop() if _idle else _Thread()
    thread.work.put(lambda: context.run(work))
    ended = False
    try:
        done, _pending = await asyncio.wait([settled], timeout=max(0.0, timeout_s))
        if done:
            ended = True
            return settled.result()
        raise CallAbandoned("no answer within %.1f s" % timeout_s)
    finally:
        if not ended:
            _end_children(thread)
        # A process that one call left running must not be ended with another.
        if ended and len(_idle) < _IDLE_MAX and not child_pids(thread):
            _idle.append(thread)
        else:
            # After what it does, if that ever ends.
            thread.work.put(None)


class _Thread(threading.Thread):
    """Does one thing after the other.

    A daemon, so that a call left behind can't keep the process alive.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        # None ends it.
        self.work: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self.start()

    def run(self) -> None:
        while (work := self.work.get()) is not None:
            work()
            # Until there is more to do, nothing of it is kept.
            del work


# To start a thread is to wait until it runs, which stops the event loop for milliseconds where the CPUs are busy.
_IDLE_MAX = 64
_idle: list[_Thread] = []
# Threads are not there in a process that was forked.
os.register_at_fork(after_in_child=_idle.clear)


def _end_children(thread: threading.Thread) -> None:
    for pid in child_pids(thread):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def child_pids(thread: threading.Thread) -> set[int]:
    """Processes that a thread of this process started; empty where C(/proc) does not tell."""
    try:
        with open("/proc/self/task/%s/children" % thread.native_id, encoding="ascii") as stream:
            return {int(pid) for pid in stream.read().split()}
    except OSError:
        return set()
