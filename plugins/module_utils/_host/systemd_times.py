# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When systemd did what in this boot, and what it stopped in an earlier one.

Times of this boot are microseconds of CLOCK_MONOTONIC, as systemd's own
properties have them (org.freedesktop.systemd1(5)).
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional, Tuple

from .._command import Runner

_TIMEOUT_S = 30.0

_MANAGER = ("InitRD", "Userspace", "Finish", "Firmware", "Loader")
_UNIT = ("InactiveExit", "ActiveEnter", "InactiveEnter")

# sd-messages.h: SD_MESSAGE_UNIT_STOPPING and SD_MESSAGE_UNIT_STOPPED.
_STOPPING = "de5b426a63be47a7b6ac3eaac82e2f6f"
_STOPPED = "9d1aaa27d60140bd96365438aad20286"


@dataclass(frozen=True)
class ManagerTimes:
    """Where PID 1 was when. None for what it has not been, or not yet.

    :ivar initrd_us: systemd began in the initrd.
    :ivar userspace_us: systemd began in the real root.
    :ivar finish_us: all that is started at boot had been.
    :ivar firmware_us: how long before its kernel's clock began the firmware did, as the firmware or the boot loader
        noted it: after a kexec it is still that of the boot before, and none of this one's.
    :ivar loader_us: the same of the boot loader.
    """

    initrd_us: Optional[int] = None
    userspace_us: Optional[int] = None
    finish_us: Optional[int] = None
    firmware_us: Optional[int] = None
    loader_us: Optional[int] = None


@dataclass(frozen=True)
class UnitTimes:
    """When a unit last started.

    :ivar starting_us: it left the state inactive.
    :ivar active_us: it was active; None if it has not been since.
    :ivar inactive_us: it was inactive again, as one is that runs once; None if it has not been since.
    """

    unit: str
    starting_us: int
    active_us: Optional[int]
    inactive_us: Optional[int]

    @property
    def duration_us(self) -> Optional[int]:
        """From the beginning of its start to the end of it; None if it never ended."""
        ends = [end for end in (self.active_us, self.inactive_us) if end is not None]
        return min(ends) - self.starting_us if ends else None


@dataclass(frozen=True)
class UnitStop:
    """How long a unit took to stop."""

    unit: str
    duration_us: int


def parse_manager(text: str) -> ManagerTimes:
    """What C(systemctl show) says of PID 1."""
    values = _properties(text)
    return ManagerTimes(*(_time(values, name) for name in _MANAGER))


def parse_units(text: str) -> List[UnitTimes]:
    """What C(systemctl show) says of units, as far as they were ever started in this boot."""
    units = []
    for block in text.split("\n\n"):
        values = _properties(block)
        starting = _time(values, "InactiveExit")
        if not values.get("Id") or starting is None:
            continue
        # What is older than the start is of a start before.
        active, inactive = (
            end if end is not None and end >= starting else None for end in (_time(values, name) for name in _UNIT[1:])
        )
        units.append(UnitTimes(values["Id"], starting, active, inactive))
    return units


def parse_stops(lines: Iterator[str]) -> List[UnitStop]:
    """How long units took to stop, from the journal's lines as JSON (journalctl(1), C(--output=json)).

    A unit that was not seen to begin, or not to end, is left out.
    """
    began: Dict[str, int] = {}
    stops = []
    for line in lines:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            entry = json.loads(line)
            unit, at_us = str(entry["UNIT"]), int(entry["__MONOTONIC_TIMESTAMP"])
            if entry["MESSAGE_ID"] == _STOPPING:
                began[unit] = at_us
            elif entry["MESSAGE_ID"] == _STOPPED and unit in began:
                stops.append(UnitStop(unit, at_us - began.pop(unit)))
    return stops


def read_manager(run: Runner) -> ManagerTimes:
    """Of this boot; all None where systemd can't be asked."""
    names = ",".join("%sTimestampMonotonic" % name for name in _MANAGER)
    answer = run(["systemctl", "show", "--property=" + names], _TIMEOUT_S)
    return parse_manager(answer.stdout if answer.rc == 0 else "")


def read_units(run: Runner) -> List[UnitTimes]:
    """Services and sockets of this boot; none where systemd can't be asked."""
    names = ",".join(["Id", *("%sTimestampMonotonic" % name for name in _UNIT)])
    answer = run(["systemctl", "show", "--property=" + names, "*.service", "*.socket"], _TIMEOUT_S)
    return parse_units(answer.stdout if answer.rc == 0 else "")


def read_stops(run: Runner, boot_id: str, since_ns: int) -> List[UnitStop]:
    """What an earlier boot stopped; none where the journal does not outlive a boot.

    :param since_ns: nanoseconds since 1970 on that boot's clock.
    """
    # Of the last second before, so that rounding leaves nothing out that began with the stop.
    since = "--since=@%d" % (since_ns // 10**9)
    argv = ["journalctl", "--quiet", "--no-pager", "--output=json", "--boot=" + boot_id.replace("-", ""), since]
    fields = "--output-fields=UNIT,MESSAGE_ID"
    answer = run([*argv, fields, "_PID=1", "MESSAGE_ID=" + _STOPPING, "MESSAGE_ID=" + _STOPPED], _TIMEOUT_S)
    return parse_stops(iter(answer.stdout.splitlines())) if answer.rc == 0 else []


def parse_boots(text: str) -> List[Tuple[int, str]]:
    """Offset from the present boot and boot_id of each boot that the journal knows, from C(journalctl --list-boots)."""
    boots = []
    for line in text.splitlines():
        words = line.split()
        with contextlib.suppress(ValueError):
            if len(words) > 1 and len(words[1]) == 32:
                boots.append((int(words[0]), words[1]))
    return boots


def read_previous_boot(run: Runner) -> Optional[str]:
    """The boot_id before this one, without dashes, by the journal; None if that does not outlive a boot."""
    answer = run(["journalctl", "--quiet", "--no-pager", "--list-boots"], _TIMEOUT_S)
    return dict(parse_boots(answer.stdout)).get(-1) if answer.rc == 0 else None


def _properties(text: str) -> Dict[str, str]:
    return dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line)


def _time(values: Dict[str, str], name: str) -> Optional[int]:
    value = values.get(name + "TimestampMonotonic", "")
    return int(value) if value.isdigit() and int(value) else None
