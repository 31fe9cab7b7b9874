# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the output goes: a real terminal, a pipe, a file."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._console.live import LiveView
from ansible_collections.fleet.kexec.plugins.plugin_utils._console.plain import PlainView
from ansible_collections.fleet.kexec.plugins.plugin_utils._console.screen import COLUMNS, LINES, screen_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_state import RunState
from ansible_collections.fleet.kexec.plugins.plugin_utils._text import ASCII, UNICODE

XTERM = {"TERM": "xterm", "LANG": "C.UTF-8"}


class Display:
    """Of Ansible."""

    verbosity = 0

    def display(self, text: str, **options: Any) -> None:
        """Is not called."""


@contextmanager
def playbook(stdout: Any) -> Iterator[int]:
    """A process that writes there."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=stdout, start_new_session=True)
    try:
        yield process.pid
    finally:
        process.communicate(b"\n")


@pytest.fixture
def terminal() -> Iterator[int]:
    """Its process's end."""
    ours, theirs = os.openpty()
    yield theirs
    os.close(ours)
    os.close(theirs)


def resize(terminal: int, columns: int, lines: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


def test_a_terminal_is_found_and_asked_for_its_size_each_time(terminal: int) -> None:
    with playbook(terminal) as pid:
        screen = screen_of(pid, XTERM)
        assert screen.terminal is not None
        resize(terminal, 132, 43)
        assert screen.size() == (132, 43)
        resize(terminal, 60, 20)
        assert screen.size() == (60, 20)
        resize(terminal, 0, 0)
        assert screen.size() == (COLUMNS, LINES), "one that does not tell"
        assert isinstance(screen.view(Display(), RunState(), {}), LiveView)
        os.close(screen.terminal)
        assert screen.size() == (COLUMNS, LINES), "one that is gone"


@pytest.mark.parametrize("environ", [{}, {"TERM": "dumb"}, {**XTERM, "AWX_ISOLATED_DATA_DIR": "/runner"}])
def test_a_terminal_that_nobody_looks_at(terminal: int, environ: dict[str, str]) -> None:
    with playbook(terminal) as pid:
        assert screen_of(pid, environ).terminal is None


def test_what_is_no_terminal(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    with (tmp_path / "log").open("wb") as log:
        for stdout in (writer, log, subprocess.DEVNULL):
            with playbook(stdout) as pid:
                before = len(os.listdir("/proc/self/fd"))
                screen = screen_of(pid, XTERM)
                assert screen.terminal is None and screen.size() == (COLUMNS, LINES)
                assert isinstance(screen.view(Display(), RunState(), {}), PlainView)
                assert len(os.listdir("/proc/self/fd")) == before, "nothing stays open"
    os.close(reader)
    os.close(writer)


def test_a_process_that_is_gone() -> None:
    with playbook(subprocess.DEVNULL) as pid:
        pass
    assert screen_of(pid, XTERM).terminal is None


@pytest.mark.parametrize(
    ("environ", "unicode"),
    [
        ({"LANG": "en_US.UTF-8"}, True),
        ({"LANG": "en_US.utf8"}, True),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "C"}, False),
        ({"LC_CTYPE": "C.UTF-8", "LANG": "C"}, True),
        ({"LC_ALL": "", "LANG": "C.UTF-8"}, True),
        ({}, False),
    ],
)
def test_glyphs_are_those_of_the_locale(environ: dict[str, str], unicode: bool) -> None:
    assert screen_of(os.getpid(), environ).glyphs is (UNICODE if unicode else ASCII)
