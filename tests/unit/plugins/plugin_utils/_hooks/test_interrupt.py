# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of hooks when the run is interrupted."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.hook import (
    AFTER,
    BEFORE,
    GRACE_S,
    ON_FAILURE,
    POWER,
    RUN_AFTER,
    RUN_BEFORE,
    Hook,
    HookPhase,
)
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.interrupt import Interrupt
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.runner import HookOutcome, HookRunner

from ... import virtual_time
from .hosts import SUBJECT, Host, hook, outcomes, sessions

FAILING = CommandResult(1, "", "not yet")


class Failing(Host):
    """One whose commands fail, for ever."""

    def __init__(self, takes_s: float) -> None:
        super().__init__(takes_s=takes_s)
        self._answers = [FAILING] * 10_000


def interrupted(*hooks: Hook, phase: HookPhase, at_s: float, takes_s: float = 2.0) -> tuple[list[HookOutcome], float, int]:
    """Outcomes of hooks of a run that is interrupted, the time they take, and the number of attempts begun."""
    host = Failing(takes_s)

    async def work() -> tuple[list[HookOutcome], float]:
        loop, interrupt = asyncio.get_running_loop(), Interrupt()
        began = loop.time()
        if at_s <= 0:
            interrupt.occur()
        else:
            loop.call_later(at_s, interrupt.occur)
        found = await outcomes(*hooks, phase=phase, among=sessions(host), interrupt=interrupt)
        return found, loop.time() - began

    found, took_s = virtual_time.run(work())
    return found, took_s, len(host.asked)


@pytest.mark.parametrize("phase", [BEFORE, RUN_BEFORE])
def test_a_drain_is_given_up_at_once(phase: HookPhase) -> None:
    # In the middle of an attempt, and between two.
    for at_s in (1.0, 5.0):
        (outcome,), took_s, _begun = interrupted(hook(command=["x"], retries=600, delay=10), phase=phase, at_s=at_s)
        assert at_s <= took_s < at_s + 0.01
        assert (outcome.ok, outcome.attempts, outcome.interrupted) == (False, 1, True)
        assert outcome.message == "given up, because the playbook was interrupted and nothing more is to be prepared"


def test_a_drain_is_not_begun_after_an_interrupt() -> None:
    (outcome,), took_s, begun = interrupted(hook(command=["x"]), phase=BEFORE, at_s=0)
    assert (outcome.attempts, begun) == (0, 0)
    assert took_s < 0.01


@pytest.mark.parametrize("phase", [AFTER, POWER])
@pytest.mark.parametrize("at_s", [0, 1.0, 600.0])
def test_what_puts_something_right_has_a_minute(phase: HookPhase, at_s: float) -> None:
    # 20 minutes and more, were it not for the interrupt.
    (outcome,), took_s, _begun = interrupted(hook(command=["x"], retries=99, delay=10), phase=phase, at_s=at_s)
    assert at_s + GRACE_S <= took_s < at_s + GRACE_S + 0.01
    assert outcome.attempts > 4, "retries go on within it"
    assert outcome.message == "given up, because the playbook was interrupted and the hooks of this phase then have 60 s"


def test_the_minute_is_for_all_hooks_of_a_phase() -> None:
    hanging = hook(command=["x"], timeout=3600)
    found, took_s, begun = interrupted(hanging, hanging, phase=RUN_AFTER, at_s=1.0, takes_s=9999)
    assert GRACE_S + 1 <= took_s < GRACE_S + 1.01
    assert [outcome.attempts for outcome in found] == [1, 0]
    assert begun == 1


def test_a_notification_is_not_retried_after_an_interrupt() -> None:
    notify = hook(command=["x"], retries=99, delay=10)
    # In the first attempt, in the pause after it, and before the phase.
    for at_s, ends_s in ((1.0, 2.0), (5.0, 5.0), (0.0, 2.0)):
        (outcome,), took_s, begun = interrupted(notify, phase=ON_FAILURE, at_s=at_s)
        assert ends_s <= took_s < ends_s + 0.01
        assert (outcome.attempts, begun, outcome.message) == (1, 1, "exit code 1: not yet")
    found, took_s, _begun = interrupted(notify, notify, phase=ON_FAILURE, at_s=1.0)
    assert [outcome.attempts for outcome in found] == [1, 1], "each has its try"


def test_without_an_interrupt_there_is_no_limit_but_the_hook_s_own() -> None:
    (outcome,), took_s, _begun = interrupted(hook(command=["x"], retries=99, delay=10), phase=BEFORE, at_s=99_999)
    assert (outcome.attempts, outcome.message) == (100, "exit code 1: not yet")
    assert took_s > 1000


def test_the_code_says_that_it_was_the_interrupt() -> None:
    async def code(phase: HookPhase) -> str | None:
        interrupt = Interrupt()
        interrupt.occur()
        runner = HookRunner(sessions(Failing(2.0)), interrupt)
        failed = await runner.run(phase, [hook(command=["x"], name="lb")], SUBJECT, lambda hook, outcome: None)
        assert failed is not None and failed.message.startswith("%s hook lb: " % phase.name)
        return failed.code

    assert virtual_time.run(code(BEFORE)) == "INTERRUPTED"
    assert virtual_time.run(code(AFTER)) == "HOOK_FAILED"


def until(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 5.0
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def test_a_process_on_the_controller_ends_with_all_that_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = "sleep 77 & echo $! $$ > %s; wait" % pids

    async def work() -> float:
        interrupt = Interrupt()
        task = asyncio.create_task(outcomes(hook(controller_command=["sh", "-c", script]), phase=BEFORE, interrupt=interrupt))
        while not pids.exists() or not pids.read_text().strip():
            await asyncio.sleep(0.01)
        began = time.monotonic()
        interrupt.occur()
        (outcome,) = await task
        assert outcome.interrupted
        return time.monotonic() - began

    assert asyncio.run(work()) < 2
    for pid in map(int, pids.read_text().split()):
        assert until(lambda pid=pid: not os.path.exists("/proc/%d" % pid) or " Z " in Path("/proc/%d/stat" % pid).read_text())  # type: ignore[misc]
