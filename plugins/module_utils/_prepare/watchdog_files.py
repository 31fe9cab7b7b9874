# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that configure the hardware watchdog.

Source: systemd-system.conf(5), modprobe.d(5), and drivers/watchdog/watchdog_core.c of the kernel for C(stop_on_reboot).
"""

from __future__ import annotations

SYSTEM_CONF = "/etc/systemd/system.conf.d/fleet-kexec.conf"
MODPROBE_CONF = "/etc/modprobe.d/fleet-kexec.conf"

# Arguments: RuntimeWatchdogSec and KExecWatchdogSec.
SYSTEM_TEXT = """\
# Installed by fleet.kexec. A host that hangs is reset, and so is one that does not come up again after a kexec.
[Manager]
RuntimeWatchdogSec=%s
KExecWatchdogSec=%s
"""
MODPROBE_TEXT = """\
# Installed by fleet.kexec. The watchdog goes on while one kernel hands over to the next.
options watchdog stop_on_reboot=0
"""
