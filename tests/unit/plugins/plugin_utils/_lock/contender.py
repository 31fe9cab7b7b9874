# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller in a process of its own: takes orders as JSON lines and answers each with one."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.interface import lock_options, make_lock
from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.model import LockError, SlotLock

HOLD_S = 0.004
ASK_AGAIN_S = 0.003


class Contender:
    """The test's end of such a process."""

    def __init__(self, options: dict[str, Any], run_id: str, directory: Path) -> None:
        argv = [sys.executable, __file__, json.dumps(options), run_id, str(directory)]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def order(self, *words: str) -> None:
        """Say what to do."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        """What came of it: what the method returned, or the error's code."""
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def call(self, *words: str) -> Any:
        """An order and its answer."""
        self.order(*words)
        return self.answer()

    def end(self) -> None:
        """By force; it may be stopped."""
        self.process.kill()
        self.process.communicate()


async def churn(lock: SlotLock, prefix: str, hosts: int, at_once: int) -> list[tuple[float, float]]:
    """Take a slot for each host for a moment.

    :returns: when each was held, on a clock that all processes share.
    """
    held: list[tuple[float, float]] = []
    left = [prefix + str(number) for number in range(hosts)]

    async def work() -> None:
        while left:
            host = left.pop()
            while not await lock.acquire(host):
                await asyncio.sleep(ASK_AGAIN_S)
            began = time.monotonic()
            await lock.confirm(host)
            await asyncio.sleep(HOLD_S)
            held.append((began, time.monotonic()))
            await lock.release(host)

    await asyncio.gather(*(work() for _number in range(at_once)))
    return held


async def main() -> None:
    """The process."""
    options, run_id, directory = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
    lock = make_lock(lock_options(options), run_id, "controller of " + run_id, directory=directory)
    # The lease is renewed while nobody orders anything.
    while line := await asyncio.to_thread(sys.stdin.readline):
        name, *words = json.loads(line)
        try:
            if name == "churn":
                answer: Any = await churn(lock, run_id, int(words[0]), int(words[1]))
            else:
                answer = await getattr(lock, name)(*words)
        except LockError as error:
            answer = error.reason.code
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
