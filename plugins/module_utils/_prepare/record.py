# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was changed on a host to prepare it, so that it can be changed back: C(/var/lib/fleet-kexec/prepared.json).

Written before the change that it tells of, so a run that was interrupted can
be undone just as well.
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
from .._paths import STATE_DIRECTORY
from .errors import PrepareError

PATH = STATE_DIRECTORY + "/prepared.json"
_MODE = 0o600
_DIRECTORY_MODE = 0o700

RESERVATIONS = ("crashkernel", "cma")


@dataclass(frozen=True)
class FileBefore:
    """A file as it was.

    :ivar content: None if there was none.
    :ivar mode: permission bits; it and the owner mean nothing without a content.
    """

    content: Optional[bytes]
    mode: int = 0o644
    uid: int = 0
    gid: int = 0

    def as_dict(self) -> Dict[str, Any]:
        """The values as they are kept."""
        if self.content is None:
            return {"content": None}
        content = base64.b64encode(self.content).decode("ascii")
        return {"content": content, "mode": "%04o" % self.mode, "uid": self.uid, "gid": self.gid}


@dataclass(frozen=True)
class PreparationRecord:
    """All that was changed.

    :ivar packages: names of those that were installed, with all that came along.
    :ivar masked: units that were masked.
    :ivar directories: that were made.
    :ivar watchdog: whether the hardware watchdog was configured.
    :ivar reload_pending: whether systemd has not read that yet.
    :ivar cmdline_sha256: of C(/etc/kernel/cmdline) as it was written; empty if it was not.
    :ivar crashkernel: whether it was reserved. C(cma) is alike.
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
        """The values as they are kept."""
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
    """Parse the file.

    :raises PrepareError: C(PREPARE_RECORD_INVALID).
    """
    try:
        # What an older version did not know of, it did not change.
        values: Dict[str, Any] = {**PreparationRecord().as_dict(), **json.loads(text)}
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
        # To go on without it would make what was changed here the host's own.
        raise PrepareError("PREPARE_RECORD_INVALID", "%s can't be parsed: %r" % (PATH, error)) from error


def read_record(files: HostFiles) -> PreparationRecord:
    """What was changed on this host.

    :raises PrepareError: C(PREPARE_RECORD_INVALID).
    """
    if not files.exists(PATH):
        return PreparationRecord()
    return parse_record(files.read_text(PATH) or "")


def write_record(files: HostFiles, record: PreparationRecord) -> None:
    """Keep a record; an empty one leaves no file, and no directory unless something else is in it.

    :raises OSError: it can't be written.
    """
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
