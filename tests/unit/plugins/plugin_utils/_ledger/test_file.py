# SPDX-License-Identifier: GPL-3.0-or-later
"""The file is replaced in one step, survives damage of every kind, and can't be made to hurt."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger import format as ledger_format
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.errors import LedgerError
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.file import change_ledger, read_ledger
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.format import decode, encode
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.model import Clearing, Ledger, LedgerResult

from .ledgers import R650, X9, at, ledger_of, source, tally

LEDGER = ledger_of(
    source(1), source(2, tallies={X9: tally(LedgerResult.FAILED)}, failed={X9: at(3)}), source(3, began_s=5)
).with_clearing([X9], Clearing(at(9), "kim", "a cable"))


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "ledger.json")


def test_a_ledger_that_is_not_there(path: str) -> None:
    assert read_ledger(path) is None


def test_a_change_is_written_once(path: str) -> None:
    first = change_ledger(path, lambda ledger: ledger.merged(LEDGER))
    again = change_ledger(path, lambda ledger: ledger.merged(LEDGER))
    assert (first.changed, again.changed) == (True, False)
    assert read_ledger(path) == LEDGER
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert sorted(os.listdir(os.path.dirname(path))) == [".ledger.json.lock", "ledger.json"]


def test_check_mode_writes_nothing(path: str) -> None:
    assert change_ledger(path, lambda ledger: LEDGER, check=True).changed
    assert os.listdir(os.path.dirname(path)) == []


def test_a_ledger_that_is_cut_or_changed_at_any_byte_is_never_a_crash(path: str) -> None:
    content = encode(LEDGER)
    for position in range(len(content)):
        for damaged in (
            content[:position],
            content[:position] + b"\xff" + content[position + 1 :],
            content[:position] + b"9" + content[position + 1 :],
        ):
            try:
                decode(damaged, path)
            except LedgerError as error:
                assert error.reason.code == "LEDGER_DAMAGED"
                assert len(error.reason.message) < 1000
                assert error.reason.message.isprintable()


def test_a_damaged_ledger_is_set_aside_and_begun_anew(path: str) -> None:
    Path(path).write_text("{")
    change = change_ledger(path, lambda ledger: ledger.merged(LEDGER))
    assert change.damage is not None
    assert change.before is None
    assert read_ledger(path) == LEDGER
    assert Path(path + ".damaged").read_text() == "{"


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
        lambda of: st.lists(of) | st.dictionaries(st.text(), of),
    )
)
def test_other_json_is_refused(value: object) -> None:
    with pytest.raises(LedgerError):
        decode(json.dumps(value).encode(), "l")


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('"version": 1', '"version": 2'),
        ("Supermicro X9", "Supermicro\\u001b[31m X9"),
        ("a cable", "a\\ncable"),
        ('"kexec":1', '"kexec":-1'),
        ('"kexec":1', '"kexec":1e999'),
        ('"kexec":1', '"kexec":NaN'),
        ('"kexec":1', '"kexec":true'),
        ('"class":0', '"class":-1'),
        ('"class":0', '"class":7'),
        ('"105":1', '"249":1'),
        ('"outage"', '"../outage"'),
        ('"kind":"run"', '"kind":"other"'),
        ("2026-11-24T00:00:09.000Z", "tomorrow"),
        ("kim", "k" * 300),
    ],
)
def test_what_is_not_as_it_should_be_is_refused(was: str, becomes: str) -> None:
    content = encode(LEDGER).decode()
    assert was in content
    with pytest.raises(LedgerError):
        decode(content.replace(was, becomes, 1).encode(), "l")


def test_a_deep_ledger_is_refused() -> None:
    with pytest.raises(LedgerError):
        decode(b"[" * 1_000_000, "l")


def test_a_link_is_not_followed(path: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(encode(LEDGER))
    os.symlink("elsewhere", path)
    with pytest.raises(LedgerError) as caught:
        read_ledger(path)
    assert caught.value.reason.code == "LEDGER_FAILED"


def test_a_directory_that_others_could_write_to_is_refused(path: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(LedgerError) as caught:
        change_ledger(path, lambda ledger: LEDGER)
    assert caught.value.reason.code == "LEDGER_FAILED"


def test_a_lock_is_waited_for_and_not_for_ever(path: str) -> None:
    waits: list[float] = []
    descriptor = os.open(os.path.dirname(path) + "/.ledger.json.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            os.close(descriptor)

    assert change_ledger(path, lambda ledger: LEDGER, wait=wait).changed
    assert len(waits) == 3
    with open(os.path.dirname(path) + "/.ledger.json.lock") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(LedgerError, match="lock"):
            change_ledger(path, lambda ledger: LEDGER, wait=lambda seconds: None)


def test_a_ledger_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_format, "MAX_BYTES", 1200)
    many = ledger_of(*(source(number, began_s=number) for number in range(50))).merged(LEDGER)
    content = encode(many)
    assert len(content) <= 1200
    left = decode(content, "l")
    assert 0 < len(left.sources) < 50
    assert left.cleared == LEDGER.cleared
    assert R650 in left.tallies()


def test_no_host_is_named() -> None:
    assert b"web1" not in encode(LEDGER)
    assert encode(Ledger()) == encode(decode(encode(Ledger()), "l"))
