# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running system: its identity, and how far its systemd can reboot it without its kernel.

A kernel's boot_id tells its boot from any other. A soft reboot (systemd-soft-reboot.service(8)) replaces all of userspace and
keeps the kernel, so what runs is told by the boot_id and the number of soft reboots since that boot.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Dict, List, Mapping, Optional

from .._command import Runner
from .._text import shown_name
from .files import HostFiles
from .numbers import parse_count

_TIMEOUT_S = 30.0

#: Properties of the manager (org.freedesktop.systemd1(5)) that identify the system. The count is there from systemd 256 on.
SOFT_REBOOTS = "SoftRebootsCount"
USERSPACE = "UserspaceTimestampMonotonic"
_VERSION = "Version"

#: Systemd that can reboot softly, and the one that also counts it, without which nothing would tell it from no reboot.
SOFT_REBOOT_VERSION = 254
COUNTING_VERSION = 256

NEXT_ROOT = "/run/nextroot"
# src/login/logind-dbus.c: kept for a logind that starts anew, and a soft reboot keeps all of /run.
_SCHEDULED = "/run/systemd/shutdown/scheduled"
_SCHEDULED_MODES = ("poweroff", "reboot", "halt", "kexec", "soft-reboot")
# Units that a soft reboot starts, and that stop what conflicts with them.
_STOPPING = frozenset(("shutdown.target", "soft-reboot.target", "umount.target"))


@dataclass(frozen=True)
class SystemId:
    """Identity of a running system.

    :ivar boot_id: of its kernel's boot.
    :ivar soft_reboots: number of soft reboots since that boot; 0 where systemd does not count them.
    :ivar userspace_us: when PID 1 started it, in microseconds of CLOCK_MONOTONIC; None if unknown. Not compared.
    """

    boot_id: str
    soft_reboots: int = 0
    userspace_us: Optional[int] = field(default=None, compare=False)

    def __str__(self) -> str:
        """Identity as one word: the boot_id, with the number of soft reboots if there were any."""
        return "%s+%d" % (self.boot_id, self.soft_reboots) if self.soft_reboots else self.boot_id


def identify_system(boot_id: str, properties: Mapping[str, str]) -> SystemId:
    """Identify a system by the boot_id and the manager's properties; those that are missing are unknown."""
    return SystemId(boot_id, number_of(properties, SOFT_REBOOTS) or 0, number_of(properties, USERSPACE))


def number_of(properties: Mapping[str, str], name: str) -> Optional[int]:
    """A property that is a number; None if it is missing, or is none."""
    return parse_count(properties.get(name, ""))


def parse_properties(text: str) -> Dict[str, str]:
    """Parse lines NAME=VALUE, as C(systemctl show) prints properties."""
    return dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line)


def read_manager(run: Runner) -> Dict[str, str]:
    """Read the properties of systemd that tell a system, and whether it can reboot softly; empty if systemd can't be asked."""
    answer = run(["systemctl", "show", "--property=%s,%s,%s" % (_VERSION, SOFT_REBOOTS, USERSPACE)], _TIMEOUT_S)
    return parse_properties(answer.stdout) if answer.rc == 0 else {}


def read_system_id(files: HostFiles, run: Runner) -> SystemId:
    """Identify the running system."""
    return identify_system(files.read_name("/proc/sys/kernel/random/boot_id") or "", read_manager(run))


@dataclass(frozen=True)
class SoftReboot:
    """What a soft reboot of the host would meet.

    :ivar systemd: version of systemd; None if it is not known, or not PID 1.
    :ivar count: number of soft reboots since the kernel's boot; None if systemd does not count them.
    :ivar next_root: whether another root file system is set up, into which a soft reboot would switch.
    :ivar survivors: running units that a soft reboot does not stop.
    :ivar scheduled: shutdown that somebody has scheduled, and when, in words; empty if there is none. A soft reboot keeps it.
    """

    systemd: Optional[int]
    count: Optional[int]
    next_root: bool
    survivors: List[str]
    scheduled: str = ""


def read_soft_reboot(files: HostFiles, run: Runner, manager: Mapping[str, str]) -> SoftReboot:
    """Read what a soft reboot would meet.

    :param manager: properties of systemd; see :func:`read_manager`.
    """
    version = re.match(r"[0-9]{1,6}", manager.get(_VERSION, ""))
    return SoftReboot(
        systemd=int(version.group()) if version else None,
        count=number_of(manager, SOFT_REBOOTS),
        next_root=files.exists(NEXT_ROOT),
        survivors=_survivors(run) if version and int(version.group()) >= SOFT_REBOOT_VERSION else [],
        scheduled=_scheduled(files),
    )


def _scheduled(files: HostFiles) -> str:
    values = parse_properties(files.read_text(_SCHEDULED) or "")
    mode, at_us = values.get("MODE", ""), number_of(values, "USEC")
    if at_us is None:
        return ""
    with contextlib.suppress(OverflowError, ValueError):
        at = datetime.fromtimestamp(at_us // 10**6, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        return "%s at %s" % (mode if mode in _SCHEDULED_MODES else "shutdown", at)
    return ""


def _survivors(run: Runner) -> List[str]:
    """Units that are not stopped, and whose processes the final kill spares.

    The first takes that they do not conflict with the shutdown, as all do by default; the second is SurviveFinalKillSignal= of
    systemd.unit(5), which systemd 255 brought.
    """
    names = "--property=Id,Conflicts,SurviveFinalKillSignal"
    answer = run(["systemctl", "show", names, "--state=active", "*.service", "*.scope"], _TIMEOUT_S)
    blocks = answer.stdout.split("\n\n") if answer.rc == 0 else []
    units = [parse_properties(block) for block in blocks]
    spared = (unit for unit in units if unit.get("SurviveFinalKillSignal") == "yes" and unit.get("Id"))
    return sorted(shown_name(unit["Id"]) for unit in spared if _STOPPING.isdisjoint(unit.get("Conflicts", "").split()))
