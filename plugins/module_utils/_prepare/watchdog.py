# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configure the hardware watchdog: fed by systemd, and kept running from one kernel to the next."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import Iterator, List, Optional, Tuple

from .._command import Runner, find_executable
from .._host.changes import FileChange
from .._host.files import HostFiles
from .._host.installed import list_installed
from .._kexec.host_files import WantedFile
from .._reasons import reason
from .errors import PrepareError
from .record import PreparationRecord
from .steps import Step, plan_files, run_tool, step_giving_back
from .watchdog_files import MODPROBE_CONF, MODPROBE_TEXT, SYSTEM_CONF, SYSTEM_TEXT
from .watchdog_owner import find_owner, is_unstoppable

PART = "watchdog"

_FILES = (SYSTEM_CONF, MODPROBE_CONF)

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
    nothing = Step(PART, record, record, record)
    ours = is_configured(record)
    state = files.read_text(_STATE)
    if not wish.enabled and (state is None or (state == "active" and not ours)):
        return nothing
    owner = find_owner(files, run) if not wish.enabled and not ours else None
    if owner is not None:
        note = reason("WATCHDOG_OWNED", "the hardware watchdog is idle, and is left alone: %s" % owner)
        return replace(nothing, notes=(note,))
    texts = ((SYSTEM_CONF, SYSTEM_TEXT % (wish.runtime, wish.kexec)), (MODPROBE_CONF, MODPROBE_TEXT))
    wanted = [WantedFile(path, text.encode("ascii"), 0o644, owned=False) for path, text in texts]
    changes, remembered, notes = plan_files(files, record, wanted)
    reload = bool(changes) or record.reload_pending
    after = replace(remembered, reload_pending=False)
    updates = tuple(_update(release) for release in _without_option(files, run, changes))
    commands = ((_RELOAD,) if reload else ()) + updates
    return Step(PART, record, replace(after, reload_pending=reload), after, changes, commands=commands, notes=notes)


def is_configured(record: PreparationRecord) -> bool:
    """Whether the watchdog was configured here."""
    return any(path in record.changes for path in _FILES)


def plan_removing(files: HostFiles, run: Runner, record: PreparationRecord) -> Step:
    """Undo what was configured here.

    :raises PrepareError: C(PREPARE_FAILED) if an initramfs can't be read.
    """
    if not is_configured(record) and not record.reload_pending:
        return Step(PART, record, record, record)
    if is_unstoppable(files) and files.read_text(_STATE) == "active":
        # Nobody would feed it any more, as soon as anything has systemd read its configuration again.
        note = reason("WATCHDOG_STAYS", "the hardware watchdog can't be stopped (nowayout), so systemd has to go on feeding it")
        return Step(PART, record, record, record, notes=(note,))
    step = step_giving_back(PART, files, record, _FILES)
    gone = any(change.path == MODPROBE_CONF and change.after is None for change in step.changes)
    there = gone or not files.exists(MODPROBE_CONF)
    updates = tuple(_update(release) for release, names in _initramfs(files, run) if there and MODPROBE_CONF.lstrip("/") in names)
    # On the reload, systemd releases the watchdog at once.
    reload = bool(step.changes) or not step.notes or record.reload_pending
    return replace(step, after=replace(step.after, reload_pending=False), commands=((_RELOAD,) if reload else ()) + updates)


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
