# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the system before left on this host as it stopped; written by the scripts in C(_kexec/trigger.py)."""

from __future__ import annotations

import contextlib
import re
import shutil
from dataclasses import dataclass, field
from typing import Dict, Optional

from .._paths import LAST_STOP_DIRECTORY
from .files import HostFiles

# The reboot was asked for; and all services that do not ask for another order had been stopped.
BEGAN = "began"
STOPPED = "stopped"


@dataclass(frozen=True)
class StopStamp:
    """One moment of the old system, on its own clocks.

    :ivar realtime_ns: since 1970, in the middle between two readings.
    :ivar realtime_error_ns: half of the time between them.
    :ivar log_ns: on the clock of its kernel's log; None if that could not be read.
    """

    realtime_ns: int
    realtime_error_ns: int
    log_ns: Optional[int]


@dataclass(frozen=True)
class LastStop:
    """The end of an earlier boot: of the one before this, if nothing else says otherwise.

    :ivar release: of its kernel.
    :ivar staged: what its record of the staged image said, as text; None if nothing was staged.
    :ivar stamps: by name, :data:`BEGAN` and :data:`STOPPED`.
    """

    token: str
    boot_id: str
    release: str
    staged: Optional[str]
    stamps: Dict[str, StopStamp] = field(default_factory=dict)


def parse_stamps(text: str, logs: Dict[str, str]) -> Dict[str, StopStamp]:
    """The stamps by name; the last of each name, and none of a line that can't be understood.

    :param logs: the end of the kernel log as it was after each stamp, by its name, as dmesg(1) prints it.
    """
    stamps = {}
    for line in text.splitlines():
        with contextlib.suppress(ValueError):
            name, before, after = line.split()
            first_ns, last_ns = int(before), int(after)
            log_ns = _time_in_log(logs.get(name, ""), name)
            stamps[name] = StopStamp((first_ns + last_ns) // 2, abs(last_ns - first_ns) // 2, log_ns)
    return stamps


def _time_in_log(log: str, name: str) -> Optional[int]:
    found = re.findall(r"^\[ *(\d+)\.(\d{6})\] fleet-kexec: stamp %s " % re.escape(name), log, re.MULTILINE)
    return (int(found[-1][0]) * 10**6 + int(found[-1][1])) * 1000 if found else None


def read_last_stop(files: HostFiles) -> Optional[LastStop]:
    """What was left; None if nothing was, or without privileges."""

    def read(name: str) -> Optional[str]:
        return files.read_text("%s/%s" % (LAST_STOP_DIRECTORY, name))

    token, boot_id = read("token"), read("boot_id")
    if not token or not boot_id:
        return None
    logs = {name: read("log." + name) or "" for name in (BEGAN, STOPPED)}
    return LastStop(token, boot_id, read("release") or "", read("staged.json"), parse_stamps(read("stamps") or "", logs))


def drop_last_stop(files: HostFiles) -> None:
    """Remove what was left, if anything was.

    :raises OSError: it can't be removed.
    """
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(files.path(LAST_STOP_DIRECTORY))
