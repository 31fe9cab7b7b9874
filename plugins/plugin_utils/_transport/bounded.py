# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Call blocking functions with a time limit.

A connection plugin's timeout covers connecting only; an ssh that hangs later would hang the task. Each call runs in a thread
beside the event loop. A call that exceeds its limit is abandoned and the processes it started are killed, which usually ends the
thread too.
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
    """Raised when a call did not return in time."""


async def bounded_call(function: Callable[[], Result], timeout_s: float) -> Result:
    """Call a blocking function in a thread and return its result or raise its exception. Cancelling abandons the call.

    :raises CallAbandoned: it did not return in time; its thread is left behind.
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
        # A future does not accept StopIteration as its exception.
        except Exception as caught:
            error = caught if not isinstance(caught, StopIteration) else RuntimeError("StopIteration")
        except BaseException as caught:
            error = RuntimeError("%s: %s" % (type(caught).__name__, caught))
        # Nobody waits once the loop is closed.
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
        # A process left running by this call must not be killed along with the next.
        if ended and len(_idle) < _IDLE_MAX and not child_pids(thread):
            _idle.append(thread)
        else:
            # Ends the thread once its call returns, if it ever does.
            thread.work.put(None)


class _Thread(threading.Thread):
    """Worker thread; a daemon, so that an abandoned call can't keep the process alive."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        # None ends the thread.
        self.work: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self.start()

    def run(self) -> None:
        while (work := self.work.get()) is not None:
            work()
            # An idle thread keeps nothing of its last call alive.
            del work


# Starting a thread waits until it runs, which blocks the event loop for milliseconds when the CPUs are busy.
_IDLE_MAX = 64
_idle: list[_Thread] = []
# Threads do not survive a fork.
os.register_at_fork(after_in_child=_idle.clear)


def _end_children(thread: threading.Thread) -> None:
    for pid in child_pids(thread):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def child_pids(thread: threading.Thread) -> set[int]:
    """PIDs started by a thread of this process; empty where C(/proc) does not list them."""
    try:
        with open("/proc/self/task/%s/children" % thread.native_id, encoding="ascii") as stream:
            return {int(pid) for pid in stream.read().split()}
    except OSError:
        return set()
