# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd did when, by its properties and by the journal."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.systemd_times import (
    ManagerTimes,
    StartJob,
    UnitStop,
    UnitTimes,
    parse_boots,
    parse_manager,
    parse_starts,
    parse_stops,
    parse_units,
    read_manager,
    read_previous_boot,
    read_stops,
    read_units,
)

# Of a Debian 13 guest.
MANAGER = """\
FirmwareTimestampMonotonic=0
LoaderTimestampMonotonic=0
InitRDTimestampMonotonic=0
UserspaceTimestampMonotonic=9126217
FinishTimestampMonotonic=39481066
"""
UNITS = """\
Id=systemd-networkd.service
InactiveExitTimestampMonotonic=27499340
ActiveEnterTimestampMonotonic=35694519
InactiveEnterTimestampMonotonic=0

Id=ssh.service
After=sysinit.target network.target
InactiveExitTimestampMonotonic=36366791
ActiveEnterTimestampMonotonic=39429501
InactiveEnterTimestampMonotonic=12

Id=modprobe@drm.service
InactiveExitTimestampMonotonic=19990001
ActiveEnterTimestampMonotonic=0
InactiveEnterTimestampMonotonic=20003000

Id=emergency.service
InactiveExitTimestampMonotonic=0
ActiveEnterTimestampMonotonic=0
InactiveEnterTimestampMonotonic=0
"""
BOOTS = """\
IDX BOOT ID                          FIRST ENTRY                 LAST ENTRY
 -1 5cf62992371f4b70820f710376c903c4 Tue 2026-11-24 19:52:54 UTC Tue 2026-11-24 19:53:36 UTC
  0 92ffb31faf9d43a6a9e42f5377e0e420 Tue 2026-11-24 19:54:10 UTC Tue 2026-11-24 19:54:30 UTC
"""
STOPPING, STOPPED = "de5b426a63be47a7b6ac3eaac82e2f6f", "9d1aaa27d60140bd96365438aad20286"


def entry(message_id: str, unit: str, at_us: int, **fields: str) -> str:
    return json.dumps(
        {
            "MESSAGE_ID": message_id,
            "_PID": "1",
            "__MONOTONIC_TIMESTAMP": str(at_us),
            "_BOOT_ID": "5cf62992371f4b70820f710376c903c4",
            "__REALTIME_TIMESTAMP": "1795550012136743",
            "UNIT": unit,
            **fields,
        }
    )


JOURNAL = [
    entry(STOPPED, "graphical.target", 58623687),
    entry(STOPPING, "ssh.service", 58735000),
    entry(STOPPING, "dbus.service", 58727000),
    entry(STOPPED, "dbus.service", 58926000),
    entry(STOPPED, "ssh.service", 59145000),
    entry(STOPPING, "hangs.service", 59146000),
]


def test_of_pid_1() -> None:
    assert parse_manager(MANAGER) == ManagerTimes(None, 9126217, 39481066, None, None)


def test_of_units_that_were_started() -> None:
    networkd, ssh, modprobe = parse_units(UNITS)
    assert networkd == UnitTimes("systemd-networkd.service", 27499340, 35694519, None)
    assert networkd.duration_us == 8195179
    assert ssh.inactive_us is None, "of a start before"
    assert ssh.after == ("sysinit.target", "network.target")
    assert modprobe.duration_us == 12999, "one that runs once"


def test_how_long_units_took_to_stop() -> None:
    """What has nothing to stop is only said to have stopped, and what hung never is."""
    assert parse_stops(iter(JOURNAL)) == [
        UnitStop("dbus.service", 199000, 1795550012136743),
        UnitStop("ssh.service", 410000, 1795550012136743),
    ]


def test_who_was_killed_and_why() -> None:
    result, exited = "d9b373ed55a64feb8242e02dbe79a49c", "98e322203f7a4ed290d09fe03c09fe15"
    lines = [
        entry(STOPPING, "db.service", 1_000_000),
        entry(exited, "db.service", 91_000_000, EXIT_CODE="killed", EXIT_STATUS="9"),
        entry(result, "db.service", 91_000_000, UNIT_RESULT="timeout"),
        entry(STOPPED, "db.service", 91_100_000),
        entry(result, "other.service", 91_000_000, UNIT_RESULT="exit-code"),
    ]
    assert parse_stops(lines) == [UnitStop("db.service", 90_100_000, 1795550012136743, True, 9)]


def test_starts_of_this_boot() -> None:
    starting, started, failed = (
        "7d4958e842da4a758f6c1cdc7b36dcc5",
        "39f53479d3a045ac8e11786248231fbf",
        "be02cf6855d2428ba40df7e9d022f03d",
    )
    lines = [
        entry(starting, "dracut-initqueue.service", 2_000_000),
        entry(started, "dracut-initqueue.service", 5_000_000, JOB_TYPE="start", JOB_RESULT="done"),
        entry(failed, "dev-sdz.device", 95_000_000, JOB_TYPE="start", JOB_RESULT="timeout"),
        entry(started, "dracut-initqueue.service", 99_000_000),
        "7",
    ]
    assert parse_starts(lines) == [
        StartJob("dracut-initqueue.service", 2_000_000, 5_000_000, "done"),
        StartJob("dev-sdz.device", None, 95_000_000, "timeout"),
    ]
    # After a soft reboot, which starts the units of the same boot anew.
    assert parse_starts(lines, since_us=90_000_000) == [
        StartJob("dev-sdz.device", None, 95_000_000, "timeout"),
        StartJob("dracut-initqueue.service", None, 99_000_000, "done"),
    ]


def test_lines_that_are_none() -> None:
    assert parse_stops(iter(["", "{", "[]", "7", "{}", '{"UNIT":"a","MESSAGE_ID":"x","__MONOTONIC_TIMESTAMP":null}'])) == []
    endless = '{"UNIT":"a","MESSAGE_ID":"%s","__MONOTONIC_TIMESTAMP":Infinity,"__REALTIME_TIMESTAMP":1}'
    stopping, started = "de5b426a63be47a7b6ac3eaac82e2f6f", "39f53479d3a045ac8e11786248231fbf"
    assert parse_stops([endless % stopping, "[" * 100_000]) == []
    assert parse_starts([endless % started]) == []
    for number in ("²", "9" * 5000, "-1", ""):
        assert parse_units("Id=a.service\nInactiveExitTimestampMonotonic=" + number) == []
        assert parse_manager("UserspaceTimestampMonotonic=" + number) == ManagerTimes()
    stopped, too_large = "9d1aaa27d60140bd96365438aad20286", "9" * 400
    assert parse_stops([entry(stopping, "a", 1), endless.replace("Infinity", too_large) % stopped]) == []


def test_the_boots_that_the_journal_knows() -> None:
    assert parse_boots(BOOTS) == [(-1, "5cf62992371f4b70820f710376c903c4"), (0, "92ffb31faf9d43a6a9e42f5377e0e420")]


class Tools:
    """systemctl and journalctl."""

    def __init__(self) -> None:
        self.rc = 0
        self.ran: list[list[str]] = []

    def run(self, argv: Sequence[str], timeout_s: float) -> CommandResult:
        self.ran.append(list(argv))
        if argv[0] == "systemctl":
            return CommandResult(self.rc, UNITS if "*.service" in argv else MANAGER, "")
        return CommandResult(self.rc, BOOTS if "--list-boots" in argv else "\n".join(JOURNAL), "")


def test_what_is_asked() -> None:
    tools = Tools()
    assert read_manager(tools.run).userspace_us == 9126217
    assert len(read_units(tools.run)) == 3
    assert len(read_stops(tools.run, "5cf62992-371f-4b70-820f-710376c903c4", 1795550009_904314179)) == 2
    assert {"--boot=5cf62992371f4b70820f710376c903c4", "--since=@1795550009"} < set(tools.ran[-1])
    assert read_previous_boot(tools.run) == "5cf62992371f4b70820f710376c903c4"


def test_a_host_that_cannot_be_asked() -> None:
    tools = Tools()
    tools.rc = 1
    assert read_manager(tools.run) == ManagerTimes()
    assert read_units(tools.run) == []
    assert read_stops(tools.run, "5cf6", 0) == []
    assert read_previous_boot(tools.run) is None
