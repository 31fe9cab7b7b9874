# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs on the host around a reboot: small POSIX shell scripts.

Modules would do, but a module takes a second to arrive where a script takes
one round trip, and after the reboot every round trip is downtime. Values go
in as arguments and are never pasted into a script.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.proof import Evidence

# become may come without the directories of root's own tools.
_PROLOGUE = """
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
export PATH
# logind may hold a reboot back for a while (inhibitors); by then there is no
# unit of ours any more, and systemd itself has not begun to stop.
preparing() {
    busctl get-property org.freedesktop.login1 /org/freedesktop/login1 \\
        org.freedesktop.login1.Manager PreparingForShutdown 2>/dev/null
}
loaded() {
    [ "$(cat /sys/kernel/kexec_loaded 2>/dev/null)" = 1 ]
}
"""

# Arguments: token, verb (kexec or reboot), delay in seconds, message.
#
# PID 1 owns what is triggered here, so that the end of this connection is not
# the end of the reboot. kexec-tools' init scripts (Debian 12 and older) would
# run kexec -e while others are still stopping, and load a kernel of their own
# before a plain reboot: they are masked until this boot ends.
TRIGGER = (
    _PROLOGUE
    + """
set -eu
if [ "$2" = kexec ] && ! loaded; then
    echo 'no image is loaded' >&2
    exit 1
fi
for name in kexec kexec-load; do
    if [ -e "/etc/init.d/$name" ]; then
        systemctl mask --runtime --quiet "$name.service"
    fi
done
systemd-run --quiet --unit="fleet-kexec-$1" --description='Reboot by fleet.kexec' \
    --on-active="$3" --timer-property=AccuracySec=1ms \
    --setenv=SYSTEMCTL_SKIP_AUTO_KEXEC=1 \
    systemctl --message="$4" "$2"
"""
)

# Argument: token, empty before there is one. Ends what TRIGGER began, and
# unloads; fails without unloading if the host is going down already.
CALL_OFF = (
    _PROLOGUE
    + """
if [ -n "$1" ]; then
    systemctl stop "fleet-kexec-$1.timer"
fi
if [ "$(systemctl is-system-running 2>/dev/null)" = stopping ] || [ "$(preparing)" = 'b true' ]; then
    echo 'the host is going down' >&2
    exit 1
fi
for name in kexec kexec-load; do
    if [ -e "/etc/init.d/$name" ]; then
        systemctl unmask --runtime --quiet "$name.service"
    fi
done
systemctl reset-failed "fleet-kexec-$1.service" 2>/dev/null
if loaded; then
    kexec -s -u || kexec -c -u
fi
if loaded; then
    exit 1
fi
rm -f /run/fleet-kexec/staged.json
"""
)

# Argument: token. Reading only, and no privileges needed.
STATE = (
    _PROLOGUE
    + """
cd /proc/sys/kernel || exit 1
echo "boot_id=$(cat random/boot_id)"
echo "release=$(cat osrelease)"
echo "bootloader_type=$(cat bootloader_type 2>/dev/null)"
echo "panic_s=$(cat panic)"
echo "panic_on_oops=$(cat panic_on_oops)"
echo "timer=$(systemctl show --property=ActiveState --value "fleet-kexec-$1.timer" 2>/dev/null)"
echo "trigger=$(systemctl show --property=ActiveState --value "fleet-kexec-$1.service" 2>/dev/null)"
echo "system=$(systemctl is-system-running 2>/dev/null)"
echo "preparing=$(preparing)"
echo "cmdline=$(cat /proc/cmdline)"
"""
)

# Arguments: kernel.panic, kernel.panic_on_oops.
RESTORE_PANIC = """
set -eu
echo "$1" > /proc/sys/kernel/panic
echo "$2" > /proc/sys/kernel/panic_on_oops
"""

# Argument: token. The last words of a trigger that failed.
TRIGGER_LOG = """
journalctl --quiet --no-pager --output=cat --lines=5 --unit="fleet-kexec-$1.service"
"""


@dataclass(frozen=True)
class HostState:
    """What STATE tells.

    :ivar timer: state of the timer that fires the trigger: C(active) until then.
    :ivar trigger: state of the unit that triggers the reboot: C(inactive)
        before and after, C(failed) if it could not.
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
        """Whether it is certain that no reboot is about to happen."""
        return (
            self.system in ("running", "degraded", "starting", "maintenance")
            and not self.preparing
            and self.timer == self.trigger == "inactive"
        )


def parse_state(text: str) -> HostState | None:
    """Parse what STATE printed; None if it is not complete."""
    values = dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line)
    if not values.get("boot_id") or not values.get("release") or "cmdline" not in values:
        return None

    def number(name: str) -> int | None:
        value = values.get(name, "")
        return int(value) if value.lstrip("-").isdigit() else None

    return HostState(
        evidence=Evidence(values["boot_id"], values["release"], values["cmdline"], number("bootloader_type")),
        panic_s=number("panic_s") or 0,
        panic_on_oops=number("panic_on_oops") or 0,
        timer=values.get("timer", ""),
        trigger=values.get("trigger", ""),
        system=values.get("system", ""),
        preparing=values.get("preparing") == "b true",
    )
