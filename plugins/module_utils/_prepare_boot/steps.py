# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of preparing a host's boots, and the units that they are about."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from .._command import Runner
from .._host.files import HostFiles
from .._kexec.host_files import WantedFile
from .._prepare.errors import PrepareError
from .._prepare.record import PreparationRecord
from .._prepare.steps import Step, plan_files, step_giving_back
from .._reasons import Reason, reason

#: Where the administrator's units and drop-ins are.
UNIT_DIRECTORY = "/etc/systemd/system"
RELOAD = ("systemctl", "daemon-reload")
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_TIMEOUT_S = 30.0
_PROPERTIES = ("Id", "LoadState", "UnitFileState", "ActiveState", "FragmentPath", "DropInPaths", "TimeoutStopUSec")
_USED_STATES = ("enabled", "enabled-runtime")

# unit_name_is_valid() of systemd, for services that can run: no template. Of what it allows, a backslash, which would escape
# something elsewhere, is left out.
_SERVICE = re.compile(r"[A-Za-z0-9:_.-]+(?:@[A-Za-z0-9:_.-]+)?\.service", re.ASCII)
_NAME_MAX_CHARS = 255


@dataclass(frozen=True)
class Unit:
    """Unit as systemd has loaded it.

    :ivar name: canonical name.
    :ivar fragment: path of its file; empty if it has none.
    :ivar drop_ins: paths of files that change it.
    :ivar stop_timeout: C(TimeoutStopUSec), as systemd writes a time span.
    """

    name: str
    load_state: str
    file_state: str
    active_state: str
    fragment: str
    drop_ins: Tuple[str, ...]
    stop_timeout: str

    @property
    def is_loaded(self) -> bool:
        return self.load_state == "loaded"

    @property
    def is_used(self) -> bool:
        """Whether it starts at boot, or has started."""
        return self.is_loaded and (self.file_state in _USED_STATES or self.active_state == "active")


def check_service_name(name: str) -> None:
    """Check the name of a service.

    :raises PrepareError: C(UNIT_NAME_INVALID).
    """
    if len(name) > _NAME_MAX_CHARS or not _SERVICE.fullmatch(name):
        raise PrepareError("UNIT_NAME_INVALID", "%r is not the name of a service" % name)


def read_unit(run: Runner, name: str) -> Unit:
    """Ask systemd for a unit.

    :raises PrepareError: C(PREPARE_FAILED).
    """
    asked = ["systemctl", "show", *("--property=" + each for each in _PROPERTIES), "--", name]
    shown = run(asked, _TIMEOUT_S)
    if shown.rc != 0:
        raise PrepareError("PREPARE_FAILED", "systemctl show %s failed: %s" % (name, shown.last_words()))
    said: Dict[str, str] = dict(line.partition("=")[::2] for line in shown.stdout.splitlines())
    return Unit(
        said.get("Id") or name,
        said.get("LoadState", ""),
        said.get("UnitFileState", ""),
        said.get("ActiveState", ""),
        said.get("FragmentPath", ""),
        tuple(said.get("DropInPaths", "").split()),
        said.get("TimeoutStopUSec", ""),
    )


def drop_in(unit: str, name: str, text: str) -> WantedFile:
    """Make a drop-in of a unit."""
    return WantedFile("%s/%s.d/%s" % (UNIT_DIRECTORY, unit, name), text.encode("ascii"), 0o644, owned=False)


def idle(part: str, why: str) -> Reason:
    """Note that a part changes nothing on this host."""
    return reason("BOOT_PART_IDLE", "%s changes nothing here: %s" % (part, why))


def step_of_files(
    part: str,
    files: HostFiles,
    record: PreparationRecord,
    wanted: Sequence[WantedFile],
    is_ours: Callable[[str], bool],
    *,
    notes: Sequence[Reason] = (),
    reload: bool = True,
) -> Step:
    """Write the files of a part, and give back those that it no longer needs.

    :param is_ours: tells whether a path is one of this part's.
    :param reload: whether systemd has to read them.
    :raises PrepareError: C(PREPARE_FAILED): a file can't be read.
    """
    planned = plan_files(files, record, wanted)
    paths = [each.path for each in wanted]
    given_back = step_giving_back(
        part, files, planned.record, [p for p in planned.record.changes if is_ours(p) and p not in paths]
    )
    changes = planned.changes + given_back.changes
    after = marked(files, given_back.after, part, bool(wanted), bool(changes))
    commands: List[Tuple[str, ...]] = []
    # A part counts as made until all of it is gone, so that what was interrupted is undone by whoever asks for the parts.
    remembered = replace(planned.record, boot_parts=after.boot_parts if wanted else record.boot_parts)
    if reload and (changes or record.reload_pending):
        commands.append(RELOAD)
        remembered, after = replace(remembered, reload_pending=True), replace(after, reload_pending=False)
    return Step(part, record, remembered, after, changes, tuple(commands), notes=(*notes, *planned.notes, *given_back.notes))


def turned_off(files: HostFiles, record: PreparationRecord, path: str) -> Optional[str]:
    """Say that there is a link where a file of ours would be, as that to C(/dev/null) by which administrators turn one off."""
    theirs = path not in record.changes and files.link_name(path) is not None
    return "%s is an administrator's link" % path if theirs else None


def marked(files: HostFiles, record: PreparationRecord, part: str, made: bool, changed: bool) -> PreparationRecord:
    """Remember in which boot a part was made, to compare reboots before and after it."""
    marks: Dict[str, str] = {name: boot for name, boot in record.boot_parts.items() if name != part}
    if made:
        known: Optional[str] = record.boot_parts.get(part)
        marks[part] = known if known is not None and not changed else files.read_text(_BOOT_ID) or ""
    same: Mapping[str, str] = record.boot_parts
    return record if marks == same else replace(record, boot_parts=marks)
