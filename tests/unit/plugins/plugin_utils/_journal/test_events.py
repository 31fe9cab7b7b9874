# SPDX-License-Identifier: GPL-3.0-or-later
"""The vocabulary and its documentation are the same, and what the documentation has one type works."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import events
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.events import EVENTS
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.fields import TEXT_MAX_CHARS, bounded
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.file import Journal

from ..stories import OF_PENDING, night

DOCUMENTATION = (Path(__file__).resolve().parents[5] / "docs/journal.md").read_text()


def test_every_event_is_documented_with_its_fields() -> None:
    rows = re.findall(r"^\| `((?:run|host|hook)_[a-z_]+)` \| (.*?) \| .+ \|$", DOCUMENTATION.split("## Events")[1], re.MULTILINE)
    documented = {event: re.findall(r"`([a-z_]+)`", fields) for event, fields in rows if event in EVENTS}
    written = {each["event"]: [key for key in each if key not in ("event", "host")] for each in [*night(), *OF_PENDING]}
    assert written.keys() == EVENTS.keys()
    assert documented == written
    assert list(documented) == list(EVENTS)


def test_an_event_is_named_after_its_class() -> None:
    assert events.HostPreparing(host="web1").as_record() == {"event": "host_preparing", "host": "web1"}


def test_texts_of_others_are_bounded_and_keep_both_ends() -> None:
    text = "".join(chr(65 + index % 26) for index in range(100_000))
    cut = bounded(text)
    assert len(cut) <= TEXT_MAX_CHARS
    head, left_out, tail = re.split(r"\n\[(\d+) characters left out\]\n", cut)
    assert text.startswith(head)
    assert text.endswith(tail)
    assert len(head) + int(left_out) + len(tail) == len(text)
    assert bounded("x" * TEXT_MAX_CHARS) == "x" * TEXT_MAX_CHARS
    assert len(bounded("x" * (TEXT_MAX_CHARS + 1))) <= TEXT_MAX_CHARS


def test_reasons_and_notes_are_bounded() -> None:
    long = "x" * 1_000_000
    refused = events.HostRefused(host="web1", reason=reason("LOCKDOWN", long)).as_record()
    assert len(refused["reason"]["message"]) <= TEXT_MAX_CHARS
    noted = events.HostPrepared(
        host="web1", method="kexec", token="", release="", staged=None, boot_id="", release_before="", notes=({"message": long},)
    ).as_record()
    assert len(noted["notes"][0]["message"]) <= TEXT_MAX_CHARS


# What each line of the section "At 3 a.m." prints for the run of stories.night().
PRINTED = [
    "db1 host_seen|web1 host_released|web2 host_failed|web3 host_down|web4 host_unstaged|web5 host_refused|web6 host_left_out|"
    "web7 host_failed",
    "web3",
    "web5 host_refused LOCKDOWN|web7 host_failed NOT_PROVEN|web2 host_failed REBOOT_TIMEOUT",
    "web1 Example Inc. Server 9 warn COIN_CELL_LOW nvme-SN0815 16 GT/s 8 GT/s",
    r'{"host":"web4","phase":"after","hook":"lb","attempts":2,"message":"out of the\n\tpool\u0000"}'
    r'|{"host":null,"phase":"run_after","hook":"silence","attempts":1,"message":"alerts\tsilenced\u0000"}',
    "8400 web1|8400 web7",
    "web4 drain",
    "run_started admin1|run_selected|run_stopping REBOOT_TIMEOUT|run_owes LOCK_OWED|run_resumed admin2|run_ended",
]


@pytest.mark.parametrize("number", range(len(PRINTED)))
def test_what_is_documented_for_3_a_m_works(tmp_path: Path, number: int) -> None:
    lines = re.findall(r"^jq .*$", DOCUMENTATION, re.MULTILINE)
    assert len(lines) == len(PRINTED)
    tmp_path.chmod(0o700)
    path = tmp_path / "journal.jsonl"
    path.touch(0o600)
    with Journal(str(path)) as journal:
        journal.append(night())
    with path.open("ab") as stream:
        stream.write(b'{"v":1,"seq":99,"at":"20')
    ended = subprocess.run(lines[number], shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)
    printed = ended.stdout.splitlines()
    assert len(printed) == len(PRINTED[number].split("|")), ended.stdout
    for line, expected in zip(printed, PRINTED[number].split("|"), strict=True):
        words = [expected] if expected.startswith("{") else expected.split()
        assert all(word in line for word in words), line


def test_a_field_of_an_earlier_journal_is_read_under_its_new_name() -> None:
    (prepared,) = [each for each in night() if each["event"] == "host_prepared" and each["host"] == "web1"]
    earlier = {**prepared, "combination": prepared["host_class"]}
    del earlier["host_class"]
    assert earlier["combination"] and events.event_of(earlier) == events.event_of(prepared)
