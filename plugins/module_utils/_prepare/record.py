# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record of the changes that prepared a host, for undoing them: C(/var/lib/fleet-kexec/prepared.json).

It is written before the changes it describes, so that an interrupted run can be undone too.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
from dataclasses import dataclass
from typing import Any, Dict, Optional, Tuple

from .._host.atomic import sync_directory, write_atomically
from .._host.files import HostFiles
from .._json import parse_json
from .._paths import STATE_DIRECTORY
from .errors import PrepareError

PATH = STATE_DIRECTORY + "/prepared.json"
_MODE = 0o600
_DIRECTORY_MODE = 0o700

RESERVATIONS = ("crashkernel", "cma")


@dataclass(frozen=True)
class FileBefore:
    """Original state of a file; content is None if there was no file, and mode and owner mean nothing then."""

    content: Optional[bytes]
    mode: int = 0o644
    uid: int = 0
    gid: int = 0

    def as_dict(self) -> Dict[str, Any]:
        if self.content is None:
            return {"content": None}
        content = base64.b64encode(self.content).decode("ascii")
        return {"content": content, "mode": "%04o" % self.mode, "uid": self.uid, "gid": self.gid}


@dataclass(frozen=True)
class PreparationRecord:
    """All changes made.

    :ivar packages: packages that were installed, dependencies included.
    :ivar masked: units that were masked.
    :ivar directories: directories that were created.
    :ivar watchdog: whether the hardware watchdog was configured.
    :ivar reload_pending: whether systemd has yet to read that configuration.
    :ivar cmdline_sha256: digest of C(/etc/kernel/cmdline) as written; empty if it was not.
    :ivar crashkernel: whether it was reserved; C(cma) likewise.
    :ivar config_file: C(/etc/fleet-kexec.conf) before it was written; None if it was not.
    """

    packages: Tuple[str, ...] = ()
    masked: Tuple[str, ...] = ()
    directories: Tuple[str, ...] = ()
    watchdog: bool = False
    reload_pending: bool = False
    cmdline_sha256: str = ""
    crashkernel: bool = False
    cma: bool = False
    config_file: Optional[FileBefore] = None

    def as_dict(self) -> Dict[str, Any]:
        return {
            "packages": list(self.packages),
            "masked": list(self.masked),
            "directories": list(self.directories),
            "watchdog": self.watchdog,
            "reload_pending": self.reload_pending,
            "cmdline_sha256": self.cmdline_sha256,
            "crashkernel": self.crashkernel,
            "cma": self.cma,
            "config_file": self.config_file.as_dict() if self.config_file else None,
        }


def _parse_file(values: Optional[Dict[str, Any]]) -> Optional[FileBefore]:
    if values is None:
        return None
    if values["content"] is None:
        return FileBefore(None)
    content = base64.b64decode(values["content"], validate=True)
    return FileBefore(content, int(values["mode"], 8), int(values["uid"]), int(values["gid"]))


def parse_record(text: str) -> PreparationRecord:
    """Parse the record.

    :raises PrepareError: C(PREPARE_RECORD_INVALID).
    """
    try:
        # An older version made no changes that its record has no field for.
        values: Dict[str, Any] = {**PreparationRecord().as_dict(), **parse_json(text)}
        return PreparationRecord(
            packages=tuple(map(str, values["packages"])),
            masked=tuple(map(str, values["masked"])),
            directories=tuple(map(str, values["directories"])),
            watchdog=bool(values["watchdog"]),
            reload_pending=bool(values["reload_pending"]),
            cmdline_sha256=str(values["cmdline_sha256"]),
            crashkernel=bool(values["crashkernel"]),
            cma=bool(values["cma"]),
            config_file=_parse_file(values["config_file"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # Continuing without the record would make our changes the host's own.
        raise PrepareError("PREPARE_RECORD_INVALID", "%s can't be parsed: %r" % (PATH, error)) from error


def read_record(files: HostFiles) -> PreparationRecord:
    """Read the record of this host.

    :raises PrepareError: C(PREPARE_RECORD_INVALID).
    """
    if not files.exists(PATH):
        return PreparationRecord()
    return parse_record(files.read_text(PATH) or "")


def write_record(files: HostFiles, record: PreparationRecord) -> None:
    """Store a record; an empty one leaves no file, and no directory unless that holds something else."""
    path = files.path(PATH)
    directory = os.path.dirname(path)
    if record != PreparationRecord():
        os.makedirs(directory, mode=_DIRECTORY_MODE, exist_ok=True)
        text = json.dumps(record.as_dict(), indent=2, sort_keys=True) + "\n"
        write_atomically(path, text.encode("utf-8"), _MODE)
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
        sync_directory(directory)
    with contextlib.suppress(OSError):
        os.rmdir(directory)
