# SPDX-License-Identifier: GPL-3.0-or-later
"""The timelines that a host keeps."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._host.boot_history import (
    KEPT,
    PATH,
    read_history,
    with_timeline,
    write_history,
)
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles


def timeline(boot_id: str, phases: int = 1, **more: Any) -> dict[str, Any]:
    return {"boot_id": boot_id, "phases": [{"name": "p%d" % number} for number in range(phases)], **more}


@pytest.fixture
def files(tmp_path: Path) -> HostFiles:
    return HostFiles(str(tmp_path))


def test_there_is_none_at_first(files: HostFiles) -> None:
    assert read_history(files) == []


def test_it_is_kept_for_root_alone(files: HostFiles) -> None:
    history, _kept = with_timeline(read_history(files), timeline("a"))
    write_history(files, history)
    assert read_history(files) == [timeline("a")]
    assert os.stat(files.path(PATH)).st_mode & 0o777 == 0o600
    assert os.stat(os.path.dirname(files.path(PATH))).st_mode & 0o777 == 0o700
    assert os.listdir(os.path.dirname(files.path(PATH))) == ["history.jsonl"]


def test_the_last_hundred_boots_are_kept() -> None:
    history: list[dict[str, Any]] = []
    for number in range(KEPT + 5):
        history, _kept = with_timeline(history, timeline("boot%d" % number))
    assert [each["boot_id"] for each in history] == ["boot%d" % number for number in range(5, KEPT + 5)]


def test_a_boot_is_there_once_with_what_was_said_last() -> None:
    history, kept = with_timeline([timeline("a"), timeline("b", 3, of="first")], timeline("b", 3, of="later"))
    assert history == [timeline("a"), timeline("b", 3, of="later")] and kept["of"] == "later"


def test_what_says_less_replaces_nothing() -> None:
    """What the system before had left is read once, and gone then."""
    before = [timeline("b", 9)]
    assert with_timeline(before, timeline("b", 5)) == (before, before[0])


def test_what_cannot_be_understood_is_left_out(files: HostFiles) -> None:
    write_history(files, [timeline("a"), timeline("b")])
    path = Path(files.path(PATH))
    path.write_bytes(b'{"boot_id": 7, "phases": []}\n[]\n\xff\n{"boot_id":\n' + path.read_bytes() + b'{"boot_id":"c"}\n{"boot')
    history = read_history(files)
    assert history == [timeline("a"), timeline("b")]
    write_history(files, history)
    assert len(path.read_text().splitlines()) == 2


def test_a_history_that_cannot_be_written_stays_as_it_was(files: HostFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    write_history(files, [timeline("a")])

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_history(files, [timeline("b")])
    assert read_history(files) == [timeline("a")]
