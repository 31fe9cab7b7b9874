# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls that end in time, whatever they call.

A connection plugin gives no such promise: its timeout covers connecting, and
an ssh that hangs later hangs the task. Here the call runs in a thread of its
own. One that takes too long is left behind, and the processes it started are
ended, which usually lets the thread end too.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import signal
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class CallAbandoned(Exception):
    """The call did not end in time."""


class BoundedCall(Generic[Result]):
    """A call that runs while the caller does other things.

    :param function: what to call; its result or exception is kept.
    """

    def __init__(self, function: Callable[[], Result]) -> None:
        self._function = function
        self._done = threading.Event()
        self._result: list[Result] = []
        self._error: BaseException | None = None
        self._children_before = child_pids()
        context = contextvars.copy_context()
        # A daemon, so that a call left behind can't keep the process alive.
        self._thread = threading.Thread(target=lambda: context.run(self._work), daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            self._result.append(self._function())
        except BaseException as error:  # it belongs to whoever asks for the result
            self._error = error
        self._done.set()

    def done(self) -> bool:
        """Whether it ended."""
        return self._done.is_set()

    def result(self, timeout_s: float) -> Result:
        """Wait for its end and hand on its result or exception.

        :raises CallAbandoned: it did not end in time; it is left behind.
        """
        if not self._done.wait(max(0.0, timeout_s)):
            self.abandon()
            raise CallAbandoned("no answer within %.1f s" % timeout_s)
        if self._error is not None:
            raise self._error
        return self._result[0]

    def abandon(self) -> None:
        """Give it up, and end the processes it started."""
        for pid in child_pids() - self._children_before:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def child_pids() -> set[int]:
    """Children of this process; empty where C(/proc) does not tell."""
    pids: set[int] = set()
    try:
        for task in os.listdir("/proc/self/task"):
            with open("/proc/self/task/%s/children" % task, encoding="ascii") as stream:
                pids.update(int(pid) for pid in stream.read().split())
    except OSError:
        pass
    return pids
