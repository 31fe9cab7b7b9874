# SPDX-License-Identifier: GPL-3.0-or-later
"""Following of journals that are written, cut off, taken back, replaced and damaged meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.plugin_utils._errors import RolloutError
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import events
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.file import Journal
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.follow import JournalFollower, RunsFollower
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_store import RunStore

from .. import stories

NIGHT = stories.night()


class Runs:
    """A store of runs that are being written, and what a follower has told of them."""

    def __init__(self, directory: Path, *, past: bool = False) -> None:
        self.store = RunStore(str(directory))
        self.complaints: list[str] = []
        self.follower = RunsFollower(str(directory), past=past, complain=self._complain)

    def _complain(self, error: RolloutError) -> None:
        self.complaints.append(error.reason.code)

    def begin(self, run_id: str) -> Path:
        return Path(self.store.new(run_id, 0.0, lambda count: os.urandom(count).hex()).journal)

    def told(self) -> list[tuple[str, int]]:
        """Run and number of each new record."""
        return [(name, record["seq"]) for name, record in self.follower.new_records()]


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "runs")


def append(journal: Path, records: list[dict[str, Any]]) -> None:
    with Journal(str(journal)) as opened:
        opened.append(records)


def lines(tmp_path: Path) -> list[bytes]:
    """Lines of a whole journal."""
    journal = Runs(tmp_path / "whole").begin("night")
    append(journal, NIGHT)
    return journal.read_bytes().splitlines(keepends=True)


def numbers(follower: JournalFollower) -> list[int]:
    return [record["seq"] for record in follower.new_records()]


def test_a_directory_and_runs_that_appear_later(runs: Runs) -> None:
    assert runs.told() == []
    journal = runs.begin("night")
    assert runs.told() == []
    append(journal, NIGHT[:2])
    assert runs.told() == [("night", 1), ("night", 2)]
    assert runs.told() == []
    append(runs.begin("other"), NIGHT[:1])
    append(journal, NIGHT[2:4])
    assert runs.told() == [("night", 3), ("night", 4), ("other", 1)]
    assert not runs.complaints


def test_what_was_there_at_the_first_look_is_told_only_on_request(runs: Runs, tmp_path: Path) -> None:
    journal = runs.begin("night")
    append(journal, NIGHT[:3])
    assert runs.told() == []
    assert Runs(tmp_path / "runs", past=True).told() == [("night", 1), ("night", 2), ("night", 3)]
    append(journal, NIGHT[3:5])
    assert runs.told() == [("night", 4), ("night", 5)]


def test_a_journal_that_is_not_needed_is_not_read(runs: Runs) -> None:
    journal = runs.begin("old")
    append(journal, NIGHT[:1])
    journal.write_bytes(b"no journal any more\n")
    assert runs.told() == [] and not runs.complaints


@given(data=st.data())
def test_a_journal_that_is_cut_at_any_byte_is_told_once_and_in_order(data: st.DataObject, tmp_path_factory: Any) -> None:
    directory = tmp_path_factory.mktemp("cut")
    content = b"".join(lines(directory))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=8)))
    journal = directory / "journal.jsonl"
    follower = JournalFollower(str(journal))
    told: list[int] = []
    for end in [*cuts, len(content)]:
        journal.write_bytes(content[:end])
        told += numbers(follower)
    assert told == list(range(1, len(NIGHT) + 1))


def test_what_a_killed_controller_left_is_not_told(tmp_path: Path) -> None:
    whole = lines(tmp_path)
    journal = tmp_path / "journal.jsonl"
    follower = JournalFollower(str(journal))
    # An incomplete line, and a line whose bytes did not all get to the disk; a resume cuts both off.
    for torn in (whole[3][:20], b"\x00" * 40 + b"\n"):
        journal.write_bytes(b"".join(whole[:3]) + torn)
        assert numbers(follower) in ([1, 2, 3], [])
    journal.write_bytes(b"".join(whole[:5]))
    assert numbers(follower) == [4, 5]


def test_records_that_were_taken_back_are_replaced(tmp_path: Path) -> None:
    whole = lines(tmp_path)
    journal = tmp_path / "journal.jsonl"
    follower = JournalFollower(str(journal))
    journal.write_bytes(b"".join(whole[:6]))
    assert numbers(follower) == [1, 2, 3, 4, 5, 6]
    # Others take their place: shorter ones at first, then more.
    instead = whole[4].replace(b'"at":"', b'"x":"","at":"')
    journal.write_bytes(b"".join([*whole[:4], instead]))
    assert numbers(follower) == [5]
    journal.write_bytes(b"".join([*whole[:4], instead, *whole[5:8]]))
    assert numbers(follower) == [6, 7, 8]


def test_a_copy_in_its_place_is_gone_on_with_and_another_journal_is_begun(tmp_path: Path) -> None:
    whole = lines(tmp_path)
    journal = tmp_path / "journal.jsonl"
    follower = JournalFollower(str(journal))
    journal.write_bytes(b"".join(whole[:4]))
    assert numbers(follower) == [1, 2, 3, 4]
    copy = tmp_path / "copy"
    copy.write_bytes(b"".join(whole[:5]))
    copy.replace(journal)
    assert numbers(follower) == [5]
    # As a rotation by copy and truncation does it.
    journal.write_bytes(b"")
    assert numbers(follower) == []
    journal.write_bytes(whole[0].replace(b"admin1", b"admin9"))
    assert numbers(follower) == [1]


def test_a_damaged_journal_is_complained_about_once_and_the_others_are_told(runs: Runs) -> None:
    journal = runs.begin("night")
    runs.told()
    append(journal, NIGHT[:5])
    content = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*content[:2], content[4]]))
    append(runs.begin("other"), NIGHT[:1])
    assert runs.told() == [("night", 1), ("night", 2), ("other", 1)]
    assert runs.complaints == ["JOURNAL_DAMAGED"]
    assert runs.told() == [] and len(runs.complaints) == 1


def test_links_special_files_and_strange_names_are_left_alone(runs: Runs, tmp_path: Path) -> None:
    append(runs.begin("night"), NIGHT[:1])
    fresh = Runs(tmp_path / "runs", past=True)
    directory = tmp_path / "runs"
    (directory / "link").symlink_to("night")
    (directory / "linked").mkdir()
    (directory / "linked/journal.jsonl").symlink_to("../night/journal.jsonl")
    (directory / "pipe").mkdir()
    os.mkfifo(directory / "pipe/journal.jsonl")
    (directory / "{{ x }}").mkdir()
    (directory / "{{ x }}/journal.jsonl").write_bytes((directory / "night/journal.jsonl").read_bytes())
    assert fresh.told() == [("night", 1)]


def test_a_run_that_was_removed_is_another_one_when_it_is_there_again(runs: Runs) -> None:
    journal = runs.begin("night")
    runs.told()
    append(journal, NIGHT[:2])
    assert len(runs.told()) == 2
    journal.unlink()
    assert runs.told() == []
    journal.touch(0o600)
    append(journal, [dict(NIGHT[0], controller="admin9"), events.HostPreparing(host="web1").as_record()])
    assert runs.told() == [("night", 1), ("night", 2)]


def test_it_needs_no_ansible() -> None:
    # ansible-rulebook may live in an environment without it.
    program = """
import sys
class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "ansible":
            raise ImportError(name)
sys.meta_path.insert(0, Nowhere())
import ansible_collections.fleet.kexec.plugins.plugin_utils._journal.follow
import ansible_collections.fleet.kexec.plugins.plugin_utils._journal.publish
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
