# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have the kernel of the next boots via kexec print errors only: a setting in C(/etc/fleet-kexec.conf) that staging reads."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional, Tuple

from .._host.changes import FileChange, FileState, give_back, remember
from .._host.files import HostFiles
from .._kexec.boot_config import parse_boot_config, render_boot_config
from .._paths import CONFIG_FILE
from .._prepare.record import PreparationRecord
from .._prepare.steps import Step, state_of
from .steps import marked

PART = "quiet"


def plan(files: HostFiles, record: PreparationRecord, wanted: bool) -> Step:
    """Plan the setting; one that somebody else has made is left as it is.

    :raises KexecError: C(CONFIG_INVALID).
    :raises PrepareError: C(PREPARE_FAILED).
    """
    now = state_of(files, CONFIG_FILE)
    text = (now.content or b"").decode("utf-8", "surrogateescape")
    config = parse_boot_config(text)
    ours = PART in record.boot_parts
    if config.quiet == wanted or (config.quiet and not ours):
        after = marked(files, record, PART, wanted and ours, changed=False)
        return Step(PART, record, after, after)
    content = render_boot_config(replace(config, quiet=wanted), text).encode("utf-8", "surrogateescape") or None
    change, changed = _change(record, now, content)
    after = marked(files, changed, PART, wanted, changed=True)
    # While the change is under way, the record has what undoes it.
    return Step(PART, record, after if wanted else record, after, (change,))


def _change(record: PreparationRecord, now: FileState, content: Optional[bytes]) -> Tuple[FileChange, PreparationRecord]:
    """Change of the file, and the record with it, or without the file if that then is as it was."""
    known = record.changes.get(CONFIG_FILE)
    change = FileChange(CONFIG_FILE, now.content, content)
    if known is not None and content == known.before.content:
        undo = give_back(known, now)[0] or change
        return undo, replace(record, changes={path: each for path, each in record.changes.items() if path != CONFIG_FILE})
    return change, replace(record, changes={**record.changes, CONFIG_FILE: remember(known, now, change)})
