# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When systemd reached which point of this boot, and how long an earlier boot took to stop its units.

Times of this boot are microseconds of CLOCK_MONOTONIC, as in systemd's own properties (org.freedesktop.systemd1(5)).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import Any, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from .._command import Runner
from .._json import parse_json
from .._text import shown_name
from .numbers import parse_count
from .running_system import parse_properties

_TIMEOUT_S = 30.0

_MANAGER = ("InitRD", "Userspace", "Finish", "Firmware", "Loader")
_UNIT = ("InactiveExit", "ActiveEnter", "InactiveEnter")

# Units that can hold up others; slices, paths, timers and scopes take no time.
_TYPES = ("service", "socket", "target", "mount", "swap", "device")

# sd-messages.h: SD_MESSAGE_UNIT_STOPPING, _STOPPED, _STARTING, _STARTED, _FAILED, _FAILURE_RESULT and _PROCESS_EXIT.
_STOPPING = "de5b426a63be47a7b6ac3eaac82e2f6f"
_STOPPED = "9d1aaa27d60140bd96365438aad20286"
_STARTING = "7d4958e842da4a758f6c1cdc7b36dcc5"
_STARTED = "39f53479d3a045ac8e11786248231fbf"
_FAILED = "be02cf6855d2428ba40df7e9d022f03d"
_RESULT = "d9b373ed55a64feb8242e02dbe79a49c"
_EXITED = "98e322203f7a4ed290d09fe03c09fe15"

_STOP_FIELDS = "--output-fields=UNIT,MESSAGE_ID,UNIT_RESULT,EXIT_CODE,EXIT_STATUS"
_START_FIELDS = "--output-fields=UNIT,MESSAGE_ID,JOB_TYPE,JOB_RESULT"


@dataclass(frozen=True)
class ManagerTimes:
    """Milestones of PID 1; None for those not reached, or not yet.

    :ivar initrd_us: systemd started in the initrd.
    :ivar userspace_us: systemd started in the real root.
    :ivar finish_us: everything started at boot was up.
    :ivar firmware_us: how long before the kernel's clock zero the firmware started, as it or the boot loader recorded, like
        C(loader_us); after a kexec both are leftovers of an earlier boot.
    """

    initrd_us: Optional[int] = None
    userspace_us: Optional[int] = None
    finish_us: Optional[int] = None
    firmware_us: Optional[int] = None
    loader_us: Optional[int] = None


@dataclass(frozen=True)
class UnitTimes:
    """A unit's last start.

    :ivar starting_us: it left the state inactive.
    :ivar active_us: it became active; None if it has not since.
    :ivar inactive_us: it became inactive again, as a one-shot unit does; None if it has not since.
    :ivar after: units that it starts after, if they start at all.
    """

    unit: str
    starting_us: int
    active_us: Optional[int]
    inactive_us: Optional[int]
    after: Tuple[str, ...] = ()

    @property
    def started_us(self) -> Optional[int]:
        """End of its activation; None if it did not end."""
        return min((end for end in (self.active_us, self.inactive_us) if end is not None), default=None)

    @property
    def duration_us(self) -> Optional[int]:
        """Time from the start of activation to its end; None if it did not end."""
        end = self.started_us
        return end - self.starting_us if end is not None else None


@dataclass(frozen=True)
class UnitStop:
    """A unit's stop in an earlier boot.

    :ivar began_us: its beginning on that host's real-time clock, microseconds since 1970; None if unknown.
    :ivar timed_out: whether it was killed because its stop timeout had passed.
    :ivar signal: number of the signal that ended its main process; None if that ended by itself, or is unknown.
    """

    unit: str
    duration_us: int
    began_us: Optional[int] = None
    timed_out: bool = False
    signal: Optional[int] = None


class StartJob(NamedTuple):
    """A start of a unit according to this boot's journal, in microseconds of CLOCK_MONOTONIC.

    :ivar began_us: None if the start was only waited for, as that of a device is.
    :ivar result: C(done), C(timeout), C(dependency), C(failed) or what else systemd calls it.
    """

    unit: str
    began_us: Optional[int]
    ended_us: int
    result: str


def parse_manager(text: str) -> ManagerTimes:
    values = parse_properties(text)
    return ManagerTimes(*(_time(values, name) for name in _MANAGER))


def parse_units(text: str) -> List[UnitTimes]:
    """Parse units from C(systemctl show); units that did not start in this boot are left out."""
    units = []
    for block in text.split("\n\n"):
        values = parse_properties(block)
        starting = _time(values, "InactiveExit")
        if not values.get("Id") or starting is None:
            continue
        # A time before the start belongs to an earlier start.
        active, inactive = (
            end if end is not None and end >= starting else None for end in (_time(values, name) for name in _UNIT[1:])
        )
        after = tuple(shown_name(unit) for unit in values.get("After", "").split())
        units.append(UnitTimes(shown_name(values["Id"]), starting, active, inactive, after))
    return units


def parse_stops(lines: Iterable[str]) -> List[UnitStop]:
    """Parse stop times from the journal's JSON lines (journalctl(1), C(--output=json)); incomplete stops are left out."""
    began: Dict[str, Tuple[int, int]] = {}
    stops: Dict[str, UnitStop] = {}
    timed_out, signals = set(), {}
    for entry in _entries(lines):
        with contextlib.suppress(ValueError, KeyError):
            unit, kind = shown_name(str(entry["UNIT"])), entry["MESSAGE_ID"]
            if kind == _STOPPING:
                began[unit] = _count(entry, "__MONOTONIC_TIMESTAMP"), _count(entry, "__REALTIME_TIMESTAMP")
            elif kind == _STOPPED and unit in began:
                monotonic_us, realtime_us = began.pop(unit)
                stops[unit] = UnitStop(unit, _count(entry, "__MONOTONIC_TIMESTAMP") - monotonic_us, realtime_us)
            elif kind == _RESULT and entry["UNIT_RESULT"] == "timeout":
                timed_out.add(unit)
            elif kind == _EXITED and entry["EXIT_CODE"] in ("killed", "dumped"):
                signals[unit] = _count(entry, "EXIT_STATUS")
    return [replace(stop, timed_out=stop.unit in timed_out, signal=signals.get(stop.unit)) for stop in stops.values()]


def parse_starts(lines: Iterable[str], since_us: int = 0) -> List[StartJob]:
    """Parse starts from the journal's JSON lines; of a unit that started twice, the first counts.

    :param since_us: when the system began, in microseconds of CLOCK_MONOTONIC: after a soft reboot, long after the boot.
    """
    began: Dict[str, int] = {}
    starts: Dict[str, StartJob] = {}
    for entry in _entries(lines):
        with contextlib.suppress(ValueError, KeyError):
            unit, kind = shown_name(str(entry["UNIT"])), entry["MESSAGE_ID"]
            at_us = _count(entry, "__MONOTONIC_TIMESTAMP")
            if at_us < since_us:
                continue
            if kind == _STARTING:
                began.setdefault(unit, at_us)
            elif kind in (_STARTED, _FAILED) and entry.get("JOB_TYPE", "start") == "start":
                starts.setdefault(unit, StartJob(unit, began.get(unit), at_us, shown_name(str(entry.get("JOB_RESULT", "done")))))
    return list(starts.values())


def _entries(lines: Iterable[str]) -> Iterator[Dict[str, Any]]:
    for line in lines:
        with contextlib.suppress(ValueError):
            entry = parse_json(line)
            if isinstance(entry, dict):
                yield entry


def read_manager(run: Runner) -> ManagerTimes:
    """Read this boot's milestones; all None if systemd can't be asked."""
    names = ",".join("%sTimestampMonotonic" % name for name in _MANAGER)
    answer = run(["systemctl", "show", "--property=" + names], _TIMEOUT_S)
    return parse_manager(answer.stdout if answer.rc == 0 else "")


def read_units(run: Runner) -> List[UnitTimes]:
    """Read when this boot's units started, and in which order; empty if systemd can't be asked."""
    names = ",".join(["Id", "After", *("%sTimestampMonotonic" % name for name in _UNIT)])
    answer = run(["systemctl", "show", "--property=" + names, *("*." + kind for kind in _TYPES)], _TIMEOUT_S)
    return parse_units(answer.stdout if answer.rc == 0 else "")


def read_stops(run: Runner, boot_id: str, since_ns: int, until_ns: Optional[int] = None) -> List[UnitStop]:
    """Read a boot's unit stops from a Unix time of its own clock on; empty if the journal is not persistent.

    :param until_ns: Unix time of the last of them, in a boot that went on; None for one that ended.
    """
    # Rounded to seconds, to miss nothing that began with the stop or ended with it.
    span = ["--since=@%d" % (since_ns // 10**9)] + ([] if until_ns is None else ["--until=@%d" % (until_ns // 10**9 + 1)])
    boot = "--boot=" + boot_id.replace("-", "")
    lines = _read_journal(run, [boot, *span, _STOP_FIELDS], (_STOPPING, _STOPPED, _RESULT, _EXITED))
    return parse_stops(lines)


def read_starts(run: Runner, since_us: int = 0) -> List[StartJob]:
    """Read the starts of this boot's units, the initrd's included; empty if the journal can't be read.

    :param since_us: see :func:`parse_starts`.
    """
    return parse_starts(_read_journal(run, ["--boot", _START_FIELDS], (_STARTING, _STARTED, _FAILED)), since_us)


def _read_journal(run: Runner, options: Iterable[str], message_ids: Iterable[str]) -> List[str]:
    argv = ["journalctl", "--quiet", "--no-pager", "--output=json", *options, "_PID=1"]
    answer = run([*argv, *("MESSAGE_ID=" + each for each in message_ids)], _TIMEOUT_S)
    return answer.stdout.splitlines() if answer.rc == 0 else []


def parse_boots(text: str) -> List[Tuple[int, str]]:
    """Parse offset from the current boot and boot_id of each boot in C(journalctl --list-boots)."""
    boots = []
    for line in text.splitlines():
        words = line.split()
        with contextlib.suppress(ValueError):
            if len(words) > 1 and len(words[1]) == 32:
                boots.append((int(words[0]), words[1]))
    return boots


def read_previous_boot(run: Runner) -> Optional[str]:
    """Ask the journal for the previous boot_id, without dashes; None if the journal is not persistent."""
    answer = run(["journalctl", "--quiet", "--no-pager", "--list-boots"], _TIMEOUT_S)
    return dict(parse_boots(answer.stdout)).get(-1) if answer.rc == 0 else None


def _count(entry: Mapping[str, Any], name: str) -> int:
    """Take a number from an entry of the journal; raises KeyError or ValueError."""
    value = parse_count(str(entry[name]))
    if value is None:
        raise ValueError("%s is no number" % name)
    return value


def _time(values: Dict[str, str], name: str) -> Optional[int]:
    return parse_count(values.get(name + "TimestampMonotonic", "")) or None
