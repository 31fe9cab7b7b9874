# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record of the changes of files that were made to prepare a host: C(/var/lib/fleet-kexec/changes.json).

It is written before the changes it describes, so that what was interrupted can be given back too.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any, Dict, List, Mapping, Optional

from .._json import parse_json
from .._paths import STATE_DIRECTORY
from .._reasons import CodedError
from .atomic import sync_directory, write_atomically
from .changes import HostChange, parse_change
from .files import HostFiles

PATH = STATE_DIRECTORY + "/changes.json"
_MODE = 0o600
_DIRECTORY_MODE = 0o700


class HostError(CodedError):
    """Raised when a record of the host can't be read."""


def parse_changes(text: str) -> Dict[str, HostChange]:
    """Parse the record into changes by path.

    :raises HostError: C(PREPARE_RECORD_INVALID).
    """
    try:
        values: List[Mapping[str, Any]] = parse_json(text)["changes"]
        return {change.path: change for change in map(parse_change, values)}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # Without the record, what was changed would become the host's own.
        raise HostError("PREPARE_RECORD_INVALID", "%s can't be parsed: %r" % (PATH, error)) from error


def read_changes(files: HostFiles) -> Dict[str, HostChange]:
    """Read the record of this host.

    :raises HostError: C(PREPARE_RECORD_INVALID).
    """
    if not files.exists(PATH):
        return {}
    return parse_changes((files.read_bytes(PATH) or b"").decode("utf-8", "replace"))


def write_changes(files: HostFiles, changes: Mapping[str, HostChange]) -> None:
    """Store changes; raises OSError."""
    text = json.dumps({"changes": [changes[path].as_dict() for path in sorted(changes)]}, indent=2, sort_keys=True) + "\n"
    write_record_file(files, PATH, text if changes else None)


def write_record_file(files: HostFiles, path: str, text: Optional[str]) -> None:
    """Write a record into our directory, or remove it, and then the directory, too, unless that holds something else."""
    target = files.path(path)
    directory = os.path.dirname(target)
    if text is not None:
        os.makedirs(directory, mode=_DIRECTORY_MODE, exist_ok=True)
        write_atomically(target, text.encode("utf-8"), _MODE)
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(target)
        sync_directory(directory)
    drop_directory(files)


def drop_directory(files: HostFiles) -> None:
    """Remove our directory, unless it holds anything."""
    with contextlib.suppress(OSError):
        os.rmdir(files.path(STATE_DIRECTORY))
