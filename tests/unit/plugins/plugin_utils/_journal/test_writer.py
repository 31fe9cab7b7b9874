# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._errors import RolloutError
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.events import Event, HostDrained
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.writer import Recorder

from ...virtual_time import run

WRITE_S = 1.0


def number_of(event: Event) -> int:
    assert isinstance(event, HostDrained) and event.duration_ms is not None
    return event.duration_ms


class Disk:
    """Takes its time, and notes what was written together."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.tried: list[list[int]] = []
        self.full = False
        self.writing = False
        self.told: list[int] = []
        self.failures: list[str] = []
        self.recorder = Recorder(self.commit, lambda event: self.told.append(number_of(event)), self.failed)

    async def commit(self, batch: Sequence[Event]) -> None:
        assert not self.writing, "two writes at once"
        self.writing = True
        numbers = [number_of(event) for event in batch]
        self.tried.append(numbers)
        await asyncio.sleep(WRITE_S)
        self.writing = False
        if self.full:
            raise RolloutError("JOURNAL_FAILED", "no space left on device")
        self.batches.append(numbers)

    def failed(self, error: RolloutError) -> None:
        self.failures.append(error.reason.code)

    def record(self, *numbers: int) -> None:
        for number in numbers:
            self.recorder.record(HostDrained(host="web1", duration_ms=number))

    @property
    def written(self) -> list[int]:
        return [number for batch in self.batches for number in batch]


def now() -> float:
    return asyncio.get_running_loop().time()


def test_what_piles_up_while_one_write_lasts_goes_together_and_in_order() -> None:
    async def work() -> None:
        disk = Disk()
        disk.record(1)
        assert disk.told == [1], "at once"
        await asyncio.sleep(WRITE_S / 2)
        disk.record(2, 3)
        await asyncio.sleep(WRITE_S / 4)
        disk.record(4)
        began = now()
        await disk.recorder.durable()
        assert disk.batches == [[1], [2, 3, 4]]
        assert now() - began == pytest.approx(WRITE_S * 1.25, abs=0.01)
        assert disk.told == [1, 2, 3, 4]

    run(work())


def test_what_is_on_disk_is_not_waited_for() -> None:
    async def work() -> None:
        disk = Disk()
        disk.record(1)
        await disk.recorder.durable()
        began = now()
        await disk.recorder.durable()
        assert now() == began
        assert disk.tried == [[1]]
        # Written without anybody who waits for it, too.
        disk.record(2)
        await asyncio.sleep(WRITE_S * 1.1)
        assert disk.written == [1, 2]

    run(work())


def test_durable_waits_for_what_is_being_written() -> None:
    async def work() -> None:
        disk = Disk()
        disk.record(1)
        await asyncio.sleep(WRITE_S / 2)
        await disk.recorder.durable()
        assert disk.written == [1]

    run(work())


def test_many_who_wait_share_a_write() -> None:
    async def host(disk: Disk, number: int) -> None:
        disk.record(number)
        await disk.recorder.durable()
        assert number in disk.written

    async def work() -> None:
        disk = Disk()
        await asyncio.gather(*(host(disk, number) for number in range(1000)))
        assert disk.written == list(range(1000))
        assert len(disk.batches) == 1

    run(work())


def test_what_cannot_be_written_is_kept_and_tried_again_before_what_comes_later() -> None:
    async def work() -> None:
        disk = Disk()
        disk.full = True
        disk.record(1, 2)
        with pytest.raises(RolloutError) as caught:
            await disk.recorder.durable()
        assert caught.value.reason.code == "JOURNAL_FAILED"
        assert disk.failures == ["JOURNAL_FAILED"] and disk.written == []
        disk.record(3)
        with pytest.raises(RolloutError):
            await disk.recorder.durable()
        disk.full = False
        await disk.recorder.durable()
        assert disk.batches == [[1, 2, 3]], "with nothing new to write, too"
        disk.record(4)
        await disk.recorder.durable()
        assert disk.written == [1, 2, 3, 4]
        assert disk.told == [1, 2, 3, 4], "each once"
        assert len(disk.failures) == 2

    run(work())


def test_who_waits_is_told_what_is_so_after_the_write_that_takes_what_failed_before() -> None:
    async def work() -> None:
        disk = Disk()
        disk.full = True
        disk.record(1)
        first = asyncio.create_task(disk.recorder.durable())
        await asyncio.sleep(WRITE_S / 2)
        disk.record(2)
        second = asyncio.create_task(disk.recorder.durable())
        await asyncio.sleep(WRITE_S * 0.6)
        disk.full = False
        await asyncio.gather(first, second)
        assert disk.tried == [[1], [1, 2]] and disk.batches == [[1, 2]]
        assert disk.failures == ["JOURNAL_FAILED"], "the rollout stops all the same"

    run(work())


def test_who_is_cancelled_while_waiting_does_not_cancel_the_write() -> None:
    async def work() -> None:
        disk = Disk()
        disk.record(1)
        waiting = asyncio.create_task(disk.recorder.durable())
        await asyncio.sleep(WRITE_S / 2)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await disk.recorder.durable()
        assert disk.batches == [[1]]

    run(work())
