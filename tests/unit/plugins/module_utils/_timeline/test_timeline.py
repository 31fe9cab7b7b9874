# SPDX-License-Identifier: GPL-3.0-or-later
"""One axis from the old system into the new, and phases that add up on it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._arch.interface import StubStamps
from ansible_collections.fleet.kexec.plugins.module_utils._host.addresses import FirstAddress
from ansible_collections.fleet.kexec.plugins.module_utils._host.boot_log import BootLog, Initcall
from ansible_collections.fleet.kexec.plugins.module_utils._host.clocks import ClockLog, CycleClock
from ansible_collections.fleet.kexec.plugins.module_utils._host.last_stop import LastStop, StopStamp
from ansible_collections.fleet.kexec.plugins.module_utils._host.running_system import SystemId
from ansible_collections.fleet.kexec.plugins.module_utils._host.systemd_times import ManagerTimes, UnitStop, UnitTimes
from ansible_collections.fleet.kexec.plugins.module_utils._timeline.axis import Now, Offset
from ansible_collections.fleet.kexec.plugins.module_utils._timeline.timeline import BootReading, Interval, Seen, assemble

MS, S = 10**6, 10**9
TOKEN = "ab" * 8
# A TSC of 1 GHz, so that its cycles are nanoseconds: the old kernel began when it read 1,000 s, the new one at 2,000 s.
OLD_ZERO, NEW_ZERO = 1000 * S, 2000 * S
# When the new kernel began, by the controller's clock. The host's was 3 s ahead, and is 250 ms behind after the reboot.
ZERO_UTC = 1_795_000_000 * S
BEFORE, AFTER = Offset(3 * S, 20 * MS), Offset(-250 * MS, 5 * MS)
# How long before the new kernel the old one was stopped.
JUMP = 1500 * MS


def cycle_clock(zero: int) -> CycleClock:
    return CycleClock(-zero % (1 << 64), 1 << 31, 31)


def stamp(before_zero_ns: int, step_ns: int = 0) -> StopStamp:
    """Of the old system, so long before the new kernel began."""
    return StopStamp(ZERO_UTC - before_zero_ns + BEFORE.offset_ns + step_ns, MS, NEW_ZERO - before_zero_ns - OLD_ZERO)


def monotonic_us(after_zero_ms: int) -> int:
    return after_zero_ms * 1000


LAST_STOP = LastStop(TOKEN, SystemId("old"), "1", None, {"began": stamp(JUMP + 4 * S), "stopped": stamp(JUMP)})
READING = BootReading(
    system=SystemId("new"),
    release="2",
    path="kexec",
    token=TOKEN,
    # A minute later.
    now=Now(ZERO_UTC + 60 * S + AFTER.offset_ns, 60 * S, NEW_ZERO + 60 * S),
    counter="TSC",
    clock=cycle_clock(NEW_ZERO),
    clock_log=ClockLog(gtod_ns=0, raw_ns=0, offset_ns=0),
    boot_log=BootLog(
        "/init", 900 * MS, [Initcall("quick", 1), *(Initcall("slow%d" % each, each * 1000) for each in range(1, 15))]
    ),
    manager=ManagerTimes(userspace_us=monotonic_us(2000), finish_us=monotonic_us(9000)),
    units=[
        UnitTimes("systemd-networkd.service", monotonic_us(3000), monotonic_us(3400), None),
        UnitTimes("ssh.service", monotonic_us(5000), monotonic_us(5500), None),
        UnitTimes("fsck.service", monotonic_us(2500), None, monotonic_us(2700)),
        # Long after all that belongs to the boot.
        UnitTimes("apt-daily.service", monotonic_us(20000), None, monotonic_us(29000)),
    ],
    address=FirstAddress(4 * S, 14 * MS),
    stub=StubStamps(NEW_ZERO - 300 * MS, NEW_ZERO - 250 * MS, NEW_ZERO - 200 * MS, 0, 0, 0, True, True, False),
    last_stop=LAST_STOP,
    old_clock=cycle_clock(OLD_ZERO),
    stops=[UnitStop("cron.service", 10_000), UnitStop("ssh.service", 2_000_000)],
)
SEEN = Seen(
    token=TOKEN,
    boot_id_before="old",
    release_before="1",
    before=BEFORE,
    after=AFTER,
    drain=Interval(ZERO_UTC - 9 * S, 2 * S),
    stage=Interval(ZERO_UTC - 20 * S, 10 * S),
    outage=Interval(ZERO_UTC - 5 * S, 5 * S + 5600 * MS, 50 * MS, "ssh"),
    healthy_ns=ZERO_UTC + 8 * S,
)
CHAIN = ["stop_units", "jump", "kernel", "initrd", "userspace", "network", "ssh", "healthy"]


def durations(timeline: dict[str, Any]) -> dict[str, float]:
    return {phase["name"]: phase["duration_ms"] for phase in timeline["phases"]}


def chain(timeline: dict[str, Any]) -> list[dict[str, Any]]:
    phases = [phase for phase in timeline["phases"] if phase["name"] not in ("drain", "stage") and phase["within"] is None]
    for first, last in zip(phases, phases[1:]):
        assert abs(first["start_ms"] + first["duration_ms"] - last["start_ms"]) < 0.002, (first, last)
    return phases


def test_a_kexec_from_drain_to_healthy() -> None:
    timeline = assemble(READING, SEEN)
    assert [phase["name"] for phase in chain(timeline)] == CHAIN
    assert durations(timeline) == {
        "stage": 10000.0,
        "drain": 2000.0,
        "stop_units": 4000.0,
        "jump": 1500.0,
        "stub": 100.0,
        "kernel": 900.0,
        "initrd": 1100.0,
        "userspace": 1000.0,
        "network": 1000.0,
        "ssh": 1600.0,
        "healthy": 2400.0,
    }
    assert timeline["start"] == timeline["phases"][0]["start"], "by the controller's clock, though the host's is another"
    assert timeline["start"].endswith("Z") and timeline["phases"][0]["start_ms"] == 0.0
    assert timeline["clock"] == {"offset_ms": -250.0, "error_ms": 5.0}
    assert (timeline["boot_id_before"], timeline["release_before"], timeline["token"]) == ("old", "1", TOKEN)
    assert timeline["outage"]["start_ms"] == 15000.0 and timeline["outage"]["duration_ms"] == 10600.0
    assert timeline["outage"]["seen_by"] == "ssh"
    assert timeline["notes"] == []
    # What lies on the TSC on both ends is exact; what the controller saw is as good as its measurement.
    errors = {phase["name"]: phase["error_ms"] for phase in timeline["phases"]}
    assert errors["jump"] < 1 and errors["stub"] < 0.1 and 5 < errors["ssh"] < 100


def test_both_ways_agree_and_say_how_well() -> None:
    agreement = assemble(READING, SEEN)["agreement"]
    assert agreement["difference_ms"] == 0.0
    assert 25 < agreement["error_ms"] < 100


def test_slowest_units_and_initcalls() -> None:
    timeline = assemble(READING, SEEN)
    assert timeline["units"]["stop"] == [
        {"unit": "ssh.service", "duration_ms": 2000.0},
        {"unit": "cron.service", "duration_ms": 10.0},
    ]
    assert [each["unit"] for each in timeline["units"]["start"]] == [
        "ssh.service",
        "systemd-networkd.service",
        "fsck.service",
    ]
    assert [each["name"] for each in timeline["initcalls"]] == ["slow%d" % each for each in range(14, 4, -1)]


def test_the_host_alone_knows_most_of_it() -> None:
    timeline = assemble(READING, Seen())
    assert [phase["name"] for phase in chain(timeline)] == CHAIN[:-1]
    assert durations(timeline)["ssh"] == 1500.0, "up to its unit"
    assert timeline["clock"] is timeline["outage"] is timeline["agreement"] is None
    assert timeline["boot_id_before"] == "old"


@pytest.mark.parametrize(
    "change",
    [
        {"token": "cd" * 8},
        {"token": None},
        {"system": SystemId("old")},
        {"last_stop": None},
        {"last_stop": replace(LAST_STOP, stamps={"began": LAST_STOP.stamps["began"]})},
    ],
)
def test_what_an_earlier_boot_left_is_not_used(change: dict[str, Any]) -> None:
    timeline = assemble(replace(READING, **change), SEEN)
    assert [phase["name"] for phase in chain(timeline)] == CHAIN[2:]
    assert "stub" not in durations(timeline)


def test_without_the_tsc_the_controller_places_the_old_system() -> None:
    timeline = assemble(replace(READING, clock=None), SEEN)
    assert [phase["name"] for phase in chain(timeline)] == CHAIN
    jump = next(phase for phase in timeline["phases"] if phase["name"] == "jump")
    assert abs(jump["duration_ms"] - 1500) < jump["error_ms"] and 25 < jump["error_ms"] < 150
    assert timeline["agreement"] is None and "stub" not in durations(timeline)


def test_without_the_tsc_and_without_a_controller_the_old_system_is_left_out() -> None:
    for seen in (Seen(), replace(SEEN, before=None)):
        assert "jump" not in durations(assemble(replace(READING, clock=None), seen))


def test_a_tsc_that_was_reset_is_not_believed() -> None:
    """The machine was moved: the old system's stamps lie after the new kernel's beginning."""
    moved = replace(READING, old_clock=cycle_clock(OLD_ZERO + 3600 * S))
    timeline = assemble(moved, SEEN)
    assert abs(durations(timeline)["jump"] - 1500) < 100
    assert timeline["agreement"]["difference_ms"] == 3600000.0
    assert len(timeline["notes"]) == 1


def test_a_clock_that_was_set_forward_is_not_believed() -> None:
    stamps = {"began": stamp(JUMP + 4 * S, 3600 * S), "stopped": stamp(JUMP, 3600 * S)}
    timeline = assemble(replace(READING, last_stop=replace(LAST_STOP, stamps=stamps)), SEEN)
    assert durations(timeline)["jump"] == 1500.0
    assert len(timeline["notes"]) == 1


def test_when_nobody_can_be_believed_the_old_system_is_left_out() -> None:
    stamps = {"began": stamp(JUMP + 4 * S, -3600 * S), "stopped": stamp(JUMP, -3600 * S)}
    timeline = assemble(replace(READING, last_stop=replace(LAST_STOP, stamps=stamps)), SEEN)
    assert [phase["name"] for phase in chain(timeline)] == CHAIN[2:]
    assert len(timeline["notes"]) == 1


FIRMWARE = replace(READING, path="firmware", token=None, stub=None, old_clock=None)


def test_a_reboot_through_firmware() -> None:
    timeline = assemble(FIRMWARE, SEEN)
    assert [phase["name"] for phase in chain(timeline)] == ["stop_units", "firmware", *CHAIN[2:]]
    firmware = next(phase for phase in timeline["phases"] if phase["name"] == "firmware")
    assert abs(firmware["duration_ms"] - 1500) < firmware["error_ms"] < 150
    assert timeline["agreement"] is None


def test_firmware_and_loader_by_their_own_times() -> None:
    told = replace(FIRMWARE.manager, firmware_us=1_300_000, loader_us=400_000)
    timeline = assemble(replace(FIRMWARE, manager=told), SEEN)
    assert [phase["name"] for phase in chain(timeline)] == ["stop_units", "firmware", "loader", *CHAIN[2:]]
    loader = next(phase for phase in timeline["phases"] if phase["name"] == "loader")
    # 200 ms are left that nobody tells of: from nothing to all of it may belong to the loader.
    assert abs(loader["duration_ms"] - 500) < 1 and 99 < loader["error_ms"] < 150


@pytest.mark.parametrize("firmware_us", [5_000_000, 400_000_000])
def test_stale_times_of_firmware_do_not_fit(firmware_us: int) -> None:
    told = replace(FIRMWARE.manager, firmware_us=firmware_us, loader_us=400_000)
    assert "loader" not in durations(assemble(replace(FIRMWARE, manager=told), SEEN))


def test_after_a_kexec_the_firmwares_times_are_another_boots() -> None:
    told = replace(READING.manager, firmware_us=1_300_000, loader_us=400_000)
    assert [phase["name"] for phase in chain(assemble(replace(READING, manager=told), SEEN))] == CHAIN


def test_through_firmware_the_boot_before_has_to_be_known() -> None:
    assert "firmware" not in durations(assemble(FIRMWARE, replace(SEEN, token="cd" * 8, boot_id_before="older")))
    assert "firmware" in durations(
        assemble(replace(FIRMWARE, previous_boot_id="old"), replace(SEEN, token=None, boot_id_before=None))
    )


@pytest.mark.parametrize(
    ("change", "gone"),
    [
        ({"address": None}, {"network", "ssh"}),
        # Of an initrd that had the network up.
        ({"address": FirstAddress(1500 * MS, 14 * MS)}, {"network", "ssh"}),
        # It answered by another address before.
        ({"address": FirstAddress(7 * S, 14 * MS)}, {"network", "ssh"}),
        ({"units": []}, {"network"}),
        ({"boot_log": BootLog()}, {"initrd"}),
        ({"boot_log": BootLog("/sbin/init", 2 * S)}, {"initrd"}),
        ({"manager": ManagerTimes()}, {"userspace"}),
    ],
)
def test_what_is_not_known_goes_into_the_phase_before(change: dict[str, Any], gone: set[str]) -> None:
    timeline = assemble(replace(READING, **change), SEEN)
    phases = chain(timeline)
    assert [phase["name"] for phase in phases] == [name for name in CHAIN if name not in gone]
    assert sum(phase["duration_ms"] for phase in phases) == pytest.approx(4000 + 1500 + 8000)


def test_marks_within_their_error_share_a_place() -> None:
    """The banner came before the address was there, by less than anybody can tell."""
    seen = replace(SEEN, outage=Interval(ZERO_UTC - 5 * S, 5 * S + 3995 * MS, 50 * MS, "ssh"))
    timeline = assemble(READING, seen)
    assert durations(timeline)["ssh"] == 0.0
    assert next(phase for phase in timeline["phases"] if phase["name"] == "ssh")["error_ms"] >= 5
    chain(timeline)


def test_what_contradicts_the_rest_is_left_out_and_named() -> None:
    timeline = assemble(READING, replace(SEEN, healthy_ns=ZERO_UTC))
    assert [phase["name"] for phase in chain(timeline)] == CHAIN[:-1]
    assert timeline["notes"] == ["the beginning of service lies before that of healthy"]
