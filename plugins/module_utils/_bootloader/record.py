# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record of settings in files of others, so that they can be withdrawn.

A file that nobody has changed since gets its original content back, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional, Tuple

from .._host.files import HostFiles
from .._json import parse_json
from .._paths import STATE_DIRECTORY
from .changes import FileChange
from .interface import Setting

PATH = STATE_DIRECTORY + "/reservations.json"
_FORMAT = 1
_MODE = 0o600


@dataclass(frozen=True)
class Origin:
    """Content of a file before our first change, None if there was no file; and digest of what we left it with."""

    text: Optional[str]
    left_sha256: str


@dataclass(frozen=True)
class SettingsRecord:
    """Settings made and overruled values of others, both by argument, and original files by path."""

    settings: Mapping[str, Setting] = field(default_factory=dict)
    before: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)
    origins: Mapping[str, Origin] = field(default_factory=dict)

    def to_json(self) -> str:
        values: Dict[str, Any] = {
            "format": _FORMAT,
            "settings": {
                name: {"values": list(setting.values), "overrule": setting.overrule} for name, setting in self.settings.items()
            },
            "before": {name: list(values) for name, values in self.before.items()},
            "origins": {path: {"text": origin.text, "left_sha256": origin.left_sha256} for path, origin in self.origins.items()},
        }
        return json.dumps(values, indent=2, sort_keys=True) + "\n"


def parse_record(text: str) -> SettingsRecord:
    """Parse the record; an invalid one counts as empty, so that everything counts as set by others."""
    try:
        values = parse_json(text)
        if values["format"] != _FORMAT:
            return SettingsRecord()
        return SettingsRecord(
            {name: Setting(tuple(each["values"]), bool(each["overrule"])) for name, each in values["settings"].items()},
            {name: tuple(each) for name, each in values["before"].items()},
            {path: Origin(each["text"], each["left_sha256"]) for path, each in values["origins"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return SettingsRecord()


def read_record(files: HostFiles) -> SettingsRecord:
    return parse_record(files.read_text(PATH) or "")


def record_change(files: HostFiles, record: SettingsRecord) -> FileChange:
    """Change that writes a record, or removes it if nothing is set any more."""
    after = record.to_json().encode("utf-8") if record.settings else None
    return FileChange(PATH, files.read_bytes(PATH), after, _MODE, with_directory=True)


def digest(text: str) -> str:
    """Digest by which to recognize a file that nobody has changed."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
