# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Determine whether a hardware watchdog that is idle belongs to somebody.

A cluster node that was taken out of its cluster, a daemon that is to start with the next boot, and an administrator who wants no
watchdog all leave it idle. Source: systemd-system.conf(5), kernel-command-line(7), and the units of sbd, watchdog, watchdogd and
pve-ha-manager.
"""

from __future__ import annotations

import os
from typing import Dict, Iterator, List, Optional, Tuple

from .._cmdline import values_of
from .._command import Runner
from .._host.files import HostFiles
from .watchdog_files import SYSTEM_CONF

NOWAYOUT = "/sys/class/watchdog/watchdog0/nowayout"

_UNITS = ("sbd.service", "sbd_remote.service", "watchdog.service", "watchdogd.service", "watchdog-mux.service")
# States of a unit file whose unit nobody starts.
_UNUSED = ("", "disabled", "masked", "masked-runtime", "bad")
_IDLE = ("inactive", "failed")
_TIMEOUT_S = 30.0

_SETTING = "RuntimeWatchdogSec"
_MAIN_FILE = "/etc/systemd/system.conf"
# Of the administrator; files of the distribution lie below /usr/lib.
_DROP_INS = ("/etc/systemd/system.conf.d", "/run/systemd/system.conf.d", "/usr/local/lib/systemd/system.conf.d")
# The same setting on the kernel's command line.
_ARGUMENT = "systemd.watchdog_sec"


def find_owner(files: HostFiles, run: Runner) -> Optional[str]:
    """Describe who else decides on the watchdog, as a sentence; None if nobody does."""
    unit = next(_units(run), None)
    if unit is not None:
        return "%s is set up to feed it" % unit
    setting = next(_settings(files), None)
    if setting is not None:
        return "%s sets %s=%s" % (setting[0], _SETTING, setting[1])
    if is_unstoppable(files):
        return "it can't be stopped once it runs (nowayout)"
    return None


def is_unstoppable(files: HostFiles) -> bool:
    """Whether the kernel lets nobody stop the watchdog once it runs."""
    return files.read_int(NOWAYOUT) == 1


def _units(run: Runner) -> Iterator[str]:
    properties = ("Id", "LoadState", "UnitFileState", "ActiveState")
    shown = run(["systemctl", "show", *("--property=" + name for name in properties), *_UNITS], _TIMEOUT_S)
    for block in shown.stdout.split("\n\n") if shown.rc == 0 else []:
        said: Dict[str, str] = dict(line.partition("=")[::2] for line in block.splitlines())
        used = said.get("UnitFileState", "") not in _UNUSED or said.get("ActiveState", "inactive") not in _IDLE
        if said.get("LoadState") == "loaded" and used and said.get("Id") in _UNITS:
            yield said["Id"]


def _settings(files: HostFiles) -> Iterator[Tuple[str, str]]:
    """Files of others that set it, and the command line, with the value."""
    paths: List[str] = [_MAIN_FILE]
    for directory in _DROP_INS:
        paths.extend(os.path.join(directory, name) for name in files.listdir(directory) if name.endswith(".conf"))
    for path in paths:
        for line in (files.read_text(path) or "").splitlines() if path != SYSTEM_CONF else ():
            name, _separator, value = line.partition("=")
            if name.strip() == _SETTING and value.strip():
                yield path, value.strip()
    for value in values_of(files.read_line("/proc/cmdline") or "", _ARGUMENT):
        yield "the kernel's command line", value
