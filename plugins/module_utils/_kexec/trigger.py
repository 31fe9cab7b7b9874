# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Triggering a reboot and calling it off: POSIX shell scripts, run on the host from afar or by its own command.

Values go in as arguments and are never pasted into a script.
"""

from __future__ import annotations

# become may come without the directories of root's own tools.
PROLOGUE = """
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

# Arguments: token, verb (kexec or reboot), delay in seconds, message, the
# boot_id that is to end: a trigger that comes late can't reboot a host twice.
#
# PID 1 owns what is triggered here, so that the end of this connection is not
# the end of the reboot. kexec-tools' init scripts (Debian 12 and older) would
# run kexec -e while others are still stopping, and load a kernel of their own
# before a plain reboot: they are masked until this boot ends.
TRIGGER = (
    PROLOGUE
    + """
set -eu
if [ "$(cat /proc/sys/kernel/random/boot_id)" != "$5" ]; then
    echo 'the host has rebooted already' >&2
    exit 1
fi
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
    PROLOGUE
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
