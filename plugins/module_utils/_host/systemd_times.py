# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When systemd reached which point of this boot, and how long an earlier boot took to stop its units.

Times of this boot are microseconds of CLOCK_MONOTONIC, as in systemd's own properties (org.freedesktop.systemd1(5)).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional, Tuple

from .._command import Runner
from .._json import parse_json
from .._text import shown_name

_TIMEOUT_S = 30.0

_MANAGER = ("InitRD", "Userspace", "Finish", "Firmware", "Loader")
_UNIT = ("InactiveExit", "ActiveEnter", "InactiveEnter")

# sd-messages.h: SD_MESSAGE_UNIT_STOPPING and SD_MESSAGE_UNIT_STOPPED.
_STOPPING = "de5b426a63be47a7b6ac3eaac82e2f6f"
_STOPPED = "9d1aaa27d60140bd96365438aad20286"


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
    """

    unit: str
    starting_us: int
    active_us: Optional[int]
    inactive_us: Optional[int]

    @property
    def duration_us(self) -> Optional[int]:
        """Time from the start of activation to its end; None if it did not end."""
        ends = [end for end in (self.active_us, self.inactive_us) if end is not None]
        return min(ends) - self.starting_us if ends else None


@dataclass(frozen=True)
class UnitStop:
    unit: str
    duration_us: int


def parse_manager(text: str) -> ManagerTimes:
    values = _properties(text)
    return ManagerTimes(*(_time(values, name) for name in _MANAGER))


def parse_units(text: str) -> List[UnitTimes]:
    """Parse units from C(systemctl show); units that did not start in this boot are left out."""
    units = []
    for block in text.split("\n\n"):
        values = _properties(block)
        starting = _time(values, "InactiveExit")
        if not values.get("Id") or starting is None:
            continue
        # A time before the start belongs to an earlier start.
        active, inactive = (
            end if end is not None and end >= starting else None for end in (_time(values, name) for name in _UNIT[1:])
        )
        units.append(UnitTimes(shown_name(values["Id"]), starting, active, inactive))
    return units


def parse_stops(lines: Iterator[str]) -> List[UnitStop]:
    """Parse stop times from the journal's JSON lines (journalctl(1), C(--output=json)); incomplete stops are left out."""
    began: Dict[str, int] = {}
    stops = []
    for line in lines:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            entry = parse_json(line)
            unit, at_us = shown_name(str(entry["UNIT"])), int(entry["__MONOTONIC_TIMESTAMP"])
            if entry["MESSAGE_ID"] == _STOPPING:
                began[unit] = at_us
            elif entry["MESSAGE_ID"] == _STOPPED and unit in began:
                stops.append(UnitStop(unit, at_us - began.pop(unit)))
    return stops


def read_manager(run: Runner) -> ManagerTimes:
    """Read this boot's milestones; all None if systemd can't be asked."""
    names = ",".join("%sTimestampMonotonic" % name for name in _MANAGER)
    answer = run(["systemctl", "show", "--property=" + names], _TIMEOUT_S)
    return parse_manager(answer.stdout if answer.rc == 0 else "")


def read_units(run: Runner) -> List[UnitTimes]:
    """Read this boot's services and sockets; empty if systemd can't be asked."""
    names = ",".join(["Id", *("%sTimestampMonotonic" % name for name in _UNIT)])
    answer = run(["systemctl", "show", "--property=" + names, "*.service", "*.socket"], _TIMEOUT_S)
    return parse_units(answer.stdout if answer.rc == 0 else "")


def read_stops(run: Runner, boot_id: str, since_ns: int) -> List[UnitStop]:
    """Read an earlier boot's unit stops from a Unix time of its own clock on; empty if the journal is not persistent."""
    # Rounded down to a second, to miss nothing that began with the stop.
    since = "--since=@%d" % (since_ns // 10**9)
    argv = ["journalctl", "--quiet", "--no-pager", "--output=json", "--boot=" + boot_id.replace("-", ""), since]
    fields = "--output-fields=UNIT,MESSAGE_ID"
    answer = run([*argv, fields, "_PID=1", "MESSAGE_ID=" + _STOPPING, "MESSAGE_ID=" + _STOPPED], _TIMEOUT_S)
    return parse_stops(iter(answer.stdout.splitlines())) if answer.rc == 0 else []


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


def _properties(text: str) -> Dict[str, str]:
    return dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line)


def _time(values: Dict[str, str], name: str) -> Optional[int]:
    value = values.get(name + "TimestampMonotonic", "")
    return int(value) if value.isdigit() and int(value) else None
