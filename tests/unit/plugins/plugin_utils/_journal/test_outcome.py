# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._errors import RolloutError
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import events
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.events import Record
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.file import Journal
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.outcome import (
    NotSelected,
    outcome_of,
    outcome_result,
    read_host,
)
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_state import RunState

from ....outcomes import code_of
from ..stories import TIMELINE, night, started, way


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    path = tmp_path / "journal.jsonl"
    path.touch(0o600)
    return path


def write(path: Path, written: list[Record]) -> str:
    with Journal(str(path)) as opened:
        opened.append(written)
    return str(path)


def test_one_host_is_read_as_if_all_were(journal: Path) -> None:
    path = write(journal, night())
    whole = RunState(timelines=True)
    for line in journal.read_text().splitlines():
        whole.read(json.loads(line))
    for name, host in whole.hosts.items():
        assert read_host(path, name) == host
    assert [outcome_of(host).status for host in whole.hosts.values()] == [
        "done",
        "failed",
        "unfinished",
        "discarded",
        "refused",
        "skipped",
        "failed",
    ]


def test_what_others_print_says_nothing_of_a_host(journal: Path) -> None:
    printed = '{"event":"host_released","host":"web1","duration_ms":1}\n'
    hook = events.HookEnded(
        host="web2", hook="h", phase="before", attempts=1, ok=True, duration_ms=1, message=printed
    ).as_record()
    noted = {"event": "later", "host": "web2", "about": {"host": "web1"}, "list": [{"host": "web1"}]}
    state = read_host(write(journal, [started(["web1", "web2"]), *way("web1")[:3], hook, noted]), "web1")
    assert outcome_of(state).status == "unfinished"


@pytest.mark.parametrize("name", ["wéb ß", 'a"b', "a\\b", "fe80::1%eth0", "\u202e"])
def test_names_that_json_writes_otherwise(journal: Path, name: str) -> None:
    assert outcome_of(read_host(write(journal, [started([name]), *way(name)]), name)).status == "done"


def test_a_line_that_is_still_being_written_is_left_out(journal: Path) -> None:
    write(journal, [started(["web1"]), *way("web1")])
    journal.write_bytes(journal.read_bytes()[:-1])
    assert outcome_of(read_host(str(journal), "web1")).status == "unfinished"


def test_a_host_of_another_run(journal: Path) -> None:
    with pytest.raises(RolloutError) as error:
        read_host(write(journal, night()), "web9")
    assert error.value.reason.code == "HOST_NOT_IN_RUN" and not isinstance(error.value, NotSelected)


def test_a_host_that_the_task_was_not_meant_for(journal: Path) -> None:
    with pytest.raises(NotSelected, match="db1: when: needs") as error:
        read_host(write(journal, night()), "db1")
    assert error.value.reason.code == "HOST_NOT_IN_RUN"


@pytest.mark.parametrize(
    "line",
    [
        '["x",{"host":"web1"}]',
        '{"event":"host_down","host":"web1","x":' + "[" * 100000 + "}",
        '{"event":"host_back","host":"web1"}',
        '{"host":"web1"}',
        '{"host":"web1",',
        '{"event":"host_failed","host":"web1","reason":7,"down":true,"phase":"x"}',
    ],
)
def test_a_damaged_line(journal: Path, line: str) -> None:
    path = write(journal, [started(["web1"])])
    with journal.open("a") as stream:
        stream.write(line + "\n")
    assert code_of(read_host, path, "web1") == "JOURNAL_DAMAGED"


@pytest.mark.parametrize(
    "first",
    ["", "\n", "[]\n", "7\n", "{}\n", '{"hosts":["web1"]}\n', '{"event":"later","hosts":["web1"],"run_id":"r"}\n', "\0\n"],
)
def test_a_journal_that_begins_with_nonsense(journal: Path, first: str) -> None:
    journal.write_text(first)
    assert code_of(read_host, str(journal), "web1") == "JOURNAL_DAMAGED"


def test_a_journal_that_is_a_link_or_not_there(journal: Path) -> None:
    write(journal, night())
    link = journal.parent / "link"
    link.symlink_to(journal)
    assert code_of(read_host, str(link), "web1") == "JOURNAL_FAILED"
    assert code_of(read_host, str(journal.parent / "none"), "web1") == "JOURNAL_FAILED"


def test_the_result_of_a_host() -> None:
    hosts = RunState.from_records(night()).hosts
    done = outcome_result(outcome_of(hosts["web1"]), {"ansible_facts": {"fleet_kexec": {"boot": {"boot_id": "old"}}}})
    assert "failed" not in done
    facts = done["ansible_facts"]["fleet_kexec"]
    assert facts["boot"] == {"boot_id": "old"} and facts["last_boot"]["path"] == "kexec"
    assert (facts["last_boot"]["probe_seen_by"], facts["last_boot"]["probe_outage_ms"]) == ("tcp 443", 9100)
    assert [note["code"] for note in facts["last_boot"]["notes"]] == ["VIRTIO_NO_RESET"]
    lost = outcome_result(outcome_of(hosts["web2"]), {})
    assert lost["failed"] and lost["code"] == "REBOOT_TIMEOUT" and lost["msg"].startswith("failed: web2 did not")
    assert "ansible_facts" not in lost
    skipped = outcome_result(outcome_of(hosts["web6"]), {})
    assert skipped["failed"] and skipped["code"] == "HOST_NOT_SELECTED"


def test_the_timeline_of_one_host_and_of_no_other_is_kept(journal: Path) -> None:
    """A resume of 10,000 hosts has no use for theirs."""
    path = write(journal, night())
    outcome = outcome_of(read_host(path, "web1"))
    assert outcome.timeline == TIMELINE
    assert outcome_of(read_host(path, "web2")).timeline is None
    assert RunState.from_records(night()).hosts["web1"].timeline is None
    facts = outcome_result(outcome, {})["ansible_facts"]["fleet_kexec"]
    assert facts["last_boot"]["timeline"] == outcome.timeline


def test_a_host_that_needs_no_reboot_succeeds_without_a_change(journal: Path) -> None:
    spared = events.HostNotNeeded(host="web1").as_record()
    outcome = outcome_of(read_host(write(journal, [started(["web1"]), spared]), "web1"))
    result = outcome_result(outcome, {})
    assert result == {"changed": False, "status": "not_needed", "outcome": {"status": "not_needed", "reasons": []}}
