# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a real file system: names, modes, links, and which is the newest."""

from __future__ import annotations

import os
import resource
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.file import Journal
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_store import Run, RunStore, default_directory

from ....outcomes import code_of
from ..stories import started

NOON_S = 1_795_521_600.0


def draws(*values: str) -> Callable[[int], str]:
    left = iter(values)
    return lambda count: next(left)[: 2 * count]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state/fleet.kexec/runs"


@pytest.fixture
def store(directory: Path) -> RunStore:
    return RunStore(str(directory))


def begin(store: RunStore, run_id: str, at_s: float) -> Run:
    run = store.new(run_id, at_s, draws())
    with Journal(run.journal, clock=lambda: at_s) as journal:
        journal.append([started([])])
    return run


def names(store: RunStore) -> list[str]:
    return [run.run_id for run in store.list()]


def mode(path: str | Path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def test_runs_are_where_xdg_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert default_directory({"XDG_STATE_HOME": "/s"}) == "/s/fleet.kexec/runs"
    for environ in ({}, {"XDG_STATE_HOME": ""}, {"XDG_STATE_HOME": "relative"}):
        assert default_directory(environ) == "/home/me/.local/state/fleet.kexec/runs"


def test_a_run_is_its_owners_alone(store: RunStore, directory: Path, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        run = store.new(None, NOON_S, draws("5f0c"))
    finally:
        os.umask(before)
    assert run.run_id == "20261124T120000Z-5f0c"
    assert run.journal == str(directory / run.run_id / "journal.jsonl")
    assert {mode(path) for path in (tmp_path / "state", directory.parent, directory, run.directory)} == {0o700}
    assert mode(run.journal) == 0o600
    assert os.path.getsize(run.journal) == 0


def test_a_name_that_is_drawn_twice_is_drawn_again(store: RunStore) -> None:
    store.new(None, NOON_S, draws("aaaa"))
    assert store.new(None, NOON_S, draws("aaaa", "aaaa", "bbbb")).run_id == "20261124T120000Z-bbbb"
    assert code_of(store.new, None, NOON_S, lambda _count: "aaaa") == "RUN_EXISTS"


@pytest.mark.parametrize(
    "run_id", ["", ".", "..", ".hidden", "a/b", "/etc", "../x", "a\n", "a\0b", "-x", "ä", "x" * 65, "a b", "$(id)"]
)
def test_a_name_that_is_not_plain_is_refused(store: RunStore, run_id: str, tmp_path: Path) -> None:
    assert code_of(store.new, run_id, NOON_S, draws()) == "RUN_ID_INVALID"
    assert code_of(store.open, run_id) == "RUN_ID_INVALID"
    assert list(tmp_path.iterdir()) == []


def test_no_run_can_be_called_latest(store: RunStore) -> None:
    assert code_of(store.new, "latest", NOON_S, draws()) == "RUN_ID_INVALID"


def test_a_name_is_taken_once_even_by_a_link(store: RunStore, directory: Path, tmp_path: Path) -> None:
    begin(store, "night", NOON_S)
    (directory / "planted").symlink_to(tmp_path / "elsewhere")
    (directory / "file").touch()
    for run_id in ("night", "planted", "file"):
        assert code_of(store.new, run_id, NOON_S, draws()) == "RUN_EXISTS"
    assert not (tmp_path / "elsewhere").exists()


def test_the_newest_is_the_one_that_began_last(store: RunStore) -> None:
    assert names(store) == []
    assert code_of(store.open, "latest") == "RUN_NOT_FOUND"
    for run_id, at_s in (("b", NOON_S), ("z", NOON_S - 3600), ("a", NOON_S + 0.5)):
        begin(store, run_id, at_s)
    assert names(store) == ["a", "b", "z"]
    assert store.open("latest") == store.open("a") == store.list()[0]
    assert store.open("z").started_at == "2026-11-24T11:00:00.000Z"
    assert code_of(store.open, "c") == "RUN_NOT_FOUND"


def test_a_run_that_never_began_is_none(store: RunStore, directory: Path) -> None:
    begin(store, "first", NOON_S)
    torn = store.new("torn", NOON_S + 1, draws())
    Path(torn.journal).write_bytes(b'{"v":1,"seq":1,"at":"2026-11-24T12:00:01.000Z","event":"run_sta')
    store.new("empty", NOON_S + 2, draws())
    (directory / "no-journal").mkdir()
    assert names(store) == ["first"]
    assert store.open("latest").run_id == "first"
    assert code_of(store.open, "torn") == "RUN_NOT_FOUND"


def test_a_damaged_run_is_not_passed_over(store: RunStore) -> None:
    """A resume of the newest run must not take up an older one because the newest can't be read."""
    begin(store, "old", NOON_S - 1_000_000_000)
    Path(begin(store, "new", NOON_S).journal).write_bytes(b"garbage\n")
    assert store.open("latest").run_id == "new"


def test_links_in_the_directory_are_not_followed(store: RunStore, directory: Path, tmp_path: Path) -> None:
    real = begin(RunStore(str(tmp_path / "elsewhere")), "real", NOON_S + 10)
    begin(store, "mine", NOON_S)
    (directory / "linked-run").symlink_to(real.directory)
    (directory / "linked-journal").mkdir()
    (directory / "linked-journal/journal.jsonl").symlink_to(real.journal)
    (directory / "fifo").mkdir()
    os.mkfifo(directory / "fifo/journal.jsonl")
    assert names(store) == ["mine"]
    assert code_of(store.open, "linked-run") == "RUN_NOT_FOUND"


def test_the_directory_itself_may_be_a_link(directory: Path, tmp_path: Path) -> None:
    begin(RunStore(str(directory)), "night", NOON_S)
    (tmp_path / "link").symlink_to(directory)
    assert names(RunStore(str(tmp_path / "link"))) == ["night"]


def test_a_directory_of_others_is_refused(store: RunStore, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(store, "night", NOON_S)
    directory.chmod(0o777)
    assert code_of(store.new, "x", NOON_S, draws()) == "JOURNAL_FAILED"
    directory.chmod(0o700)
    other = os.stat(directory).st_uid + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    assert code_of(store.new, "x", NOON_S, draws()) == "JOURNAL_FAILED"
    assert code_of(store.list) == "JOURNAL_FAILED"


def test_a_file_where_the_directory_should_be_is_refused(store: RunStore, directory: Path) -> None:
    directory.parent.mkdir(parents=True)
    directory.touch()
    assert code_of(store.new, "x", NOON_S, draws()) == "JOURNAL_FAILED"
    assert code_of(store.list) == "JOURNAL_FAILED"


def test_a_run_that_can_not_be_made_leaves_nothing(store: RunStore, directory: Path) -> None:
    begin(store, "night", NOON_S)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open("/", os.O_RDONLY)
    os.close(free)
    try:
        # Enough for the directory of all runs and the new one's, and none for its journal.
        resource.setrlimit(resource.RLIMIT_NOFILE, (free + 2, hard))
        assert code_of(store.new, "x", NOON_S, draws()) == "JOURNAL_FAILED"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [path.name for path in directory.iterdir()] == ["night"]


@pytest.mark.parametrize("left", [b"", b'{"v":1,"seq":1,"at":"2026-11-24T12:0', None])
def test_the_name_of_a_run_that_never_began_is_free(store: RunStore, left: bytes | None) -> None:
    run = store.new("night", NOON_S, draws())
    if left is None:
        os.unlink(run.journal)
    else:
        Path(run.journal).write_bytes(left)
    assert begin(store, "night", NOON_S + 1) == store.open("night")
    assert code_of(store.new, "night", NOON_S, draws()) == "RUN_EXISTS"


def test_a_directory_with_other_files_is_taken(store: RunStore) -> None:
    run = store.new("night", NOON_S, draws())
    Path(run.directory, "notes").touch()
    assert code_of(store.new, "night", NOON_S, draws()) == "RUN_EXISTS"


def test_a_run_that_never_began_can_be_removed_and_no_other(store: RunStore, directory: Path) -> None:
    begun, never = begin(store, "begun", NOON_S), store.new("never", NOON_S, draws())
    for run in (begun, never):
        store.abandon(run)
        store.abandon(run)
    assert [path.name for path in directory.iterdir()] == ["begun"]
