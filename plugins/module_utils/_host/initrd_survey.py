# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Contents of initrds as they were found when the host was prepared: what unpacking takes, and what in them nothing here needs.

Telling it takes unpacking them once more, so it is not done after each reboot. A survey holds for the very file that it is of.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import Dict, Mapping, Optional

from .._json import parse_json
from .._paths import STATE_DIRECTORY
from .files import HostFiles

PATH = STATE_DIRECTORY + "/initrds.json"
_FORMAT = 1


@dataclass(frozen=True)
class InitrdSurvey:
    """Contents of an initrd.

    :ivar size_bytes: of the file, with C(mtime_ns): a file with others is another initrd.
    :ivar unpacked_bytes: size of its archives, uncompressed.
    :ivar unpack_ms: time that decompressing it took on this host, without the output going anywhere; 0 if nothing in it is
        compressed.
    :ivar write_ms: time that writing its archives to memory took.
    :ivar unneeded: number of modules in it that the host neither has loaded nor has devices for, which take C(unneeded_bytes).
    """

    size_bytes: int
    mtime_ns: int
    unpacked_bytes: int
    unpack_ms: float
    write_ms: float
    unneeded: int
    unneeded_bytes: int


def modified_ns(files: HostFiles, path: str) -> int:
    """Time of a file's last change; 0 if there is none."""
    try:
        return os.stat(files.path(path)).st_mtime_ns
    except OSError:
        return 0


def read_surveys(files: HostFiles) -> Dict[str, InitrdSurvey]:
    """Read the surveys that still hold, by paths of initrds."""
    try:
        values = parse_json(files.read_text(PATH) or "")
        if values["format"] != _FORMAT:
            return {}
        found = {str(path): InitrdSurvey(**each) for path, each in values["initrds"].items()}
        return {path: each for path, each in found.items() if _holds(files, path, each)}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def read_survey(files: HostFiles, path: str) -> Optional[InitrdSurvey]:
    """Read the survey of an initrd; None if there is none, or the file has changed since."""
    return read_surveys(files).get(path)


def surveys_to_json(surveys: Mapping[str, InitrdSurvey]) -> str:
    return (
        json.dumps({"format": _FORMAT, "initrds": {path: asdict(each) for path, each in surveys.items()}}, sort_keys=True) + "\n"
    )


def _holds(files: HostFiles, path: str, survey: InitrdSurvey) -> bool:
    return (files.size_bytes(path), modified_ns(files, path)) == (survey.size_bytes, survey.mtime_ns)
