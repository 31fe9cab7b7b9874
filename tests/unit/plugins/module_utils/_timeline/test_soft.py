# SPDX-License-Identifier: GPL-3.0-or-later
"""Timeline of a soft reboot: one kernel, so one clock, and none of the phases before userspace."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._host.last_stop import LastStop, StopStamp
from ansible_collections.fleet.kexec.plugins.module_utils._host.running_system import SystemId
from ansible_collections.fleet.kexec.plugins.module_utils._timeline.timeline import BootReading, assemble

from .test_timeline import BEFORE, MS, READING, SEEN, TOKEN, ZERO_UTC, S, chain, durations

# Its kernel has run for 100 s when services have stopped; the readings of the kernel's start count from there.
STOPPED = 100 * S


def log_stamp(at_ns: int) -> StopStamp:
    """Of the old system, whose clock was ahead then; so long after its kernel began."""
    return StopStamp(ZERO_UTC + at_ns + BEFORE.offset_ns, MS, at_ns)


def reading(**changes: Any) -> BootReading:
    later_us = 101 * 10**6

    def moved(at_us: int | None) -> int | None:
        return at_us + later_us if at_us is not None else None

    soft = replace(
        READING,
        system=SystemId("same", 1, later_us + 2_000_000),
        path="soft",
        token="ef" * 8,
        now=replace(
            READING.now,
            realtime_ns=READING.now.realtime_ns + 101 * S,
            monotonic_ns=READING.now.monotonic_ns + 101 * S,
            cycles=(READING.now.cycles or 0) + 101 * S,
        ),
        # What systemd keeps of the kernel's start.
        manager=replace(
            READING.manager,
            initrd_us=900_000,
            userspace_us=moved(READING.manager.userspace_us),
            finish_us=moved(READING.manager.finish_us),
        ),
        units=[
            replace(
                unit,
                starting_us=unit.starting_us + later_us,
                active_us=moved(unit.active_us),
                inactive_us=moved(unit.inactive_us),
            )
            for unit in READING.units
        ],
        address=None,
        last_stop=LastStop(
            TOKEN, SystemId("same"), "1", None, {"began": log_stamp(STOPPED - 4 * S), "stopped": log_stamp(STOPPED)}
        ),
    )
    return replace(soft, **changes)


def test_a_soft_reboot_has_no_phase_of_a_kernel() -> None:
    timeline = assemble(reading(), replace(SEEN, boot_id_before="same", outage=None, drain=None, stage=None, healthy_ns=None))
    assert [phase["name"] for phase in chain(timeline)] == ["stop_units", "reexec", "userspace"]
    found = durations(timeline)
    assert found["stop_units"] == pytest.approx(4000, abs=1)
    # From the last stamp to the start of the new userspace, 103 s after the kernel's.
    assert found["reexec"] == pytest.approx(3000, abs=1)
    assert found["userspace"] == pytest.approx(3500, abs=1), "until sshd is active"
    assert timeline["initcalls"] == [], "they are of the kernel's boot"
    assert (timeline["path"], timeline["boot_id"], timeline["soft_reboots"]) == ("soft", "same", 1)
    assert timeline["token"] == TOKEN, "not that of an earlier kexec, which is still on the command line"


@pytest.mark.parametrize("before", [SystemId("same", 1), SystemId("same", 2), SystemId("other"), SystemId("other", 0)])
def test_what_another_system_left_is_not_used(before: SystemId) -> None:
    stop = replace(reading().last_stop or LastStop("", before, "", None), system=before)
    timeline = assemble(reading(last_stop=stop), SEEN)
    assert {"stop_units", "reexec"}.isdisjoint(durations(timeline))


def test_without_a_time_in_the_log_the_clock_places_the_stop() -> None:
    stop = reading().last_stop
    assert stop is not None
    unread = {name: replace(stamp, log_ns=None) for name, stamp in stop.stamps.items()}
    found = durations(assemble(reading(last_stop=replace(stop, stamps=unread)), replace(SEEN, outage=None, healthy_ns=None)))
    assert found["stop_units"] == pytest.approx(4000, abs=1) and found["reexec"] == pytest.approx(3000, abs=1)
