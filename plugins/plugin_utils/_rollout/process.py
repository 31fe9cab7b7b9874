# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker process of Ansible that a rollout runs in: its parent, its memory, and its limits."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
from collections.abc import Callable, Iterator
from typing import Any

# How often a worker looks whether the playbook that it belongs to is still there.
PARENT_CHECK_S = 0.5


class Orphaned(Exception):
    """Raised when the playbook is gone; whoever resumes the run goes on."""


async def while_parent_lives(work: Any, may_outlive: Callable[[], bool]) -> None:
    """Do something, and stop in the middle of it if the parent process dies.

    Who was told to stop finishes what is under way, though, and then nobody need be there.

    :raises Orphaned: it did.
    """
    parent = os.getppid()
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait([task], timeout=PARENT_CHECK_S))[0]:
            if os.getppid() != parent and not may_outlive():
                raise Orphaned
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
    task.result()


@contextlib.contextmanager
def short_collections() -> Iterator[None]:
    """Keep the garbage collector from going through all that Ansible has loaded, again and again.

    That stops the event loop for a tenth of a second each time, and most often when many hosts come back at once.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def allow_all_descriptors() -> None:
    """A window of a thousand hosts takes more than most shells allow, and less than the system does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (min(hard, max(soft, 65536)) if hard != resource.RLIM_INFINITY else 65536, hard)
        )
