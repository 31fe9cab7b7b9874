# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry points of the lock, and the registry of its backends."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from .._transport.controller import state_directory
from .._values import Options, Value
from .etcd import ETCD
from .local import LOCAL
from .model import LockContext, SlotLock
from .options import ARGUMENTS, Backend, LockOptions, invalid, plain_name

#: A new backend is added here, and to the documentation of the option.
BACKENDS: Mapping[str, Backend] = {backend.name: backend for backend in (LOCAL, ETCD)}


def lock_argument_spec() -> dict[str, Any]:
    """Argument specification of types and choices; :func:`lock_options` checks the rest, so that errors have a code."""
    return {"lock": {"type": "dict", "options": _options_spec()}}


def _options_spec() -> dict[str, Any]:
    spec: dict[str, Any] = {"backend": {"type": "str", "choices": list(BACKENDS), "default": LOCAL.name}, **ARGUMENTS}
    for backend in BACKENDS.values():
        spec.update(backend.arguments)
    return spec


def lock_options(given: Mapping[str, Any]) -> LockOptions:
    """Check the user's options of the lock.

    :param given: the dictionary C(lock), raw or validated; empty for the defaults.
    :raises LockError: C(LOCK_INVALID).
    """
    options = Value(given, "lock", invalid).options(_options_spec())
    backend = BACKENDS[options.get("backend", LOCAL.name).choice(BACKENDS)]
    for other in BACKENDS.values():
        _refuse_stray(options, backend, other)
    return backend.read(options)


def _refuse_stray(options: Options, backend: Backend, other: Backend) -> None:
    """Refuse options of another backend: a user who only forgot to name it would believe that slots are shared there."""
    for option, spec in other.arguments.items():
        # Options with a default are present even if the user gave none.
        if option in options and option not in backend.arguments and "default" not in spec:
            raise options[option].misplaced("with backend %s; it belongs to backend %s" % (backend.name, other.name))


def make_lock(
    options: LockOptions,
    run_id: str,
    controller: str,
    *,
    directory: str | None = None,
    clock: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    progress: Callable[[str], None] = lambda text: None,
) -> SlotLock:
    """Make a lock; nothing is touched before it is opened.

    :param directory: for backends that keep files on the controller; by default below the XDG state directory.
    :raises LockError: C(LOCK_INVALID): the run ID can't be used as a name.
    """
    context = LockContext(
        run_id=plain_name(Value(run_id, "run_id", invalid)),
        controller=controller,
        directory=directory or default_directory(os.environ),
        clock=clock,
        now=now,
        progress=progress,
    )
    return options.lock(context)


def default_directory(environ: Mapping[str, str]) -> str:
    """Default directory of backends that keep files on the controller."""
    return state_directory(environ, "locks")
