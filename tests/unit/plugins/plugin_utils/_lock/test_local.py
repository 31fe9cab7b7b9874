# SPDX-License-Identifier: GPL-3.0-or-later
"""What is only so in a directory."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.interface import default_directory, lock_options, make_lock
from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.model import LockError

from .contender import Contender
from .driven import DrivenLock


def local(directory: Path, run_id: str = "run", **options: Any) -> DrivenLock:
    return DrivenLock(make_lock(lock_options({"timeout_s": 0.2, **options}), run_id, "ctl", directory=str(directory)))


def test_no_limit_unless_asked_for(tmp_path: Path) -> None:
    one, other = local(tmp_path / "locks", "one"), local(tmp_path / "locks", "other")
    assert one.holders() == []
    one.open()
    other.open()
    assert all(one.acquire("web%d" % number) for number in range(20))
    assert not other.acquire("web0")
    with pytest.raises(LockError, match="has no limit recorded, but this run asks for 3 slots"):
        local(tmp_path / "locks", "limited", slots=3).open()
    one.close()
    other.close()


@pytest.mark.parametrize("slots", [None, 3])
def test_only_what_is_limited_has_to_outlast_a_loss_of_power(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slots: int | None
) -> None:
    lock = local(tmp_path / "locks", slots=slots)
    lock.open()
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    assert lock.acquire("web1")
    # The file and its directory.
    assert len(synced) == (0 if slots is None else 2)
    lock.release("web1")
    assert len(synced) == (0 if slots is None else 3)
    lock.close()


@pytest.mark.parametrize("slots", [None, 3])
def test_a_torn_slot_is_in_the_way_of_a_limit_only(tmp_path: Path, slots: int | None) -> None:
    lock = local(tmp_path / "locks", slots=slots)
    lock.open()
    slot = tmp_path / "locks/default/slots/web1.json"
    slot.touch()
    assert lock.acquire("web1") is (slots is None)
    assert (slot.stat().st_size > 0) is (slots is None)
    lock.close()


def test_files_are_private(tmp_path: Path) -> None:
    lock = local(tmp_path / "locks", slots=1)
    lock.open()
    assert lock.acquire("web1")
    paths = list((tmp_path / "locks").rglob("*"))
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_dir()} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_file()} == {0o600}
    assert (tmp_path / "locks/default/slots/web1.json").is_file()
    lock.close()
    assert list((tmp_path / "locks/default/runs").iterdir()) == []


@pytest.mark.parametrize("link", ["default", "default/slots", "default/guard", "default/total.json", "default/runs/run"])
def test_links_are_not_followed(tmp_path: Path, link: str) -> None:
    locks, elsewhere = tmp_path / "locks", tmp_path / "elsewhere"
    path = locks / link
    path.parent.mkdir(parents=True)
    for directory in (locks, path.parent):
        directory.chmod(0o700)
    if link in ("default", "default/slots"):
        elsewhere.mkdir(0o700)
    else:
        elsewhere.write_text("mine")
    path.symlink_to(elsewhere)
    with pytest.raises(LockError) as caught:
        local(locks).open()
    assert caught.value.reason.code == "LOCK_UNAVAILABLE"
    assert elsewhere.is_dir() or elsewhere.read_text() == "mine"
    assert elsewhere.is_file() or list(elsewhere.iterdir()) == []


def test_one_process_for_each_run(start_with: Callable[[dict[str, Any], str], Contender]) -> None:
    first, second = (start_with({"timeout_s": 0.3}, "run") for _number in range(2))
    assert first.call("open") is None
    assert first.call("acquire", "web1") is True
    os.kill(first.process.pid, signal.SIGSTOP)
    assert second.call("open") == "LOCK_LOST"
    assert second.call("acquire", "web1") == "LOCK_LOST"
    os.kill(first.process.pid, signal.SIGCONT)
    assert first.call("confirm", "web1") is None
    first.process.kill()
    assert second.call("open") is None
    assert second.call("acquire", "web1") is True
    assert second.call("confirm", "web1") is None


def test_a_directory_that_others_can_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks").chmod(0o770)
    with pytest.raises(LockError, match="no rights for others"):
        local(tmp_path / "locks").open()


def test_a_slot_that_was_freed_by_hand(tmp_path: Path) -> None:
    lock = local(tmp_path / "locks")
    lock.open()
    assert lock.acquire("web1")
    (tmp_path / "locks/default/slots/web1.json").unlink()
    with pytest.raises(LockError) as caught:
        lock.confirm("web1")
    assert caught.value.reason.code == "LOCK_LOST"


def test_a_lease_that_was_removed_by_hand(tmp_path: Path) -> None:
    lock = local(tmp_path / "locks")
    lock.open()
    assert lock.acquire("web1")
    (tmp_path / "locks/default/runs/run").unlink()
    with pytest.raises(LockError, match="was removed"):
        lock.confirm("web1")


def test_a_damaged_record_counts(tmp_path: Path) -> None:
    lock = local(tmp_path / "locks", slots=1)
    lock.open()
    assert lock.acquire("web1")
    (tmp_path / "locks/default/slots/web1.json").write_text("{")
    assert not lock.acquire("web2")
    assert not lock.acquire("web1")
    assert [(holder.host, holder.run_id) for holder in lock.holders()] == [("web1", "")]
    with pytest.raises(LockError, match="can't be read") as caught:
        lock.release("web1")
    assert caught.value.reason.code == "SLOT_OWED"


def test_a_damaged_record_is_of_no_use_without_a_limit(tmp_path: Path) -> None:
    lock = local(tmp_path / "locks")
    lock.open()
    assert lock.acquire("web1")
    (tmp_path / "locks/default/slots/web1.json").write_text("")
    lock.release("web1")
    assert lock.holders() == []


def test_a_guard_that_is_held_is_waited_for_in_bounds(tmp_path: Path) -> None:
    lock = local(tmp_path / "locks")
    lock.open()
    guard = os.open(tmp_path / "locks/default/guard", os.O_RDWR)
    fcntl.flock(guard, fcntl.LOCK_EX)
    with pytest.raises(LockError) as caught:
        lock.acquire("web1")
    assert caught.value.reason.code == "LOCK_UNAVAILABLE"
    os.close(guard)
    assert lock.acquire("web1")


def test_where_it_is_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert default_directory({"XDG_STATE_HOME": "/state"}) == "/state/fleet.kexec/locks"
    assert default_directory({"XDG_STATE_HOME": "relative"}) == "/home/me/.local/state/fleet.kexec/locks"
    assert default_directory({}) == "/home/me/.local/state/fleet.kexec/locks"
