# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""POSIX shell script that empties the reservation for a crash kernel of our image, and has kdump load its own again.

Loading a crash kernel is the distribution's: its tool knows which kernel, initrd and arguments a dump needs.
"""

from __future__ import annotations

from .._paths import CRASH_MARKER

#: Content of the marker: whether a crash kernel was displaced, or nothing.
DISPLACED = "displaced"
OWN = "own"

# Its initrd may have to be made anew.
PUT_BACK_TIMEOUT_S = 180.0

# Argument: path of kexec, kexec by default. Does nothing without a marker. A crash kernel of kdump is loaded again if our image
# displaced one, which has to succeed. It is also loaded where kdump's service is active, because that may have loaded one over
# our image since; an active service need not have had one.
PUT_BACK = """
marker=%s
crash_loaded() {
    [ "$(cat /sys/kernel/kexec_crash_loaded 2>/dev/null)" = 1 ]
}
load_kdump() {
    if command -v kdump-config > /dev/null; then
        kdump-config load
    elif command -v kdumpctl > /dev/null; then
        kdumpctl restart
    else
        systemctl restart kdump.service
    fi
}
put_back() {
    [ -e "$marker" ] || return 0
    crash_loaded && "$1" -p -u
    if crash_loaded; then
        echo 'the image in the crash reservation could not be unloaded' >&2
        return 1
    fi
    if [ "$(cat "$marker")" = %s ]; then
        load_kdump >&2
        if ! crash_loaded; then
            echo 'kdump loaded no crash kernel' >&2
            return 1
        fi
    elif systemctl --quiet is-active kdump-tools.service kdump.service; then
        load_kdump >&2
    fi
    rm -f "$marker"
}
put_back "${1:-kexec}"
""" % (CRASH_MARKER, DISPLACED)
