# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that accompany fast images on a host: the command, its defaults, and package manager hooks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Optional, Tuple

from .._host.change_record import read_changes, write_changes
from .._host.changes import FileChange, make_change, read_state, remember
from .._host.files import HostFiles
from .._paths import STAGED_RECORD, STATE_DIRECTORY
from .kdump import PUT_BACK

COMMAND_PATH = "/usr/local/sbin/fleet-kexec"
# Kernel packages of Debian and its derivatives run these with the release on installation, upgrade and removal; see deb-kernel's
# run-parts hooks.
HOOK_PATHS = ("/etc/kernel/postinst.d/zz-fleet-kexec", "/etc/kernel/postrm.d/zz-fleet-kexec")

HOOK = """\
#!/bin/sh
# Installed by fleet.kexec. A kernel that was upgraded or removed takes its fast image with it, in
# memory as on disk, so that nothing boots it by mistake. Argument: the kernel's release.
case "$1" in
    '' | .* | */*) exit 0 ;;
esac
rm -rf "%s/$1"
if grep -qsF "\\"release\\": \\"$1\\"" %s; then
    kexec -s -u || kexec -c -u || true
    if [ "$(cat /sys/kernel/kexec_loaded)" != 1 ]; then
        rm -f %s
        (
            PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
            set -- kexec
%s
        ) || echo 'fleet-kexec: kdump has not loaded its crash kernel again' >&2
    fi
fi
exit 0
""" % (STATE_DIRECTORY, STAGED_RECORD, STAGED_RECORD, PUT_BACK.strip("\n"))


@dataclass(frozen=True)
class WantedFile:
    """Desired state of a file; content is None if it should be absent.

    :ivar owned: whether it is ours alone, because root runs it; if not, it is written through a link, and keeps mode and owner.
    """

    path: str
    content: Optional[bytes]
    mode: int
    owned: bool = True


def hook_files(wanted: bool) -> Tuple[WantedFile, ...]:
    return tuple(WantedFile(path, HOOK.encode("utf-8") if wanted else None, 0o755) for path in HOOK_PATHS)


def differs(files: HostFiles, wanted: WantedFile) -> bool:
    try:
        now = read_state(files, wanted.path)
    except OSError:
        return wanted.content is not None
    if not wanted.owned or wanted.content is None or now.content is None:
        return now.content != wanted.content
    there = (now.content, now.access.mode, now.access.uid, now.link)
    return there != (wanted.content, wanted.mode, os.geteuid(), None)


def ensure(files: HostFiles, wanted: WantedFile) -> None:
    """Bring a file to its desired state, and remember how it was if it is not ours alone.

    :raises HostError: C(PREPARE_RECORD_INVALID).
    """
    if wanted.owned:
        make_change(files, FileChange(wanted.path, None, wanted.content, wanted.mode, owned=True))
        return
    now, changes = read_state(files, wanted.path), read_changes(files)
    change = FileChange(wanted.path, now.content, wanted.content, wanted.mode)
    remembered = remember(changes.get(wanted.path), now, change)
    write_changes(files, {**changes, wanted.path: remembered})
    make_change(files, change)
    if remembered.is_undone(read_state(files, wanted.path)):
        write_changes(files, {path: each for path, each in changes.items() if path != wanted.path})
