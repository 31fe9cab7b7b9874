# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traces that the previous system left while it stopped, written by the scripts in C(_kexec/trigger.py)."""

from __future__ import annotations

import contextlib
import re
import shutil
from dataclasses import dataclass, field
from typing import Dict, Optional

from .._paths import LAST_STOP_DIRECTORY
from .files import HostFiles
from .numbers import parse_count
from .running_system import SystemId

# BEGAN: the reboot was requested. STOPPED: all services with default shutdown ordering had stopped.
BEGAN = "began"
STOPPED = "stopped"


@dataclass(frozen=True)
class StopStamp:
    """A moment during the old system's stop, on its own clocks.

    :ivar realtime_ns: since 1970, halfway between two readings; C(realtime_error_ns) is half the time between them.
    :ivar log_ns: on the clock of its kernel's log; None if that could not be read.
    """

    realtime_ns: int
    realtime_error_ns: int
    log_ns: Optional[int]


@dataclass(frozen=True)
class LastStop:
    """End of an earlier system, normally the previous one.

    :ivar system: that system.
    :ivar release: release of its kernel.
    :ivar staged: its record of the staged image, as text; None if nothing was staged.
    :ivar stamps: by name, :data:`BEGAN` and :data:`STOPPED`.
    """

    token: str
    system: SystemId
    release: str
    staged: Optional[str]
    stamps: Dict[str, StopStamp] = field(default_factory=dict)


def parse_stamps(text: str, logs: Dict[str, str]) -> Dict[str, StopStamp]:
    """Parse stamps, keeping the last of each name; C(logs) has the end of dmesg(1) output at each. Bad lines are skipped."""
    stamps = {}
    for line in text.splitlines():
        with contextlib.suppress(ValueError):
            name, before, after = line.split()
            first_ns, last_ns = parse_count(before), parse_count(after)
            if first_ns is None or last_ns is None:
                continue
            log_ns = _time_in_log(logs.get(name, ""), name)
            stamps[name] = StopStamp((first_ns + last_ns) // 2, abs(last_ns - first_ns) // 2, log_ns)
    return stamps


def _time_in_log(log: str, name: str) -> Optional[int]:
    found = re.findall(r"^\[ *(\d{1,12})\.(\d{6})\] fleet-kexec: stamp %s " % re.escape(name), log, re.MULTILINE)
    return (int(found[-1][0]) * 10**6 + int(found[-1][1])) * 1000 if found else None


def read_last_stop(files: HostFiles) -> Optional[LastStop]:
    """Read the traces; None if there are none, or without privileges."""

    def read(name: str) -> Optional[str]:
        return files.read_text("%s/%s" % (LAST_STOP_DIRECTORY, name))

    token, boot_id, count = read("token"), read("boot_id"), read("soft_reboots") or ""
    if not token or not boot_id:
        return None
    system = SystemId(boot_id, parse_count(count) or 0)
    logs = {name: read("log." + name) or "" for name in (BEGAN, STOPPED)}
    return LastStop(token, system, read("release") or "", read("staged.json"), parse_stamps(read("stamps") or "", logs))


def drop_last_stop(files: HostFiles) -> None:
    """Remove the traces, if any; OSError if they can't be removed."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(files.path(LAST_STOP_DIRECTORY))
