# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hardware watchdogs and systemd's settings for them.

Source: Documentation/ABI/testing/sysfs-class-watchdog of the kernel, and systemd-system.conf(5).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Optional

from .._command import Runner
from .._text import shown_name
from .files import HostFiles
from .timespans import INFINITY_S, parse_timespan

SOFTDOG = "softdog"
# systemd's C(default) and C(infinity): the device keeps its own timeout.
DEVICE_DEFAULT_S = -1.0

_CLASS = "/sys/class/watchdog"
# A driver without a device behind it has no driver link.
_DRIVERS_BY_IDENTITY = {"Software Watchdog": SOFTDOG}
SOFTWARE_IDENTITIES = frozenset(_DRIVERS_BY_IDENTITY)
_PROPERTIES = ("RuntimeWatchdogUSec", "KExecWatchdogUSec", "RebootWatchdogUSec")
_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Watchdog:
    """A watchdog of the kernel's watchdog core.

    :ivar driver: name of its module, or of the driver if that is built in.
    :ivar max_timeout_s: None if the kernel does not report it.
    :ivar nowayout: whether userspace can't stop it.
    """

    device: str
    identity: str
    driver: Optional[str]
    timeout_s: Optional[int]
    max_timeout_s: Optional[int]
    active: bool
    nowayout: bool


@dataclass(frozen=True)
class Watchdogs:
    """All watchdogs, and systemd's settings.

    :ivar legacy: whether there is a C(/dev/watchdog) of a driver outside the core, about which nothing can be read.
    :ivar stop_on_reboot: the core's module parameter: 0, 1, or -1 for the driver's default; None if it can't be read.
    :ivar runtime_s: C(RuntimeWatchdogSec), or 0 for off, -1 for the device's own timeout, None if unknown; C(kexec_s) and
        C(reboot_s) likewise.
    """

    devices: List[Watchdog] = field(default_factory=list)
    legacy: bool = False
    stop_on_reboot: Optional[int] = None
    runtime_s: Optional[float] = None
    kexec_s: Optional[float] = None
    reboot_s: Optional[float] = None


def parse_systemd_watchdogs(text: str) -> Dict[str, Optional[float]]:
    """Parse seconds by property from C(systemctl show); None for those missing."""
    said = dict(line.partition("=")[::2] for line in text.splitlines())
    seconds = {name: parse_timespan(said[name]) if name in said else None for name in _PROPERTIES}
    return {name: DEVICE_DEFAULT_S if value == INFINITY_S else value for name, value in seconds.items()}


def _read_watchdog(files: HostFiles, name: str) -> Watchdog:
    base = "%s/%s" % (_CLASS, name)
    identity = files.read_name(base + "/identity") or ""
    driver = files.link_name(base + "/device/driver/module") or files.link_name(base + "/device/driver")
    return Watchdog(
        device="/dev/" + shown_name(name),
        identity=identity,
        driver=driver or _DRIVERS_BY_IDENTITY.get(identity),
        timeout_s=files.read_int(base + "/timeout"),
        max_timeout_s=files.read_int(base + "/max_timeout"),
        active=files.read_name(base + "/state") == "active",
        nowayout=files.read_int(base + "/nowayout") == 1,
    )


def read_watchdogs(files: HostFiles, run: Runner) -> Watchdogs:
    devices = [_read_watchdog(files, name) for name in files.listdir(_CLASS) if name.startswith("watchdog")]
    shown = run(["systemctl", "show", *("--property=" + name for name in _PROPERTIES)], _TIMEOUT_S)
    said = parse_systemd_watchdogs(shown.stdout if shown.rc == 0 else "")
    return Watchdogs(
        devices=devices,
        legacy=not devices and files.exists("/dev/watchdog"),
        stop_on_reboot=files.read_int("/sys/module/watchdog/parameters/stop_on_reboot"),
        runtime_s=said["RuntimeWatchdogUSec"],
        kexec_s=said["KExecWatchdogUSec"],
        reboot_s=said["RebootWatchdogUSec"],
    )
