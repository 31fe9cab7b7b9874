# SPDX-License-Identifier: GPL-3.0-or-later
"""Attempts, and what is said about the last of them."""

from __future__ import annotations

import asyncio
import sys

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.runner import (
    MESSAGE_MAX_CHARS,
    HookOutcome,
)
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.session import SessionError, SessionLost

from ... import virtual_time
from .hosts import Host, hook, outcome_of, run, run_virtually, sessions


def test_it_is_tried_again_until_it_succeeds() -> None:
    host = Host(CommandResult(1, "", "not yet"), SessionLost("gone"), CommandResult(0, "ok", ""), takes_s=2)
    outcome = run_virtually(hook(command=["x"], retries=5, delay=10), host)
    assert outcome == HookOutcome(True, 3, 26_000, "ok")
    assert host.asked == [("run", True, 60.0)] * 3


def test_attempts_are_used_up() -> None:
    host = Host(*[CommandResult(1, "", "n%d" % number) for number in range(9)])
    assert run_virtually(hook(command=["x"], retries=2, delay=5), host) == HookOutcome(False, 3, 10_000, "exit code 1: n2")


def test_a_host_that_is_lost_is_an_attempt_that_failed() -> None:
    assert run_virtually(hook(command=["x"]), Host(SessionLost("no route"))) == HookOutcome(False, 1, 0, "no route")
    assert run_virtually(hook(module={"name": "x"}), Host(SessionLost("no route"))) == HookOutcome(False, 1, 0, "no route")


def test_a_host_that_refuses_is_an_attempt_that_failed() -> None:
    outcome = run_virtually(hook(command=["x"]), Host(SessionError("BECOME_FAILED", "Incorrect sudo password")))
    assert (outcome.ok, outcome.message) == (False, "Incorrect sudo password")


def test_cancelling_ends_the_wait_for_the_next_attempt() -> None:
    async def work() -> float:
        among = sessions(Host(CommandResult(1, "", "")))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await outcome_of(hook(command=["x"], retries=1, delay=3600), among=among)
        return asyncio.get_running_loop().time()

    assert virtual_time.run(work()) < 1004


def test_messages_are_short_and_fit_for_a_terminal() -> None:
    outcome = run(hook(controller_command=[sys.executable, "-c", "print('x' * 100000 + '\\x1b[31m\\0' + 'end')"]))
    assert len(outcome.message) == MESSAGE_MAX_CHARS
    assert outcome.message.startswith("…x")
    assert outcome.message.endswith("x [31m end")
