# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was set in files that are not this collection's own, so that it can be taken back.

A file that still is as it was left gets back what it held before, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional, Tuple

from .._host.files import HostFiles
from .._paths import STATE_DIRECTORY
from .changes import FileChange
from .interface import Setting

PATH = STATE_DIRECTORY + "/reservations.json"
_FORMAT = 1
_MODE = 0o600


@dataclass(frozen=True)
class Origin:
    """A file before the first change of it.

    :ivar text: what it held; None if there was none.
    :ivar left_sha256: of what it was left with.
    """

    text: Optional[str]
    left_sha256: str


@dataclass(frozen=True)
class SettingsRecord:
    """All that was set.

    :ivar settings: by argument.
    :ivar before: values that others had set, by argument, where they were overruled.
    :ivar origins: by path.
    """

    settings: Mapping[str, Setting] = field(default_factory=dict)
    before: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)
    origins: Mapping[str, Origin] = field(default_factory=dict)

    def to_json(self) -> str:
        """The text of the file."""
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
    """Parse the file; one that is none counts as empty, and so as set by others."""
    try:
        values = json.loads(text)
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
    """What was set on this host."""
    return parse_record(files.read_text(PATH) or "")


def record_change(files: HostFiles, record: SettingsRecord) -> FileChange:
    """The change that writes a record, or removes it once nothing is set any more."""
    after = record.to_json().encode("utf-8") if record.settings else None
    return FileChange(PATH, files.read_bytes(PATH), after, _MODE, with_directory=True)


def digest(text: str) -> str:
    """How the record knows a file again."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
