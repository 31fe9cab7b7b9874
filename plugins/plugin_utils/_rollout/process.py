# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible worker process that a rollout runs in: its parent, memory and limits."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

# Interval at which a worker checks that its playbook is still running.
PARENT_CHECK_S = 0.5

Result = TypeVar("Result")


class Orphaned(Exception):
    """Raised when the playbook's process is gone, or its reader in check mode; a resume continues the run."""


async def while_parent_lives(
    work: Coroutine[Any, Any, Result], may_outlive: Callable[[], bool], look: Callable[[], None] = lambda: None
) -> Result:
    """Await work, and cancel it if the parent process dies, unless it may outlive the parent, as after a request to stop.

    :param look: called at each check; what it raises cancels the work too.
    :raises Orphaned: the parent died.
    """
    parent = os.getppid()
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait([task], timeout=PARENT_CHECK_S))[0]:
            if os.getppid() != parent and not may_outlive():
                raise Orphaned("the playbook's process is gone")
            look()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
    return task.result()


@contextlib.contextmanager
def short_collections() -> Iterator[None]:
    """Exempt the objects that Ansible has loaded from garbage collection.

    Each pass over them stops the event loop for a tenth of a second, most often when many hosts come back at once.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def allow_all_descriptors() -> None:
    """Raise the soft limit on open files; a window of a thousand hosts needs more than most shells allow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (min(hard, max(soft, 65536)) if hard != resource.RLIM_INFINITY else 65536, hard)
        )
