# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Script that shuts down storage controllers side by side, for kernels that do it one after another.

systemd-shutdown(8) runs it when processes are gone and file systems are unmounted, or mounted read-only where that can't be. The
root file system may be on a controller that is about to lose its bus neighbours, and nothing can be written any more, so it is a
shell script that needs little more than a shell. It unbinds drivers: C(nvme_remove()) of the kernel shuts a controller down just
as C(nvme_shutdown()) does, and one without a driver costs the kernel's own device shutdown nothing.
"""

from __future__ import annotations

from typing import Sequence

# Arguments: the verb of systemd-shutdown, or "plan", which prints the controllers and why others are left, and does nothing. The
# second one is the root directory, for tests. Only a kexec is made faster: firmware takes longer than all this.
_SCRIPT = r"""#!/bin/sh
# Installed by fleet.kexec. Shuts down storage controllers that nothing uses any more, side by side, before a kexec.
# /usr/lib/systemd/system-shutdown/fleet-kexec-parallel plan    prints which those would be; see systemd-shutdown(8)
case "$1" in
    kexec | plan) ;;
    *) exit 0 ;;
esac
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C
verb=$1
sys=$2/sys
proc=$2/proc
drivers='@DRIVERS@'
timeout_s=@TIMEOUT@

say() {
    if [ "$verb" = plan ]; then
        echo "# $*"
    else
        echo "<6>fleet-kexec: parallel_shutdown: $*" > /dev/kmsg
    fi
} 2> /dev/null

nothing() {
    say "nothing is unbound: $*"
    exit 0
}

there() {
    [ -e "$1" ] || [ -L "$1" ]
}

# Names and numbers of block devices in use, each between blanks.
used=' '
use() {
    used="$used$1 "
}
use_path() {
    case "$1" in
        /dev/*)
            use "${1##*/}"
            path=$(readlink -f "$root_of_dev$1") && use "${path##*/}"
            ;;
    esac
}
root_of_dev=$2

case "$(cat "$sys/module/core/parameters/async_shutdown" 2> /dev/null)" in
    Y | 1) nothing 'the kernel does it itself' ;;
esac
# What may hold a device without a trace in sysfs.
for path in "$proc"/spl/kstat/zfs/*/ "$sys"/kernel/config/nvmet/subsystems/* "$sys"/kernel/config/target/core/*_*; do
    there "$path" && nothing "$path may use any controller"
done
case "$(cat "$sys/module/pstore_blk/parameters/blkdev" 2> /dev/null)" in
    '' | '(null)') ;;
    *) nothing 'pstore_blk saves panics to a block device' ;;
esac

# mountinfo: id, parent, device number, root, mount point, options, tags, "-", type, source, options of the file system.
# What lies below a root of another kind, such as an overlay, may be mounted where nobody can see it.
root_is_known=
[ -r "$proc/self/mountinfo" ] || nothing 'mounts are not known'
while read -r _id _parent number _root point rest; do
    use "$number"
    rest=${rest#* - }
    type=${rest%% *}
    rest=${rest#* }
    source=${rest%% *}
    options=${rest#* }
    case "$type:$source" in
        ext[234]:/dev/* | xfs:/dev/* | btrfs:/dev/*) [ "$point" != / ] || root_is_known=yes ;;
        vfat:* | squashfs:* | erofs:* | iso9660:*) ;;
        zfs:* | bcachefs:* | *:/dev/*) nothing "a $type is mounted, whose devices are not known" ;;
    esac
    use_path "$source"
    # Logs of XFS on other devices.
    IFS=,
    for option in $options; do
        use_path "${option#*=}"
    done
    unset IFS
done < "$proc/self/mountinfo"
[ -n "$root_is_known" ] || nothing 'the root file system is not on a device that is known'
for path in "$sys"/fs/btrfs/*/devices/*; do
    use "${path##*/}"
done
# Journals of ext4 on other devices; those of the same one are called DEVICE-INODE.
for path in "$proc"/fs/jbd2/*; do
    path=${path##*/}
    use "${path%-*}"
done
while read -r path _rest; do
    use_path "$path"
done < "$proc/swaps"
for path in "$sys"/block/loop*/loop/backing_file; do
    [ -r "$path" ] && read -r path < "$path" && use_path "$path"
done
# Of daemons that systemd lets live, since they serve the root file system.
for path in $(readlink "$proc"/[0-9]*/fd/* 2> /dev/null); do
    use_path "$path"
done

is_used() {
    case "$used" in
        *" $1 "*) return 0 ;;
    esac
    return 1
}

# Argument: a directory of a disk or a partition.
in_use() {
    is_used "${1##*/}" && return 0
    [ -r "$1/dev" ] && read -r number < "$1/dev" && is_used "$number" && return 0
    for holder in "$1"/holders/*; do
        there "$holder" && return 0
    done
    return 1
}

disks=$(readlink -f "$sys"/block/*)

# Argument: a directory below which disks are. Says the first that is in use.
disk_in_use() {
    for disk in $disks; do
        case "$disk" in
            "$1"/*) ;;
            *) continue ;;
        esac
        in_use "$disk" && echo "${disk##*/}" && return 0
        for part in "$disk"/*/; do
            part=${part%/}
            [ -e "$part/partition" ] && in_use "$part" && echo "${part##*/}" && return 0
        done
    done
    return 1
}

# Argument: the directory of a PCI device. Prints why it is left alone.
kept_for() {
    read -r class < "$1/class" || class=
    case "$class" in
        0x01*) ;;
        *) echo 'it is no storage controller' && return 0 ;;
    esac
    [ -r "$1/sriov_numvfs" ] && read -r number < "$1/sriov_numvfs" && [ "$number" != 0 ] &&
        echo 'it has virtual functions' && return 0
    disk_in_use "$1" && return 0
    for controller in "$1"/nvme/nvme*; do
        [ -e "$controller" ] || continue
        name=${controller##*/}
        is_used "$name" && echo "$name" && return 0
        for generic in "$controller"/ng*; do
            is_used "${generic##*/}" && echo "${generic##*/}" && return 0
        done
        for subsystem in "$sys"/class/nvme-subsystem/*; do
            there "$subsystem/$name" || continue
            # Namespaces that several controllers share belong to none of them.
            for other in "$subsystem"/nvme*; do
                case "${other##*/nvme}" in
                    *[!0-9]*) continue ;;
                esac
                [ "${other##*/}" = "$name" ] || { echo "${other##*/}, which shares its namespaces" && return 0; }
            done
            disk_in_use "$(readlink -f "$subsystem")" && return 0
        done
    done
    return 1
}

free=
count=0
for driver in $drivers; do
    for link in "$sys/bus/pci/drivers/$driver"/*:*:*.*; do
        there "$link" || continue
        if why=$(kept_for "$(readlink -f "$link")"); then
            say "${link##*/} ($driver) stays: $why"
        else
            free="$free $driver/${link##*/}"
            count=$((count + 1))
        fi
    done
done
# The kernel itself is no slower with one.
[ "$count" -ge 2 ] || nothing "$count controllers are unused"
if [ "$verb" = plan ]; then
    printf '%s\n' $free
    exit 0
fi

# Hundredths of a second.
now() {
    read -r uptime _idle < "$proc/uptime"
    echo "${uptime%.*}${uptime#*.}"
}
begin=$(now)
pids=
for each in $free; do
    (echo "${each#*/}" > "$sys/bus/pci/drivers/${each%/*}/unbind") > /dev/null 2>&1 &
    pids="$pids $!"
done
# One that hangs would keep the kernel waiting as well, but is left to it.
trap 'say "$count controllers: not all have ended within $timeout_s s"; exit 0' TERM
(sleep "$timeout_s" && kill -TERM $$) > /dev/null 2>&1 &
timer=$!
for pid in $pids; do
    wait "$pid"
done
trap '' TERM
kill "$timer"
say "$count controllers in $((($(now) - begin) * 10)) ms"
exit 0
"""


def render_script(drivers: Sequence[str], timeout_s: int) -> str:
    """Render the script.

    :param drivers: names of PCI drivers, of letters, digits, underscores and hyphens.
    """
    return _SCRIPT.replace("@DRIVERS@", " ".join(drivers)).replace("@TIMEOUT@", "%d" % timeout_s)
