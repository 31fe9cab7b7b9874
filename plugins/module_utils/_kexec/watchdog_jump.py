# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Determine whether a hardware watchdog keeps running from the old kernel into the new one (pure).

That takes a device, systemd arming it for the kexec, and the old kernel not stopping it. Each driver decides the last
(C(watchdog_stop_on_reboot()), drivers/watchdog/watchdog_core.c), unless the core's parameter C(stop_on_reboot) overrides it when
the driver registers; to the core, a kexec is a restart.
"""

from __future__ import annotations

from typing import Dict, NamedTuple, Optional

from .._host.watchdog import SOFTDOG, Watchdog, Watchdogs

# Whether a driver has the core stop the device, from drivers/watchdog/NAME.c of the kernel.
STOPS_ON_REBOOT: Dict[str, bool] = {
    # Does not call watchdog_stop_on_reboot(), and has no shutdown hook.
    "hpwdt": False,
    # These call it.
    "i6300esb": True,
    "iTCO_wdt": True,
    "sp5100_tco": True,
    "w83627hf_wdt": True,
    "wdat_wdt": True,
}


class Across(NamedTuple):
    """Whether a watchdog runs across the jump (None if unknown), and why, as a sentence."""

    runs: Optional[bool]
    why: str


def _armed(watchdogs: Watchdogs) -> Optional[Across]:
    """Why systemd does not arm a watchdog for a kexec; None if it does."""
    for name, value in (("RuntimeWatchdogSec", watchdogs.runtime_s), ("KExecWatchdogSec", watchdogs.kexec_s)):
        if value is None:
            return Across(None, "systemd does not tell its %s" % name)
        if value == 0:
            return Across(False, "systemd arms no watchdog for a kexec: %s is off" % name)
    return None


def across_jump(watchdogs: Watchdogs) -> Across:
    """Determine whether a hardware watchdog runs from the old system across the jump into the new one."""
    if not watchdogs.devices:
        if watchdogs.legacy:
            return Across(None, "/dev/watchdog belongs to a driver that tells nothing of itself")
        return Across(False, "there is no watchdog")
    # systemd opens one device: the active one, or else the first.
    used = next((device for device in watchdogs.devices if device.active), watchdogs.devices[0])
    name = "%s (%s)" % (used.device, used.driver or used.identity or "unknown driver")
    if used.driver == SOFTDOG:
        return Across(False, "%s is a timer of the old kernel and ends with it" % name)
    unarmed = _armed(watchdogs)
    if unarmed is not None:
        return unarmed
    return _left_running(watchdogs, used, name)


def _left_running(watchdogs: Watchdogs, used: Watchdog, name: str) -> Across:
    """Determine whether the old kernel leaves an armed watchdog running."""
    if watchdogs.stop_on_reboot == 0:
        return Across(True, "%s is armed, and watchdog.stop_on_reboot=0 keeps the kernel from stopping it" % name)
    if watchdogs.stop_on_reboot == 1:
        return Across(False, "watchdog.stop_on_reboot=1 has the kernel stop %s" % name)
    stops = STOPS_ON_REBOOT.get(used.driver or "")
    if stops is None:
        return Across(None, "it is not known whether the driver of %s stops it before a kexec" % name)
    if stops:
        return Across(False, "the driver of %s stops it before a kexec, unless watchdog.stop_on_reboot=0 is set" % name)
    return Across(True, "%s is armed, and its driver does not stop it" % name)
