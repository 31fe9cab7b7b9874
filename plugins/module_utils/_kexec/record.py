# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection staged on this host: a record in C(/run), gone with the boot.

The kernel only tells that something is loaded, not what. The record says
what it was, so that staging the same again is no change.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from typing import Any, Dict, Optional

from .._host.atomic import write_atomically
from .._host.clocks import CycleClock
from .._host.files import HostFiles
from .._paths import STAGED_RECORD

_FORMAT = 2


@dataclass(frozen=True)
class FileIdentity:
    """A file as it was when it was loaded; another inode, size or time is another file."""

    path: str
    inode: int
    size_bytes: int
    changed_ns: int


def identify(files: HostFiles, path: str) -> FileIdentity:
    """Identity of a file, following links.

    :raises OSError: it is not there.
    """
    status = os.stat(files.path(path))
    return FileIdentity(path, status.st_ino, status.st_size, max(status.st_mtime_ns, status.st_ctime_ns))


@dataclass(frozen=True)
class StagedImage:
    """What was loaded.

    :ivar release: what C(uname -r) will tell after the jump.
    :ivar cmdline: without token and one-boot arguments.
    :ivar image: C(fast) or C(bzimage).
    :ivar loader: C(kexec_load) or C(kexec_file_load).
    :ivar integrity: C(crc32c), C(sha256) or C(none).
    :ivar kaslr: whether the kernel lies at a random address.
    :ivar fast: the fast image's file; None if that was not loaded.
    """

    kernel: FileIdentity
    initrd: Optional[FileIdentity]
    release: str
    cmdline: str
    image: str
    loader: str
    integrity: str
    kaslr: bool
    fast: Optional[FileIdentity] = None

    def summary(self) -> Dict[str, Any]:
        """For results and diffs."""
        return {
            "kernel": self.kernel.path,
            "initrd": self.initrd.path if self.initrd else None,
            "release": self.release,
            "cmdline": self.cmdline,
            "image": self.image,
            "loader": self.loader,
            "integrity": self.integrity,
            "kaslr": self.kaslr,
        }


@dataclass(frozen=True)
class StagedRecord:
    """A staged image with what proves it later.

    :ivar token: the proof-of-path token on its command line.
    :ivar boot_id: of the boot it was staged in.
    :ivar clock: of the kernel that staged it, to which the times in its log belong; None where it has none by cycles.
    """

    image: StagedImage
    token: str
    boot_id: str
    clock: Optional[CycleClock] = None


def read_record(files: HostFiles) -> Optional[StagedRecord]:
    """The record of this boot; None if there is none or it can't be understood."""
    record = parse_record(files.read_text(STAGED_RECORD) or "")
    return record if record and record.boot_id == files.read_text("/proc/sys/kernel/random/boot_id") else None


def parse_record(text: str) -> Optional[StagedRecord]:
    """A record as it was written, of whatever boot; None if it can't be understood."""
    try:
        values = json.loads(text)
        if values.pop("format") != _FORMAT:
            return None
        image, clock = values["image"], values.get("clock")
        return StagedRecord(
            image=StagedImage(
                kernel=FileIdentity(**image.pop("kernel")),
                initrd=_identity(image.pop("initrd")),
                fast=_identity(image.pop("fast")),
                **image,
            ),
            token=values["token"],
            boot_id=values["boot_id"],
            clock=CycleClock(**clock) if clock is not None else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _identity(value: Optional[Dict[str, Any]]) -> Optional[FileIdentity]:
    return FileIdentity(**value) if value is not None else None


def write_record(files: HostFiles, record: StagedRecord) -> None:
    """Write the record.

    :raises OSError: C(/run) does not take it.
    """
    content = json.dumps(dict(asdict(record), format=_FORMAT), sort_keys=True) + "\n"
    write_atomically(files.path(STAGED_RECORD), content.encode("utf-8"), 0o600)


def drop_record(files: HostFiles) -> None:
    """Remove the record if there is one."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(files.path(STAGED_RECORD))
