# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the lock that all backends have, and the choice of a backend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.interface import (
    BACKENDS,
    lock_options,
    make_lock,
)
from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.local import LocalOptions
from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.model import LockError
from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.options import ARGUMENTS

from .driven import DrivenLock


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "zookeeper"}, "lock.backend is 'zookeeper', but has to be one of local, etcd"),
        ({"slot": 1}, "lock has no 'slot'; it takes backend, name, slots, timeout_s, "),
        ({"name": "a/b"}, "lock.name is 'a/b', but has to be up to 100 letters, digits, dots, dashes and underscores"),
        ({"name": ".."}, "lock.name is '..', but has to be"),
        ({"slots": 0}, "lock.slots is 0, but has to be a whole number of at least 1"),
        ({"slots": "many"}, "lock.slots is 'many', but has to be a whole number"),
        ({"slots": 1.5}, "lock.slots is 1.5, but has to be a whole number"),
        ({"slots": True}, "lock.slots is True, but has to be a whole number"),
        ({"timeout_s": 0}, "lock.timeout_s is 0, but has to be a number of seconds, more than 0 and at most 60"),
        ({"timeout_s": 61}, "lock.timeout_s is 61, but has to be"),
        ({"timeout_s": float("nan")}, "lock.timeout_s is nan, but has to be"),
        ({"username": "me"}, "lock.username has to be left out with backend local; it belongs to backend etcd"),
        ({"endpoints": ["http://x"]}, "lock.endpoints has to be left out with backend local; it belongs to backend etcd"),
    ],
)
def test_nonsense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(LockError) as caught:
        lock_options(options)
    assert caught.value.reason.code == "LOCK_INVALID"
    assert message in caught.value.reason.message


def test_a_run_and_a_host_need_a_name(tmp_path: Path) -> None:
    with pytest.raises(LockError, match=r"run_id is '\.\./run', but has to be"):
        make_lock(lock_options({}), "../run", "ctl")
    lock = DrivenLock(make_lock(lock_options({}), "run", "ctl", directory=str(tmp_path)))
    for host in ("", "x" * 241):
        with pytest.raises(LockError, match="a host's name has to have 1 to 240 characters"):
            lock.acquire(host)


def test_without_options_there_is_no_limit() -> None:
    # Those with a default are there though nobody has given them.
    for given in ({}, {"slots": None, "prefix": "/fleet.kexec", "ttl_s": 30, "validate_certs": True}):
        options = lock_options(given)
        assert options == LocalOptions(name="default", slots=None, timeout_s=5.0)
        assert options.machines == ()


def test_numbers_may_be_text() -> None:
    assert lock_options({"slots": "3", "timeout_s": "2.5"}) == LocalOptions(name="default", slots=3, timeout_s=2.5)


def test_no_two_backends_mean_two_things_by_one_option() -> None:
    # What they share belongs to all.
    owned = [option for backend in BACKENDS.values() for option in backend.arguments]
    assert len(set(owned)) == len(owned)
    assert not set(owned) & {"backend", *ARGUMENTS}
