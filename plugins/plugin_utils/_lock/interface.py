# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock as the rest of the collection uses it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from .._transport.controller import state_directory
from .etcd import EtcdLock
from .etcd_client import EtcdClient
from .local import LocalLock
from .model import Holder, LockError, SlotLock
from .options import check_name, lock_argument_spec, lock_options

__all__ = ["Holder", "LockError", "SlotLock", "lock_argument_spec", "lock_options", "make_lock"]


def make_lock(
    options: Mapping[str, Any],
    run_id: str,
    controller: str,
    *,
    directory: str | None = None,
    clock: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    progress: Callable[[str], None] = lambda text: None,
) -> SlotLock:
    """The lock that the user asks for. Nothing is touched before it is opened.

    :param options: the user's dictionary C(lock), as given or as validated; empty for the default.
    :param run_id: one process at a time can have it open.
    :param controller: who that is, for people.
    :param directory: of the local backend; by default below the XDG state directory.
    :param clock: seconds that go on while the machine is suspended.
    :param progress: told when opening has to wait.
    :raises LockError: C(LOCK_INVALID).
    """
    checked = lock_options(options)
    check_name("run_id", run_id)
    if checked.etcd is None:
        return LocalLock(
            directory=os.path.join(directory or default_directory(os.environ), checked.name),
            name=checked.name,
            slots=checked.slots,
            timeout_s=checked.timeout_s,
            run_id=run_id,
            controller=controller,
            clock=clock,
            now=now,
        )
    return EtcdLock(
        client=EtcdClient(checked.etcd, clock),
        prefix=checked.etcd.prefix,
        name=checked.name,
        slots=checked.etcd.slots,
        ttl_s=checked.etcd.ttl_s,
        run_id=run_id,
        controller=controller,
        clock=clock,
        now=now,
        progress=progress,
    )


def default_directory(environ: Mapping[str, str]) -> str:
    """Where the local backend keeps its records."""
    return state_directory(environ, "locks")
