# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record of what prepared a host, for giving it back: C(/var/lib/fleet-kexec/prepared.json), and the changes of files beside it.

It is written before what it describes is done, so that an interrupted run can be undone too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional, Tuple

from .._host.change_record import read_changes, write_changes, write_record_file
from .._host.changes import HostChange
from .._host.files import HostFiles
from .._json import parse_json
from .._paths import STATE_DIRECTORY
from . import earlier
from .errors import PrepareError

PATH = STATE_DIRECTORY + "/prepared.json"

RESERVATIONS = ("crashkernel", "cma")


@dataclass(frozen=True)
class InstalledPackage:
    """Package that this collection installed.

    :ivar requested: whether it was asked for, and not just needed by one that was; None if that was not recorded.
    :ivar config: digests, by path, of the configuration that came with it.
    :ivar had_config: whether configuration of an earlier installation was there already.
    """

    name: str
    requested: Optional[bool] = True
    config: Mapping[str, str] = field(default_factory=dict)
    had_config: bool = False

    def as_dict(self) -> Dict[str, Any]:
        return {"name": self.name, "requested": self.requested, "config": dict(self.config), "had_config": self.had_config}


@dataclass(frozen=True)
class PreparationRecord:
    """All changes made.

    :ivar packages: packages that were installed, dependencies included.
    :ivar masked: units that were masked.
    :ivar reload_pending: whether systemd has yet to read the configuration of the watchdog.
    :ivar crashkernel: whether it was reserved; C(cma) likewise.
    :ivar changes: changes of files, by path.
    :ivar boot_parts: parts that prepare the host's boots, with the boot_id of the boot in which each was made.
    """

    packages: Tuple[InstalledPackage, ...] = ()
    masked: Tuple[str, ...] = ()
    reload_pending: bool = False
    crashkernel: bool = False
    cma: bool = False
    changes: Mapping[str, HostChange] = field(default_factory=dict)
    boot_parts: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> Dict[str, Any]:
        """Everything but the changes of files, which have a record of their own."""
        return {
            "packages": [package.as_dict() for package in self.packages],
            "masked": list(self.masked),
            "reload_pending": self.reload_pending,
            "crashkernel": self.crashkernel,
            "cma": self.cma,
            "boot_parts": dict(self.boot_parts),
        }


def _parse_package(values: Any) -> InstalledPackage:
    if isinstance(values, str):
        # Of an earlier version, which knew only the names.
        return InstalledPackage(values, requested=None)
    config = {str(path): str(digest) for path, digest in values["config"].items()}
    requested = values["requested"]
    return InstalledPackage(
        str(values["name"]), bool(requested) if requested is not None else None, config, bool(values["had_config"])
    )


def parse_record(text: str, files: HostFiles, changes: Mapping[str, HostChange]) -> PreparationRecord:
    """Parse the record.

    :param files: of the host; a record of an earlier version does not tell how it left files.
    :param changes: changes of files.
    :raises PrepareError: C(PREPARE_RECORD_INVALID).
    """
    try:
        # An older version made no changes that its record has no field for.
        said = parse_json(text)
        values: Dict[str, Any] = {**PreparationRecord().as_dict(), **said}
        return PreparationRecord(
            packages=tuple(map(_parse_package, values["packages"])),
            masked=tuple(map(str, values["masked"])),
            reload_pending=bool(values["reload_pending"]),
            crashkernel=bool(values["crashkernel"]),
            cma=bool(values["cma"]),
            boot_parts={str(part): str(boot_id) for part, boot_id in values["boot_parts"].items()},
            changes=earlier.with_earlier_changes(changes, said, files),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # Continuing without the record would make our changes the host's own.
        raise PrepareError("PREPARE_RECORD_INVALID", "%s can't be parsed: %r" % (PATH, error)) from error


def read_record(files: HostFiles) -> PreparationRecord:
    """Read the record of this host.

    :raises CodedError: C(PREPARE_RECORD_INVALID).
    """
    changes = read_changes(files)
    if not files.exists(PATH):
        return PreparationRecord(changes=changes)
    return parse_record(files.read_text(PATH) or "", files, changes)


def write_record(files: HostFiles, record: PreparationRecord) -> None:
    """Store a record; an empty one leaves no file, and no directory unless that holds something else. Raises OSError."""
    write_changes(files, record.changes)
    values = record.as_dict()
    text = json.dumps(values, indent=2, sort_keys=True) + "\n" if values != PreparationRecord().as_dict() else None
    write_record_file(files, PATH, text)
