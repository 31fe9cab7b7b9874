# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and systemd units of this collection on a host that more than one part of it knows by name.

Shell scripts take them from here as well: a token may be C($1).
"""

from __future__ import annotations

CONFIG_FILE = "/etc/fleet-kexec.conf"

# Gone with the boot.
RUN_DIRECTORY = "/run/fleet-kexec"
STAGED_RECORD = RUN_DIRECTORY + "/staged.json"

# Kept from boot to boot. Fast images lie in it, in a directory each.
STATE_DIRECTORY = "/var/lib/fleet-kexec"
LAST_STOP_DIRECTORY = STATE_DIRECTORY + "/last-stop"


def trigger_unit(token: str) -> str:
    """Name of the units that trigger a reboot, without C(.timer) or C(.service)."""
    return "fleet-kexec-" + token


def stamp_unit(token: str) -> str:
    """Name of the unit that notes when the system stops, without C(.service)."""
    return "fleet-kexec-stamp-" + token
