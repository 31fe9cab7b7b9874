# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set how the next boots via kexec go, in C([boot]) of C(/etc/fleet-kexec.conf)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Optional, Tuple

from .._host.changes import FileChange, FileState, give_back, remember
from .._host.files import HostFiles
from .._kexec.boot_config import parse_boot_config, render_boot_config
from .._paths import CONFIG_FILE
from .._prepare.record import PreparationRecord
from .._prepare.steps import Step, Work, state_of
from .steps import marked


class PlannedConfig:
    """C(/etc/fleet-kexec.conf) as the parts that are planned so far leave it: several have their settings there."""

    def __init__(self, files: HostFiles) -> None:
        self.files = files
        self._state: Optional[FileState] = None

    @property
    def state(self) -> FileState:
        """State of the file.

        :raises PrepareError: C(PREPARE_FAILED).
        """
        if self._state is None:
            self._state = state_of(self.files, CONFIG_FILE)
        return self._state

    def become(self, content: Optional[bytes]) -> None:
        self._state = replace(self.state, content=content)


def plan_setting(
    part: str, config_file: PlannedConfig, record: PreparationRecord, wanted: Any, unset: Any, *, work: Tuple[Work, ...] = ()
) -> Step:
    """Plan a setting, which is named like its part; one that somebody else has made is left as it is.

    :param unset: value that leaves the part undone.
    :param work: what has to be done besides.
    :raises KexecError: C(CONFIG_INVALID).
    :raises PrepareError: C(PREPARE_FAILED).
    """
    files, now = config_file.files, config_file.state
    text = (now.content or b"").decode("utf-8", "surrogateescape")
    config = parse_boot_config(text)
    present, ours = getattr(config, part), part in record.boot_parts
    if present == wanted or (present != unset and not ours):
        after = marked(files, record, part, wanted != unset and ours, changed=bool(work))
        return Step(part, record, after if wanted != unset else record, after, work=work)
    content = render_boot_config(replace(config, **{part: wanted}), text).encode("utf-8", "surrogateescape") or None
    change, changed = _change(record, now, content)
    config_file.become(change.after)
    after = marked(files, changed, part, wanted != unset, changed=True)
    # While the change is under way, the record has what undoes it.
    return Step(part, record, after if wanted != unset else record, after, (change,), work=work)


def _change(record: PreparationRecord, now: FileState, content: Optional[bytes]) -> Tuple[FileChange, PreparationRecord]:
    """Change of the file, and the record with it, or without the file if that then is as it was."""
    known = record.changes.get(CONFIG_FILE)
    change = FileChange(CONFIG_FILE, now.content, content)
    if known is not None and content == known.before.content:
        undo = give_back(known, now)[0] or change
        return undo, replace(record, changes={path: each for path, each in record.changes.items() if path != CONFIG_FILE})
    return change, replace(record, changes={**record.changes, CONFIG_FILE: remember(known, now, change)})
