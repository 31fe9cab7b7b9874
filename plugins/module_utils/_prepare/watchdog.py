# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configure the hardware watchdog: fed by systemd, and kept running from one kernel to the next.

Source: systemd-system.conf(5), modprobe.d(5), and drivers/watchdog/watchdog_core.c of the kernel for C(stop_on_reboot).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import Iterator, List, Optional, Tuple

from .._bootloader.changes import FileChange
from .._command import Runner, find_executable
from .._host.files import HostFiles
from .._host.installed import list_installed
from .errors import PrepareError
from .record import PreparationRecord
from .steps import Step, run_tool

PART = "watchdog"

SYSTEM_CONF = "/etc/systemd/system.conf.d/fleet-kexec.conf"
MODPROBE_CONF = "/etc/modprobe.d/fleet-kexec.conf"
_DIRECTORIES = tuple(map(os.path.dirname, (SYSTEM_CONF, MODPROBE_CONF)))

_SYSTEM_TEXT = """\
# Installed by fleet.kexec. A host that hangs is reset, and so is one that does not come up again after a kexec.
[Manager]
RuntimeWatchdogSec=%s
KExecWatchdogSec=%s
"""
_MODPROBE_TEXT = """\
# Installed by fleet.kexec. The watchdog goes on while one kernel hands over to the next.
options watchdog stop_on_reboot=0
"""

_STATE = "/sys/class/watchdog/watchdog0/state"
_RELOAD = ("systemctl", "daemon-reload")

# Part of initramfs-tools.
_LIST_TOOL = "lsinitramfs"
_INITRD_PREFIX = "/boot/initrd.img-"
_CORE = re.compile(r"/drivers/watchdog/watchdog\.ko", re.ASCII)

# Time spans of systemd.time(7), and the other values that both settings accept.
_UNITS = (
    "nsec|ns|usec|us|msec|ms|seconds|second|sec|s|minutes|minute|min|m|hours|hour|hr|h|days|day|d|weeks|week|w|months|month|M"
    "|years|year|y"
)
_TIMESPAN = re.compile(r"off|default|infinity|[0-9]+|(?:[0-9]+(?:\.[0-9]+)? ?(?:%s) ?)+" % _UNITS, re.ASCII)


@dataclass(frozen=True)
class WatchdogWish:
    """Desired configuration of the watchdog.

    :ivar enabled: None to enable it if the host has one that nobody else feeds.
    :ivar runtime: C(RuntimeWatchdogSec).
    :ivar kexec: C(KExecWatchdogSec).
    """

    enabled: Optional[bool] = None
    runtime: str = "60s"
    kexec: str = "5min"


def plan_configuring(files: HostFiles, run: Runner, record: PreparationRecord, wish: WatchdogWish) -> Step:
    """Configure the watchdog, or undo that if it is no longer wanted.

    :raises PrepareError: C(TIMESPAN_INVALID); C(PREPARE_FAILED) if an initramfs can't be read.
    """
    for span in (wish.runtime, wish.kexec):
        if not _TIMESPAN.fullmatch(span):
            raise PrepareError("TIMESPAN_INVALID", "%r is not a systemd time span" % span)
    if wish.enabled is False:
        return plan_removing(files, run, record)
    state = files.read_text(_STATE)
    if not wish.enabled and (state is None or (state == "active" and not record.watchdog)):
        return Step(PART, record, record, record)
    missing = tuple(path for path in _DIRECTORIES if not files.exists(path) and path not in record.directories)
    changes = tuple(_changes(files, wish))
    reload = bool(changes) or record.reload_pending
    after = replace(record, watchdog=True, reload_pending=False, directories=record.directories + missing)
    updates = tuple(_update(release) for release in _without_option(files, run, changes))
    commands = ((_RELOAD,) if reload else ()) + updates
    return Step(PART, record, replace(after, reload_pending=reload), after, changes, commands=commands)


def _changes(files: HostFiles, wish: WatchdogWish) -> Iterator[FileChange]:
    for path, text in ((SYSTEM_CONF, _SYSTEM_TEXT % (wish.runtime, wish.kexec)), (MODPROBE_CONF, _MODPROBE_TEXT)):
        before, after = files.read_bytes(path), text.encode("ascii")
        if before != after:
            yield FileChange(path, before, after, with_directory=True)


def plan_removing(files: HostFiles, run: Runner, record: PreparationRecord) -> Step:
    """Undo what was configured here.

    :raises PrepareError: C(PREPARE_FAILED) if an initramfs can't be read.
    """
    if not record.watchdog:
        return Step(PART, record, record, record)
    changes = tuple(
        FileChange(path, files.read_bytes(path), None, with_directory=os.path.dirname(path) in record.directories)
        for path in (SYSTEM_CONF, MODPROBE_CONF)
        if files.exists(path)
    )
    updates = tuple(_update(release) for release, names in _initramfs(files, run) if MODPROBE_CONF.lstrip("/") in names)
    directories = tuple(path for path in record.directories if path not in _DIRECTORIES)
    after = replace(record, watchdog=False, reload_pending=False, directories=directories)
    # On the reload, systemd releases the watchdog at once.
    return Step(PART, record, record, after, changes, commands=(_RELOAD, *updates))


def _without_option(files: HostFiles, run: Runner, changes: Tuple[FileChange, ...]) -> List[str]:
    """Releases whose initramfs has the watchdog core, which is loaded from there, but not yet its option."""
    written = None if any(change.path == MODPROBE_CONF for change in changes) else os.stat(files.path(MODPROBE_CONF)).st_mtime
    return [
        release
        for release, names in _initramfs(files, run, older_than=written)
        if any(map(_CORE.search, names)) and MODPROBE_CONF.lstrip("/") not in names
    ]


def _initramfs(files: HostFiles, run: Runner, older_than: Optional[float] = None) -> Iterator[Tuple[str, List[str]]]:
    """Releases with the file names in their initramfs, where initramfs-tools made it.

    :param older_than: leave out those made since; initramfs-tools includes all of C(/etc/modprobe.d), so those have it.
    """
    tool = find_executable(_LIST_TOOL, files.root)
    for kernel in list_installed(files) if tool else []:
        if not (kernel.initrd or "").startswith(_INITRD_PREFIX):
            continue
        path = files.path(str(kernel.initrd))
        if older_than is None or os.stat(path).st_mtime < older_than:
            yield kernel.release, run_tool(run, (str(tool), path)).splitlines()


def _update(release: str) -> Tuple[str, ...]:
    return ("update-initramfs", "-u", "-k", release)
