# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remember C(/etc/fleet-kexec.conf) before C(fast_image) writes it, and restore it."""

from __future__ import annotations

import os
from dataclasses import replace

from .._bootloader.changes import FileChange
from .._host.files import HostFiles
from .._paths import CONFIG_FILE
from .errors import PrepareError
from .record import FileBefore, PreparationRecord
from .steps import Step

PART = "config_file"


def plan_remembering(files: HostFiles, record: PreparationRecord) -> Step:
    """Remember the file as it is, unless that is done already.

    :raises PrepareError: C(PREPARE_FAILED): it can't be read.
    """
    after = record if record.config_file is not None else replace(record, config_file=_read(files))
    return Step(PART, record, after, after)


def _read(files: HostFiles) -> FileBefore:
    content = files.read_bytes(CONFIG_FILE)
    if content is None:
        if files.exists(CONFIG_FILE):
            raise PrepareError("PREPARE_FAILED", "%s can't be read, so it is not changed" % CONFIG_FILE)
        return FileBefore(None)
    found = os.stat(files.path(CONFIG_FILE))
    return FileBefore(content, found.st_mode & 0o7777, found.st_uid, found.st_gid)


def plan_restoring(files: HostFiles, record: PreparationRecord) -> Step:
    """Restore the file as it was."""
    wanted = record.config_file
    after = replace(record, config_file=None)
    if wanted is None or _read(files) == wanted:
        return Step(PART, record, record, after)
    change = FileChange(CONFIG_FILE, files.read_bytes(CONFIG_FILE), wanted.content, wanted.mode)
    return Step(PART, record, record, after, (change,), {CONFIG_FILE: wanted})
