# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""POSIX shell scripts that trigger a reboot and call it off, run over a connection or by the host's own command.

Values are passed as arguments and never pasted into a script. The trigger also makes the old system record, for the new one, when
it began to stop and when it had stopped; C(_host/last_stop.py) reads that. Stamping never fails a reboot, and delays it by
seconds at most.
"""

from __future__ import annotations

from .._host.running_system import SOFT_REBOOTS
from .._paths import CRASH_MARKER, LAST_STOP_DIRECTORY, RUN_DIRECTORY, STAGED_RECORD, STATE_DIRECTORY, stamp_unit, trigger_unit
from .kdump import PUT_BACK

# Argument 1 of scripts that start with it: token. become may set a PATH without the directories of root's tools.
PROLOGUE = """
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
export PATH
unit="%s"
# logind may hold a reboot back for a while (inhibitors); by then there is no
# unit of ours any more, and systemd itself has not begun to stop.
preparing() {
    busctl get-property org.freedesktop.login1 /org/freedesktop/login1 \\
        org.freedesktop.login1.Manager PreparingForShutdown 2>/dev/null
}
going_down() {
    [ "$(systemctl is-system-running 2>/dev/null)" = stopping ] || [ "$(preparing)" = 'b true' ]
}
loaded() {
    [ "$(cat /sys/kernel/kexec_loaded 2>/dev/null)" = 1 ]
}
soft_reboots() {
    systemctl show --property=%s --value 2>/dev/null
}
""" % (trigger_unit("$1"), SOFT_REBOOTS)

_NAMES = """
stamp_unit="%s"
run_directory=%s
staged_record=%s
crash_marker=%s
stamp=%s/stamp
state_directory=%s
last_stop=%s
""" % (stamp_unit("$1"), RUN_DIRECTORY, STAGED_RECORD, CRASH_MARKER, RUN_DIRECTORY, STATE_DIRECTORY, LAST_STOP_DIRECTORY)

#: Codes of what unstaging leaves behind, that is no reason to stay in this boot: the next one loads the crash kernel, and TRIGGER
#: keeps systemd from running an image that nobody can unload.
MENDED_BY_REBOOT = ("KDUMP_NOT_RESTORED", "UNLOAD_DISABLED")

# Exit code of TRIGGER on a host that is already shutting down.
GOING_DOWN_RC = 3

# Arguments: token, name of the stamp. Appends a line to C(stamps): name, nanoseconds since 1970 before and after a message to the
# kernel log. Saves the end of that log, which dates the message by the kernel's own clock, in C(log.NAME).
# Once services have stopped, a soft reboot needs the masks of TRIGGER no more, which would outlive it.
#
# The new system can convert that clock to cycles, which nothing adjusts. A message of priority 7 reaches only consoles set above
# the default level. SYSLOG_ACTION_READ_ALL with a small buffer (dmesg -S -s) returns the end of the log, so that a long log takes
# no longer. There are as few processes as possible: all of this is downtime.
_STAMP = (
    """
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C
cd %s || exit 0
read -r token < token
[ "$token" = "$1" ] || exit 0
before=$(date +%%s%%N)
echo "<7>fleet-kexec: stamp $2 $1" > /dev/kmsg
after=$(date +%%s%%N)
echo "$2 $before $after" >> stamps
if [ "$2" = stopped ] && [ -e masks ]; then
    read -r masks < masks
    rm -f $masks
fi
exec dmesg -S -s 8192 > "log.$2"
"""
    % LAST_STOP_DIRECTORY
)

# Part of TRIGGER, with its arguments. Ordered before sysinit.target, the unit is stopped after all services with default
# dependencies, and before the file system it writes to is unmounted. systemd-shutdown syncs what it wrote.
_STAMPING = (
    """
stamping() {
    rm -rf "$last_stop"
    mkdir -p -m 700 "$run_directory" "$state_directory" "$last_stop" || return
    cat > "$stamp" <<'END'
"""
    + _STAMP.lstrip()
    + """END
    echo "$1" > "$last_stop/token"
    echo "$5" > "$last_stop/boot_id"
    soft_reboots > "$last_stop/soft_reboots"
    uname -r > "$last_stop/release"
    if [ "$2" = kexec ] && [ -e "$staged_record" ]; then
        cp "$staged_record" "$last_stop/staged.json"
    fi
    timeout 10 systemd-run --quiet --unit="$stamp_unit" --description='Time stamp of fleet.kexec' \
        --service-type=oneshot --remain-after-exit \
        --property=DefaultDependencies=no --property=Conflicts=shutdown.target \
        --property='Before=shutdown.target sysinit.target' --property=RequiresMountsFor="$last_stop" \
        --property=TimeoutStopSec=15s --property="ExecStop=-/bin/sh $stamp $1 stopped" \
        /bin/true
}
"""
)

# Arguments: token, verb (kexec, reboot or soft-reboot), delay in seconds, message, and what is to end: the boot_id, and for a
# verb that keeps it the number of soft reboots, else nothing. A late trigger can't reboot a host twice.
#
# PID 1 owns the trigger, so that a lost connection does not stop the reboot. kexec-tools' init scripts (Debian 12 and older)
# would run kexec -e while services are still stopping, and load a kernel of their own before a plain reboot: they are masked
# until this boot ends, or in a soft reboot until services have stopped.
TRIGGER = (
    PROLOGUE
    + _NAMES
    + _STAMPING
    + """
reboot_after() {
    systemd-run --quiet --unit="$unit" --description='Reboot by fleet.kexec' \
        --on-active="$3" --timer-property=AccuracySec=1ms \
        --setenv=SYSTEMCTL_SKIP_AUTO_KEXEC=1 --setenv=SYSTEMCTL_SKIP_AUTO_SOFT_REBOOT=1 \
        ${began:+"--property=$began"} \
        systemctl --message="$4" "$2"
}
set -eu
if [ "$(cat /proc/sys/kernel/random/boot_id)" != "$5" ] || { [ -n "$6" ] && [ "$(soft_reboots)" != "$6" ]; }; then
    echo 'the host has rebooted already' >&2
    exit 1
fi
if [ "$2" = kexec ] && ! loaded; then
    echo 'no image is loaded' >&2
    exit 1
fi
if [ "$2" = kexec ] && [ -e "$crash_marker" ] && [ "$(cat /sys/kernel/kexec_crash_loaded 2>/dev/null)" != 1 ]; then
    echo 'the image is gone from the crash reservation' >&2
    exit 1
fi
masks=
for name in kexec kexec-load; do
    if [ -e "/etc/init.d/$name" ]; then
        systemctl mask --runtime --quiet "$name.service"
        masks="$masks /run/systemd/system/$name.service"
    fi
done
began=
if stamping "$@" > /dev/null 2>&1; then
    if [ "$2" = soft-reboot ] && [ -n "$masks" ]; then
        echo "$masks" > "$last_stop/masks"
    fi
    began="ExecStartPre=-/usr/bin/timeout 15 /bin/sh $stamp $1 began"
fi
# A systemd that does not take the stamp reboots without it.
reboot_after "$@" || { [ -n "$began" ] && began= && reboot_after "$@"; } || {
    # Nothing new is begun while a system stops.
    going_down && exit %d
    exit 1
}
"""
    % GOING_DOWN_RC
)

# Exit code of CALL_OFF where the reboot is called off, but the kernel lets nobody unload the image any more.
IMAGE_STAYS_RC = 4

# Argument: token, empty before there is one. Cancels what TRIGGER began, and unloads; fails without unloading if the host is
# already going down.
CALL_OFF = (
    PROLOGUE
    + _NAMES
    + """
if [ -n "$1" ]; then
    systemctl stop "$unit.timer"
fi
if going_down; then
    echo 'the host is going down' >&2
    exit 1
fi
for name in kexec kexec-load; do
    if [ -e "/etc/init.d/$name" ]; then
        systemctl unmask --runtime --quiet "$name.service"
    fi
done
systemctl reset-failed "$unit.service" 2>/dev/null
# Without its script the unit stamps nothing as it is stopped.
rm -rf "$stamp" "$last_stop"
systemctl stop "$stamp_unit.service" 2>/dev/null
if loaded; then
    kexec -s -u || kexec -c -u
fi
if loaded; then
    for setting in kexec_load_disabled=1 kexec_load_limit_reboot=0; do
        if [ "$(cat "/proc/sys/kernel/${setting%%=*}" 2>/dev/null)" = "${setting#*=}" ]; then
            echo "the image stays loaded until the next boot, because kernel.$setting" >&2
            exit IMAGE_STAYS_RC
        fi
    done
    exit 1
fi
rm -f "$staged_record"
set -- kexec
""".replace("IMAGE_STAYS_RC", str(IMAGE_STAYS_RC))
    + PUT_BACK
)
