# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""POSIX shell scripts that run on a host around its reboot.

A module takes a second to arrive where a script takes one round trip, and after the reboot every round trip is downtime. Values
are passed as arguments and never pasted into a script.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.fleet.kexec.plugins.module_utils._host.running_system import (
    SOFT_REBOOTS,
    USERSPACE,
    identify_system,
    parse_properties,
)
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.proof import Evidence
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.trigger import PROLOGUE
from ansible_collections.fleet.kexec.plugins.module_utils._paths import trigger_unit

# Argument: token. Only reads, and needs no privileges.
STATE = (
    PROLOGUE
    + """
cd /proc/sys/kernel || exit 1
echo "boot_id=$(cat random/boot_id)"
echo "release=$(cat osrelease)"
echo "bootloader_type=$(cat bootloader_type 2>/dev/null)"
echo "panic_s=$(cat panic)"
echo "panic_on_oops=$(cat panic_on_oops)"
echo "timer=$(systemctl show --property=ActiveState --value "$unit.timer" 2>/dev/null)"
echo "trigger=$(systemctl show --property=ActiveState --value "$unit.service" 2>/dev/null)"
echo "system=$(systemctl is-system-running 2>/dev/null)"
systemctl show --property=%s,%s 2>/dev/null
echo "preparing=$(preparing)"
echo "cmdline=$(cat /proc/cmdline)"
"""
    % (SOFT_REBOOTS, USERSPACE)
)

# Nanoseconds since 1970, twice.
CLOCK = """
echo "clock=$(date +%s%N)"
echo "clock=$(date +%s%N)"
"""

# Arguments: kernel.panic, kernel.panic_on_oops.
RESTORE_PANIC = """
set -eu
echo "$1" > /proc/sys/kernel/panic
echo "$2" > /proc/sys/kernel/panic_on_oops
"""

# Argument: token. Last words of a trigger that failed.
TRIGGER_LOG = """
journalctl --quiet --no-pager --output=cat --lines=5 --unit="%s.service"
""" % trigger_unit("$1")


@dataclass(frozen=True)
class HostAnswer:
    """Answer of a host to STATE: the system it runs, and whether a reboot is imminent.

    :ivar timer: state of the timer that fires the trigger: C(active) until then.
    :ivar trigger: state of the unit that triggers the reboot: C(inactive) before and after, C(failed) if it could not.
    :ivar system: state of the host's systemd: C(running), C(degraded), C(stopping), …
    :ivar preparing: whether logind has begun a shutdown.
    """

    evidence: Evidence
    panic_s: int
    panic_on_oops: int
    timer: str
    trigger: str
    system: str
    preparing: bool

    @property
    def idle(self) -> bool:
        """Whether it is certain that no reboot is imminent."""
        return (
            self.system in ("running", "degraded", "starting", "maintenance")
            and not self.preparing
            and self.timer == self.trigger == "inactive"
        )


def parse_state(text: str) -> HostAnswer | None:
    """Parse the output of STATE; None if it is incomplete."""
    values = parse_properties(text)
    if not values.get("boot_id") or not values.get("release") or "cmdline" not in values:
        return None

    def number(name: str) -> int | None:
        try:
            return int(values.get(name, ""))
        except ValueError:
            return None

    return HostAnswer(
        evidence=Evidence(
            identify_system(values["boot_id"], values), values["release"], values["cmdline"], number("bootloader_type")
        ),
        panic_s=number("panic_s") or 0,
        panic_on_oops=number("panic_on_oops") or 0,
        timer=values.get("timer", ""),
        trigger=values.get("trigger", ""),
        system=values.get("system", ""),
        preparing=values.get("preparing") == "b true",
    )
