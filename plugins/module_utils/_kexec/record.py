# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record in C(/run) of what the collection staged; it is gone after the boot.

The kernel reports only that something is loaded. The record says what, so that staging the same again is no change.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from typing import Any, Dict, Optional, Tuple

from .._host.atomic import write_atomically
from .._host.clocks import CycleClock
from .._host.files import HostFiles
from .._json import parse_json
from .._paths import STAGED_RECORD
from .._text import printable

_FORMAT = 4


@dataclass(frozen=True)
class FileIdentity:
    """Identity of a file when it was loaded; another inode, size or time means another file."""

    path: str
    inode: int
    size_bytes: int
    changed_ns: int


def identify(files: HostFiles, path: str) -> FileIdentity:
    """Identify a file, following links."""
    status = os.stat(files.path(path))
    return FileIdentity(path, status.st_ino, status.st_size, max(status.st_mtime_ns, status.st_ctime_ns))


@dataclass(frozen=True)
class StagedImage:
    """Loaded image; C(verdict.KexecWay) lists the values of C(image), C(loader), C(integrity) and C(placement).

    :ivar release: C(uname -r) after the jump.
    :ivar cmdline: line without token and one-boot arguments.
    :ivar profile: whether its boot logs the time of each initcall.
    :ivar quiet: whether its boot prints errors only.
    :ivar fast: file of the fast image; None if that was not loaded.
    """

    kernel: FileIdentity
    initrds: Tuple[FileIdentity, ...]
    release: str
    cmdline: str
    image: str
    loader: str
    integrity: str
    kaslr: bool
    placement: str
    fast: Optional[FileIdentity] = None
    profile: bool = False
    quiet: bool = False

    def summary(self) -> Dict[str, Any]:
        return {
            "kernel": self.kernel.path,
            "initrd": self.initrds[-1].path if self.initrds else None,
            "initrds": [each.path for each in self.initrds],
            "release": self.release,
            "cmdline": printable(self.cmdline),
            "image": self.image,
            "loader": self.loader,
            "integrity": self.integrity,
            "placement": self.placement,
            "kaslr": self.kaslr,
            "profile": self.profile,
            "quiet": self.quiet,
        }


@dataclass(frozen=True)
class StagedRecord:
    """Staged image with what proves its boot later.

    :ivar boot_id: ID of the boot that staged it.
    :ivar clock: cycle clock of the kernel that staged it, which dates that kernel's log; None if it has none.
    :ivar copy_ms: predicted time that the jump spends on copying the image.
    """

    image: StagedImage
    token: str
    boot_id: str
    clock: Optional[CycleClock] = None
    copy_ms: float = 0.0


def read_record(files: HostFiles) -> Optional[StagedRecord]:
    """Read the record of this boot; None if there is none or it is invalid."""
    record = parse_record(files.read_text(STAGED_RECORD) or "")
    return record if record and record.boot_id == files.read_text("/proc/sys/kernel/random/boot_id") else None


def parse_record(text: str) -> Optional[StagedRecord]:
    """Parse a record of any boot; None if it is invalid."""
    try:
        values = parse_json(text)
        if values.pop("format") != _FORMAT:
            return None
        image, clock = values["image"], values.get("clock")
        return StagedRecord(
            image=StagedImage(
                kernel=FileIdentity(**image.pop("kernel")),
                initrds=tuple(FileIdentity(**each) for each in image.pop("initrds")),
                fast=_identity(image.pop("fast")),
                **image,
            ),
            token=values["token"],
            boot_id=values["boot_id"],
            clock=CycleClock(**clock) if clock is not None else None,
            copy_ms=float(values["copy_ms"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _identity(value: Optional[Dict[str, Any]]) -> Optional[FileIdentity]:
    return FileIdentity(**value) if value is not None else None


def write_record(files: HostFiles, record: StagedRecord) -> None:
    content = json.dumps(dict(asdict(record), format=_FORMAT), sort_keys=True) + "\n"
    write_atomically(files.path(STAGED_RECORD), content.encode("utf-8"), 0o600)


def drop_record(files: HostFiles) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(files.path(STAGED_RECORD))
