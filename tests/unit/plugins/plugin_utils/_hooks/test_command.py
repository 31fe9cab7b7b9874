# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands, with real processes; only hosts are simulated."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.command import CommandOnController, CommandOnHost
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.hook import Hook

from .hosts import hook, outcome_of, run

ODD_ARGUMENTS = ("a b", "it's", '"', "$HOME `id` $(id) \\", "two\nlines\n", "", "*", "ä")
PRINT_ARGUMENTS = (sys.executable, "-c", "import sys; print(ascii(sys.argv[1:]))")


def test_a_command_on_the_host_with_defaults() -> None:
    argv = ("/usr/local/bin/drain", "a b", "'\"$x\n", "")
    assert hook(command=list(argv)) == Hook("command drain", CommandOnHost(argv), 60.0, 0, 1.0)


def test_a_command_on_the_controller_with_everything_set() -> None:
    parsed = hook(controller_command=["sleep", 5], name=" drain x ", timeout=2.5, retries=3, delay=0)
    assert parsed == Hook("drain x", CommandOnController(("sleep", "5")), 2.5, 3, 0.0)


def is_running(pid: int) -> bool:
    try:
        # Whoever inherits an orphan may take its time to reap it.
        return Path("/proc/%d/stat" % pid).read_text(encoding="ascii").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def eventually(condition: Callable[[], bool], limit_s: float = 5.0) -> bool:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return False


def pids_that_run(argument: str) -> list[int]:
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if argument.encode() in (directory / "cmdline").read_bytes().split(b"\0"):
                found.append(int(directory.name))
    return [pid for pid in found if is_running(pid)]


@pytest.mark.parametrize("kind", ["command", "controller_command"])
def test_arguments_arrive_as_they_are(kind: str) -> None:
    outcome = run(hook(**{kind: [*PRINT_ARGUMENTS, *ODD_ARGUMENTS]}))
    assert (outcome.ok, outcome.attempts, outcome.message) == (True, 1, ascii(list(ODD_ARGUMENTS)))


@pytest.mark.parametrize("kind", ["command", "controller_command"])
def test_a_command_that_fails_says_how_and_its_last_words(kind: str) -> None:
    outcome = run(hook(**{kind: ["sh", "-c", "seq 1 100000 >&2; echo 'no quorum' >&2; exit 3"]}))
    assert (outcome.ok, outcome.message) == (False, "exit code 3: 99999; 100000; no quorum")


def test_a_command_that_says_nothing() -> None:
    assert run(hook(controller_command=["true"])).message == "no output"
    assert run(hook(controller_command=["sh", "-c", "kill -9 $$"])).message == "signal 9: no output"


def test_a_command_that_is_not_there() -> None:
    outcome = run(hook(controller_command=["/nowhere/drain"]))
    assert (outcome.ok, outcome.attempts) == (False, 1)
    assert "No such file or directory: '/nowhere/drain'" in outcome.message
    outcome = run(hook(command=["/nowhere/drain"]))
    assert not outcome.ok
    assert outcome.message.startswith("exit code 127: ")


def test_a_command_has_no_input() -> None:
    assert run(hook(controller_command=["sh", "-c", "read x || echo none; exec tty"])).message.startswith("exit code 1: none")


def test_output_is_not_hoarded() -> None:
    tracemalloc.start()
    try:
        assert run(hook(controller_command=["head", "--bytes=20M", "/dev/zero"])).ok
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_what_a_command_leaves_in_the_background_is_not_waited_for() -> None:
    outcome = run(hook(controller_command=["sh", "-c", "sleep 600 & echo $!"], timeout=20))
    pid = int(outcome.message)
    try:
        assert outcome.ok
        assert outcome.duration_ms < 10_000
        # It was told to go on.
        assert is_running(pid)
    finally:
        os.kill(pid, 9)


def test_a_timeout_ends_a_command_with_its_children() -> None:
    outcome = run(hook(controller_command=["sh", "-c", "sh -c 'sleep 600 & echo $!; wait'; exit 0"], timeout=0.6))
    assert not outcome.ok
    assert outcome.message.startswith("no end within 0.6 s: ")
    assert 600 <= outcome.duration_ms < 5_000
    pid = int(outcome.message.split()[-1])
    assert eventually(lambda: not is_running(pid))


def test_a_timeout_ends_a_command_that_ignores_signals() -> None:
    outcome = run(hook(controller_command=["sh", "-c", "trap '' TERM INT HUP; echo $$; while :; do sleep 1; done"], timeout=0.6))
    assert not outcome.ok
    assert eventually(lambda: not is_running(int(outcome.message.split()[-1])))


def test_a_command_on_the_host_that_hangs_is_an_attempt_that_failed() -> None:
    outcome = run(hook(command=["sleep", "600"], timeout=0.2, retries=1, delay=0.1))
    assert (outcome.ok, outcome.attempts, outcome.message) == (False, 2, "no answer within 0.2 s")
    assert 500 <= outcome.duration_ms < 5_000


def test_who_is_cancelled_leaves_no_process_behind(tmp_path: Path) -> None:
    written = tmp_path / "pid"

    async def work() -> None:
        script = "sleep 600 & echo $! > '%s.new' && mv '%s.new' '%s'; wait" % ((written,) * 3)
        task = asyncio.create_task(outcome_of(hook(controller_command=["sh", "-c", script])))
        while not written.exists():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(work())
    assert eventually(lambda: not is_running(int(written.read_text(encoding="ascii"))))


def test_who_is_cancelled_at_the_start_leaves_no_process_behind() -> None:
    mark = "fleet-kexec-%d" % os.getpid()

    async def work(turns: int) -> None:
        wanted = hook(controller_command=["sh", "-c", "sleep 600 & wait", mark])
        task = asyncio.create_task(outcome_of(wanted))
        for _turn in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    descriptors = len(os.listdir("/proc/self/fd"))
    for turns in range(8):
        asyncio.run(work(turns))
    assert eventually(lambda: not pids_that_run(mark))
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_no_file_descriptor_is_left_open() -> None:
    async def work() -> None:
        descriptors = len(os.listdir("/proc/self/fd"))
        for given in (["true"], ["/nowhere"], ["sleep", "600"]):
            await outcome_of(hook(controller_command=given, timeout=0.2))
        assert len(os.listdir("/proc/self/fd")) == descriptors

    asyncio.run(work())
