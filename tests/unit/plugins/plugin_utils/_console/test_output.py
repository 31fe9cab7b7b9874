# SPDX-License-Identifier: GPL-3.0-or-later
"""Pipes whose reader has gone, or pauses: real ones. A playbook whose reader goes is in test_closed_output.py."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._console import output as output_module
from ansible_collections.fleet.kexec.plugins.plugin_utils._console.output import BACKLOG_MAX_BYTES, Output, has_reader


class Display:
    """Of Ansible, in a worker: it sends everything through a queue."""

    def __init__(self, verbosity: int = 0) -> None:
        self.verbosity = verbosity
        self._final_q = get_context("fork").SimpleQueue()

    def display(self, text: str, **_options: Any) -> None:
        self._final_q.put(text)

    def vv(self, text: str, host: str) -> None:
        self._final_q.put(text)

    def taken(self) -> list[str]:
        """As the playbook takes it."""
        found = []
        while not self._final_q.empty():
            found.append(self._final_q.get())
        return found


@pytest.fixture
def reader() -> Iterator[Any]:
    """Process that writes to a pipe; its C(stdout) is the reader's end."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    yield process
    process.communicate(b"\n") if not process.stdout.closed else process.kill()  # type: ignore[union-attr]
    process.wait()


def stdout_of(process: Any) -> str:
    return "/proc/%d/fd/1" % process.pid


def test_a_pipe_is_read_until_its_reader_ends(reader: Any) -> None:
    assert has_reader(stdout_of(reader))
    reader.stdout.close()
    assert not has_reader(stdout_of(reader))


def test_a_named_pipe_without_a_reader_and_what_is_no_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert not has_reader(str(tmp_path / "fifo"))
    (tmp_path / "log").touch()
    assert has_reader(str(tmp_path / "log"))
    assert has_reader(str(tmp_path / "nothing")), "which says nothing"


def test_a_rollout_does_not_wait_for_a_reader_who_pauses() -> None:
    display = Display(verbosity=2)
    output = Output(display, os.getppid())
    for number in range(10_000):
        output.display("line %d of what happens to some host" % number, newline=True)
        output.progress("web1", "more about it")
    taken = display.taken()
    assert len(taken) > 100 and sum(map(len, taken)) <= BACKLOG_MAX_BYTES
    output.display("once it is read again")
    assert display.taken() == ["once it is read again"]


def test_what_nobody_can_read_is_not_sent(reader: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getppid", lambda: reader.pid)
    display = Display(verbosity=2)
    output = Output(display, reader.pid)
    output.say("a plan")
    assert not output.lost
    reader.stdout.close()
    output.say("more of it")
    output.display("and more")
    output.progress("web1", "and this")
    assert output.lost
    assert display.taken() == ["a plan"]


@pytest.mark.parametrize("taken", [True, False])
def test_a_playbook_that_takes_nothing_any_more_is_known_by_it(reader: Any, monkeypatch: pytest.MonkeyPatch, taken: bool) -> None:
    monkeypatch.setattr(os, "getppid", lambda: reader.pid)
    monkeypatch.setattr(output_module, "TAKEN_TIMEOUT_S", 0.2)
    display = Display()
    output = Output(display, reader.pid)
    assert output.takes_results(), "somebody reads"
    reader.stdout.close()
    if taken:
        monkeypatch.setattr(time, "sleep", lambda _s: display.taken())
    assert output.takes_results() is taken


def test_a_playbook_that_is_gone_takes_nothing() -> None:
    output = Output(Display(), os.getppid() + 1)
    assert output.lost
    assert not output.takes_results()
