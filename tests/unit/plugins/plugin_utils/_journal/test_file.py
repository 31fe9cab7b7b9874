# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal on real files: what is acknowledged stays, what is torn goes, and one process alone appends."""

from __future__ import annotations

import errno
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError
from ansible_collections.fleet.kexec.plugins.plugin_utils._errors import RolloutError
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import events
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.events import Record
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.fields import TEXT_MAX_CHARS
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.file import (
    Journal,
    lock_holder,
    read,
    time_of,
    utc,
)

from ....outcomes import code_of, peak_bytes
from ..stories import night, started, way

NOON_S = 1_795_521_600.123
WAIT_S = 20


@pytest.fixture
def path(tmp_path: Path) -> str:
    """An empty journal."""
    directory = tmp_path / "run"
    directory.mkdir(0o700)
    (directory / "journal.jsonl").touch(0o600)
    return str(directory / "journal.jsonl")


def write(path: str, *batches: list[Record]) -> None:
    with Journal(path, clock=lambda: NOON_S) as journal:
        for batch in batches:
            journal.append(batch)


def names_in(path: str) -> list[str]:
    return [record["event"] for record in read(path)[0]]


# The format.


def test_a_record_is_a_line_in_a_fixed_order(path: str) -> None:
    write(
        path,
        [started(["web1"])],
        [events.HostPreparing(host="web1").as_record(), events.HostSeen(host="web1", up=True).as_record()],
    )
    assert Path(path).read_text().splitlines()[1:] == [
        '{"v":1,"seq":2,"at":"2026-11-24T12:00:00.123Z","event":"host_preparing","host":"web1"}',
        '{"v":1,"seq":3,"at":"2026-11-24T12:00:00.123Z","event":"host_seen","host":"web1","up":true}',
    ]


def test_times_come_back() -> None:
    assert time_of(utc(NOON_S)) == NOON_S
    assert utc(0) == "1970-01-01T00:00:00.000Z"


def test_a_call_is_one_write_and_one_fsync(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def noting(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any) -> Any:
            calls.append(name)
            return call(*arguments)

        return noted

    with Journal(path) as journal:
        for name in ("write", "fsync"):
            monkeypatch.setattr(os, name, noting(name, getattr(os, name)))
        journal.append([started(["web1"]), *way("web1")])
        journal.append([])
        monkeypatch.undo()
    assert calls == ["write", "fsync"]


TEXTS = st.text(st.characters(), max_size=40)  # lone surrogates too, as undecodable bytes become in Python
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)


@given(st.lists(st.lists(st.dictionaries(TEXTS.map("x{}".format), VALUES, max_size=4), max_size=3), max_size=3))
@example([[{"x": 'a\r\n\x00\x1b[2J\x85\u2028"\\\ud800'}]])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read(path: str, batches: list[list[dict[str, Any]]]) -> None:
    os.truncate(path, 0)
    written = [[{"event": "other", **each} for each in batch] for batch in batches]
    write(path, [started([])], *written)
    found, torn = read(path)
    assert not torn
    assert [{key: record[key] for key in record if key not in ("v", "seq", "at")} for record in found[1:]] == list(
        chain.from_iterable(written)
    )
    lines = Path(path).read_bytes()
    assert lines.isascii()
    assert lines.count(b"\n") == len(lines.splitlines()) == len(found)


def test_hostile_names_and_output_stay_one_line(path: str) -> None:
    host = "web1\n{}\x00\x7f\udcff" + "x" * 1_000_000
    hook = events.HookEnded(
        host=host, hook="h", phase="before", attempts=1, ok=False, duration_ms=1, message="\x00\n" * 500_000
    ).as_record()
    write(path, [started([host]), hook])
    found, _torn = read(path)
    assert found[1]["host"] == found[0]["hosts"][0] == host
    assert len(found[1]["message"]) <= TEXT_MAX_CHARS
    assert Path(path).read_bytes().count(b"\n") == 2


@pytest.mark.parametrize(
    ("record", "error"),
    [
        ({"event": "x", "value": float("nan")}, ValueError),
        ({"event": "x", "value": b"bytes"}, TypeError),
        ({"event": "x", "seq": 7}, ValueError),
        ({"value": 1}, KeyError),
    ],
)
def test_a_mistake_of_ours_writes_nothing(path: str, record: dict[str, Any], error: type[Exception]) -> None:
    with Journal(path) as journal:
        journal.append([started([])])
        with pytest.raises(error):
            journal.append([events.HostSeen(host="web1", up=True).as_record(), record])
        journal.append([events.HostSeen(host="web2", up=True).as_record()])
    assert [record.get("host") for record in read(path)[0]] == [None, "web2"]


def test_a_journal_begins_with_the_run(path: str) -> None:
    with Journal(path) as journal, pytest.raises(ValueError, match="begins with run_started"):
        journal.append([events.HostPreparing(host="web1").as_record()])
    assert code_of(read, path) == "JOURNAL_DAMAGED"


# Torn and damaged.


def test_every_torn_end_is_ignored_and_cut_off(path: str) -> None:
    write(
        path,
        [started(["web1"]), events.HostPreparing(host="web1").as_record(), events.HostSeen(host="web1", up=True).as_record()],
    )
    whole = Path(path).read_bytes()
    ends = [index + 1 for index, byte in enumerate(whole) if byte == 0x0A]
    for size in range(ends[0], len(whole)):
        Path(path).write_bytes(whole[:size])
        complete = sum(end <= size for end in ends)
        found, torn = read(path)
        assert (len(found), torn) == (complete, size not in ends)
    replayed: list[Record] = []
    with Journal(path, replay=replayed.append) as journal:
        assert journal.torn
        assert Path(path).read_bytes() == whole[: ends[1]]
        journal.append([events.HostDraining(host="web1").as_record()])
    assert [record["seq"] for record in replayed] == [1, 2]
    assert names_in(path) == ["run_started", "host_preparing", "host_draining"]


def test_a_first_record_that_is_torn_leaves_an_empty_journal(path: str) -> None:
    Path(path).write_bytes(b'{"v":1,"se')
    assert code_of(read, path) == "JOURNAL_DAMAGED"
    write(path, [started([])])
    assert names_in(path) == ["run_started"]


def test_a_last_line_of_zeros_is_torn(path: str) -> None:
    write(path, [started([])])
    with open(path, "ab") as stream:
        stream.write(bytes(5000) + b"\n")
    assert [record["seq"] for record in read(path)[0]] == [1]
    write(path, [events.HostSeen(host="web1", up=True).as_record()])
    assert names_in(path) == ["run_started", "host_seen"]


def line(**changes: Any) -> bytes:
    record = {"v": 1, "seq": 2, "at": utc(NOON_S), "event": "host_seen", "host": "web1", "up": True, **changes}
    return json.dumps({key: value for key, value in record.items() if value is not None}).encode() + b"\n"


@pytest.mark.parametrize(
    ("middle", "said"),
    [
        (b"\n", "no JSON"),
        (b"garbage\n", "no JSON"),
        (b"\xff\xfe\n", "no JSON"),
        (b"[" * 100_000 + b"\n", "no JSON"),
        (line(up=float("nan")), "no JSON"),
        (b"[]\n", "no record"),
        (b"null\n", "no record"),
        (line(v=None), "no version"),
        (line(v="1"), "no version"),
        (line(v=True), "no version"),
        (line(v=2), "version 2"),
        (line(seq=3), "number 3"),
        (line(seq=1), "number 1"),
        (line(seq=2.0), "number 2.0"),
        (line(seq=None), "number None"),
        (line(event=None), "no event"),
        (line(at=5), "no event or no time"),
    ],
)
def test_damage_is_named_by_its_line(path: str, middle: bytes, said: str) -> None:
    write(path, [started(["web1"])])
    before = Path(path).read_bytes() + middle + line(seq=3)
    Path(path).write_bytes(before)
    with pytest.raises(RolloutError, match=said) as caught:
        read(path)
    assert (caught.value.reason.code, caught.value.details["line"]) == ("JOURNAL_DAMAGED", 2)
    assert code_of(Journal, path) == "JOURNAL_DAMAGED"
    assert Path(path).read_bytes() == before


def test_a_journal_of_another_version_or_without_its_beginning_is_refused(path: str) -> None:
    for first in (line(seq=1, v=2, event="run_started"), line(seq=1)):
        Path(path).write_bytes(first + line())
        assert code_of(read, path) == "JOURNAL_DAMAGED"


@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=8))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_is_a_refusal_or_a_beginning(path: str, where: int, bytes_: bytes) -> None:
    if not os.path.getsize(path):
        write(path, night())
    whole = Path(path).read_bytes()
    damaged = bytearray(whole)
    where %= len(whole)
    damaged[where : where + len(bytes_)] = bytes_
    Path(path).write_bytes(damaged)
    try:
        found, torn = read(path)
        assert torn == (len(found) < damaged.count(b"\n") or not damaged.endswith(b"\n"))
    except CodedError as error:
        assert error.reason.code == "JOURNAL_DAMAGED"
    Path(path).write_bytes(whole)


def test_an_endless_line_does_not_fill_the_memory(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[Journal.__module__], "LINE_MAX_BYTES", 100_000)
    write(path, [started([])])
    with open(path, "ab") as stream:
        stream.truncate(200_000_000)
    assert peak_bytes(lambda: read(path)) < 3_000_000
    assert code_of(read, path) == "JOURNAL_DAMAGED"
    os.truncate(path, 0)
    with Journal(path) as journal, pytest.raises(ValueError, match="bytes"):
        journal.append([started(["x" * 100_000])])


# A disk that is full, or worse.


@contextmanager
def file_size_limit(size_bytes: int) -> Iterator[None]:
    """As a full disk does, it takes a part of what is written, and then refuses (EFBIG)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_tears_nothing_and_can_be_tried_again(path: str) -> None:
    with Journal(path) as journal:
        journal.append([started(["web1"])])
        size = os.path.getsize(path)
        for room in (0, 1, 50, 200):
            with file_size_limit(size + room):
                assert code_of(journal.append, way("web1")) == "JOURNAL_FAILED"
            assert os.path.getsize(path) == size
        journal.append(way("web1"))
    found, torn = read(path)
    assert (len(found), torn) == (1 + len(way("web1")), False)


FULL_TMPFS = """
import json, os, subprocess, sys
from ansible_collections.fleet.kexec.plugins.plugin_utils._errors import RolloutError
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import file
if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", sys.argv[1]]).returncode:
    sys.exit(77)
path = sys.argv[1] + "/journal.jsonl"
os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
with file.Journal(path) as there:
    there.append([{"event": "run_started"}])
    done = 1
    try:
        while True:
            there.append([{"event": "host_seen", "host": "web%d" % number, "up": True} for number in range(30)])
            done += 30
    except RolloutError as error:
        code = error.reason.code, error.reason.message
found, torn = file.read(path)
print(json.dumps([code, done, len(found), torn]))
"""


def test_a_real_full_disk(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    ended = subprocess.run(
        ["unshare", "--map-root-user", "--mount", sys.executable, "-c", FULL_TMPFS, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0 and ("unshare" in ended.stderr or ended.returncode == 77):
        pytest.skip("no tmpfs can be mounted here; the limit of a file's size was tested above")
    (code, message), done, found, torn = json.loads(ended.stdout)
    assert code == "JOURNAL_FAILED"
    assert "No space left on device" in message
    assert (done, torn) == (found, False)
    assert done > 300


def test_after_a_failed_fsync_nothing_is_acknowledged_any_more(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal(path) as journal:
        journal.append([started([])])

        def fail(_fd: int) -> None:
            monkeypatch.undo()
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(os, "fsync", fail)
        assert code_of(journal.append, [events.HostPreparing(host="web1").as_record()]) == "JOURNAL_FAILED"
        assert code_of(journal.append, [events.HostPreparing(host="web1").as_record()]) == "JOURNAL_FAILED"
    assert names_in(path) == ["run_started"]


def test_an_interrupt_leaves_no_half_of_a_batch(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal(path) as journal:
        journal.append([started([])])

        def interrupt(_fd: int) -> None:
            monkeypatch.undo()
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            journal.append([events.HostPreparing(host="web1").as_record()])
        journal.append([events.HostPreparing(host="web2").as_record()])
    assert [record.get("host") for record in read(path)[0]] == [None, "web2"]


def remove(path: str) -> None:
    os.unlink(path)


def replace(path: str) -> None:
    Path(path + ".new").write_bytes(Path(path).read_bytes())
    os.replace(path + ".new", path)


def add(path: str) -> None:
    with open(path, "ab") as stream:
        stream.write(b"x")


def empty(path: str) -> None:
    os.truncate(path, 0)


@pytest.mark.parametrize("meddle", [remove, replace, add, empty])
def test_a_journal_that_others_meddled_with_is_given_up(path: str, meddle: Callable[[str], None]) -> None:
    with Journal(path) as journal:
        journal.append([started([])])
        before = Path(path).read_bytes()
        meddle(path)
        assert code_of(journal.append, [events.HostPreparing(host="web1").as_record()]) == "JOURNAL_FAILED"
        # Nor is it taken up again where it looks as it did.
        Path(path).write_bytes(before)
        assert code_of(journal.append, [events.HostPreparing(host="web1").as_record()]) == "JOURNAL_FAILED"


# Who may be there.


def test_links_are_not_followed(path: str, tmp_path: Path) -> None:
    write(path, [started([])])
    link = tmp_path / "linked"
    link.symlink_to(os.path.dirname(path))
    behind = str(link / "journal.jsonl")
    (Path(path).parent / "other.jsonl").symlink_to(path)
    for target in (behind, str(Path(path).parent / "other.jsonl")):
        assert code_of(read, target) == "JOURNAL_FAILED"
        assert code_of(Journal, target) == "JOURNAL_FAILED"


def test_what_is_no_file_is_refused_at_once(path: str) -> None:
    os.unlink(path)
    assert code_of(read, path) == "JOURNAL_FAILED"
    assert code_of(Journal, path) == "JOURNAL_FAILED"
    os.mkfifo(path, 0o600)
    assert code_of(read, path) == "JOURNAL_FAILED"
    assert code_of(Journal, path) == "JOURNAL_FAILED"


def test_what_others_can_write_is_refused(path: str) -> None:
    for target in (path, os.path.dirname(path)):
        mode = os.stat(target).st_mode
        os.chmod(target, mode | 0o020)
        assert code_of(Journal, path) == "JOURNAL_FAILED"
        os.chmod(target, mode)
    Journal(path).close()


def test_what_belongs_to_others_is_refused(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    with pytest.raises(RolloutError, match="belongs to uid"):
        Journal(path)


# The lock.

HOLDER = """
import os, subprocess, sys, time
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.file import Journal
journal = Journal(sys.argv[1])
child = subprocess.Popen(["sleep", "600"], close_fds=False, stdout=subprocess.DEVNULL)
fork = os.fork()
if not fork:
    os.close(1)
    time.sleep(600)
print(child.pid, fork, flush=True)
time.sleep(600)
"""


def test_a_run_is_locked_until_its_process_ends_and_no_longer(path: str) -> None:
    write(path, [started([])])
    with subprocess.Popen([sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        children = [int(pid) for pid in holder.stdout.readline().split()]
        try:
            with pytest.raises(RolloutError, match="in use by process %d" % holder.pid) as caught:
                Journal(path)
            assert (caught.value.reason.code, caught.value.details["pid"]) == ("RUN_LOCKED", holder.pid)
            assert names_in(path) == ["run_started"]
            holder.kill()
            holder.wait(WAIT_S)
            # Both of its children live on, the one that was started and the one that was forked.
            for pid in children:
                os.kill(pid, 0)
            write(path, [events.HostSeen(host="web1", up=True).as_record()])
        finally:
            holder.kill()
            for pid in children:
                os.kill(pid, signal.SIGKILL)
    assert len(children) == 2


def test_a_forked_child_can_neither_append_nor_unlock(path: str) -> None:
    with Journal(path) as journal:
        journal.append([started([])])
        child = os.fork()
        if not child:
            status = 1
            try:
                with journal:
                    journal.append([events.HostSeen(host="web1", up=True).as_record()])
            except RolloutError:
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert code_of(Journal, path) == "RUN_LOCKED"
        journal.append([events.HostSeen(host="web2", up=True).as_record()])
    assert len(read(path)[0]) == 2


def test_the_holder_is_found_where_devices_differ(path: str) -> None:
    inode = os.stat(path).st_ino
    with open(path, "rb") as stream:
        fd = stream.fileno()
        theirs = "1: FLOCK  ADVISORY  WRITE 42 00:ff:%d 0 EOF\n2: -> FLOCK  ADVISORY  WRITE 43 00:ff:%d 0 EOF\n" % (inode, inode)
        assert lock_holder(fd, theirs) == 42
        assert lock_holder(fd, theirs + "3: FLOCK  ADVISORY  WRITE 44 00:fe:%d 0 EOF\n" % inode) is None
        assert lock_holder(fd, "1: FLOCK  ADVISORY  WRITE 0 00:ff:%d 0 EOF\n" % inode) is None
        assert lock_holder(fd, "") is None


# Killed.

ROUNDS = 30


def write_until_killed(path: str, acknowledge_fd: int, size: int) -> None:
    """Append batches, and say after each how many records are there."""
    count = 0

    def counted(_record: Record) -> None:
        nonlocal count
        count += 1

    with Journal(path, replay=counted) as journal:
        if not count:
            journal.append([started(["web1"])])
            count = 1
        while True:
            batch = [
                {**events.HostSeen(host="web1", up=True).as_record(), "fill": "x" * size, "n": count + index + 1}
                for index in range(20)
            ]
            journal.append(batch)
            count += len(batch)
            os.write(acknowledge_fd, b"%d\n" % count)


def test_no_acknowledged_record_is_lost_however_its_writer_is_killed(path: str) -> None:
    draw = random.Random(5)
    torn = 0
    for round_ in range(ROUNDS):
        if os.path.getsize(path) > 3_000_000:
            os.truncate(path, 0)
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            try:
                write_until_killed(path, writing, draw.choice((10, 30_000)))
            finally:
                os._exit(1)
        os.close(writing)
        with open(reading, "rb") as stream:
            acknowledged = stream.readline()
            # Not a wait for anything: the moment of the kill is drawn.
            time.sleep(draw.uniform(0, 0.01))
            os.kill(child, signal.SIGKILL)
            acknowledged = (acknowledged + stream.read()).split(b"\n")[-2]
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
        found, _torn = read(path)
        assert len(found) >= int(acknowledged), round_
        assert [record["n"] for record in found[1:]] == list(range(2, len(found) + 1))
        with Journal(path) as journal:
            torn += journal.torn
        assert read(path) == (found, False)
    print("%d of %d kills tore a record" % (torn, ROUNDS))


def test_many_records_take_no_time(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An order of magnitude, which a quadratic mistake would miss; without fsync, which is the disk's matter."""
    hosts = ["host%05d.example.com" % number for number in range(2000)]
    batches = [[hook for host in hosts[start : start + 50] for hook in way(host)[3:4]] for start in range(0, 2000, 50)] * 10
    monkeypatch.setattr(os, "fsync", lambda _fd: None)
    began = time.process_time()
    write(path, [started(hosts)], *batches)
    written_s = time.process_time() - began
    found, _torn = read(path)
    read_s = time.process_time() - began - written_s
    assert len(found) == 20_001
    assert written_s < 2
    assert read_s < 2
