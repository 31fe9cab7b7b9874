# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record of settings in files of others, so that they can be withdrawn.

A file that nobody has changed since gets its original content back, byte for byte.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional, Tuple

from .._host.changes import FileChange, FileState, HostChange, parse_change
from .._host.files import HostFiles
from .._json import parse_json
from .._paths import STATE_DIRECTORY
from .interface import Setting

PATH = STATE_DIRECTORY + "/reservations.json"
_FORMAT = 2
# Its origins have the text and the digest only.
_EARLIER_FORMAT = 1
_MODE = 0o600


@dataclass(frozen=True)
class SettingsRecord:
    """Settings made and overruled values of others, both by argument, and changed files by path."""

    settings: Mapping[str, Setting] = field(default_factory=dict)
    before: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)
    origins: Mapping[str, HostChange] = field(default_factory=dict)

    def to_json(self) -> str:
        values: Dict[str, Any] = {
            "format": _FORMAT,
            "settings": {
                name: {"values": list(setting.values), "overrule": setting.overrule} for name, setting in self.settings.items()
            },
            "before": {name: list(values) for name, values in self.before.items()},
            "origins": [origin.as_dict() for _path, origin in sorted(self.origins.items())],
        }
        return json.dumps(values, indent=2, sort_keys=True) + "\n"


def parse_record(text: str) -> SettingsRecord:
    """Parse the record; an invalid one counts as empty, so that everything counts as set by others."""
    try:
        values = parse_json(text)
        if values["format"] == _EARLIER_FORMAT:
            origins = [_earlier(path, each) for path, each in values["origins"].items()]
        elif values["format"] == _FORMAT:
            origins = [parse_change(each) for each in values["origins"]]
        else:
            return SettingsRecord()
        return SettingsRecord(
            {name: Setting(tuple(each["values"]), bool(each["overrule"])) for name, each in values["settings"].items()},
            {name: tuple(each) for name, each in values["before"].items()},
            {origin.path: origin for origin in origins},
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return SettingsRecord()


def read_record(files: HostFiles) -> SettingsRecord:
    return parse_record(files.read_text(PATH) or "")


def record_change(files: HostFiles, record: SettingsRecord) -> FileChange:
    """Change that writes a record, or removes it if nothing is set any more."""
    after = record.to_json().encode("utf-8") if record.settings else None
    return FileChange(PATH, files.read_bytes(PATH), after, _MODE, with_directory=True)


def encoded(text: Optional[str]) -> Optional[bytes]:
    return text.encode("utf-8", "surrogateescape") if text is not None else None


def _earlier(path: str, values: Mapping[str, Any]) -> HostChange:
    return HostChange(path, FileState(encoded(values["text"])), str(values["left_sha256"]))
