# SPDX-License-Identifier: GPL-3.0-or-later
"""A lock for tests that call it step by step, while its event loop goes on beside them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.model import Holder, SlotLock

Answer = TypeVar("Answer")

LIMIT_S = 60.0

_loop = asyncio.new_event_loop()


def _wait_for(work: Coroutine[Any, Any, Answer]) -> Answer:
    if not _loop.is_running():
        threading.Thread(target=_loop.run_forever, daemon=True).start()
    return asyncio.run_coroutine_threadsafe(work, _loop).result(LIMIT_S)


class DrivenLock:
    """The same methods as the lock's, which wait for the outcome."""

    def __init__(self, lock: SlotLock) -> None:
        self.lock = lock

    def open(self) -> None:
        _wait_for(self.lock.open())

    def acquire(self, host: str) -> bool:
        return _wait_for(self.lock.acquire(host))

    def confirm(self, host: str) -> None:
        _wait_for(self.lock.confirm(host))

    def release(self, host: str) -> None:
        _wait_for(self.lock.release(host))

    def holders(self) -> list[Holder]:
        return _wait_for(self.lock.holders())

    def lives(self, run_id: str) -> bool:
        return _wait_for(self.lock.lives(run_id))

    def free(self, holder: Holder) -> bool:
        return _wait_for(self.lock.free(holder))

    def close(self) -> None:
        _wait_for(self.lock.close())
