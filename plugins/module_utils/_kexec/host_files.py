# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that accompany fast images on a host: the command, its defaults, and package manager hooks."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import Optional, Tuple

from .._host.atomic import sync_directory, write_atomically
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
    """Desired state of a file; content is None if it should be absent."""

    path: str
    content: Optional[bytes]
    mode: int


def hook_files(wanted: bool) -> Tuple[WantedFile, ...]:
    return tuple(WantedFile(path, HOOK.encode("utf-8") if wanted else None, 0o755) for path in HOOK_PATHS)


def differs(files: HostFiles, wanted: WantedFile) -> bool:
    path = files.path(wanted.path)
    try:
        with open(path, "rb") as stream:
            status = os.fstat(stream.fileno())
            as_wanted = (wanted.content, wanted.mode, os.geteuid())
            return (stream.read(), status.st_mode & 0o7777, status.st_uid) != as_wanted
    except OSError:
        return wanted.content is not None


def ensure(files: HostFiles, wanted: WantedFile) -> None:
    """Bring a file to its desired state, owned by whoever runs this: root, who will run it, or the test."""
    path = files.path(wanted.path)
    if wanted.content is None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
            sync_directory(os.path.dirname(path))
        return
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    # write_atomically would keep the owner of a file that another user put there.
    with contextlib.suppress(FileNotFoundError):
        if os.stat(path).st_uid != os.geteuid():
            os.unlink(path)
    write_atomically(path, wanted.content, wanted.mode)
    os.chmod(path, wanted.mode)
