# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import threading
import time

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.bounded import BoundedCall, CallAbandoned, child_pids


def test_a_result_and_an_exception_come_through() -> None:
    assert BoundedCall(lambda: 42).result(5) == 42
    with pytest.raises(ZeroDivisionError):
        BoundedCall(lambda: 1 / 0).result(5)


def test_a_call_that_hangs_is_left_and_its_process_ended() -> None:
    processes: list[subprocess.Popen[bytes]] = []
    started = threading.Event()

    def hang() -> int:
        process = subprocess.Popen(["sleep", "600"])
        processes.append(process)
        started.set()
        return process.wait()

    call = BoundedCall(hang)
    assert started.wait(5)
    began = time.monotonic()
    with pytest.raises(CallAbandoned):
        call.result(0.2)
    assert time.monotonic() - began < 2
    assert call.result(5) == -9
    assert processes[0].pid not in child_pids()


def test_processes_of_others_are_left_alone() -> None:
    with subprocess.Popen(["sleep", "600"]) as mine:
        BoundedCall(lambda: threading.Event().wait(5)).abandon()
        assert mine.poll() is None
        mine.kill()
