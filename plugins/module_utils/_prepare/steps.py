# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of a preparation: planned as values, and all carried out in the same way."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Mapping, Sequence, Tuple

from .._bootloader.changes import FileChange, make_change
from .._command import Runner
from .._host.files import HostFiles
from .errors import PrepareError
from .record import FileBefore, PreparationRecord, write_record

# update-initramfs takes minutes on an emulated machine.
_COMMAND_TIMEOUT_S = 900.0


@dataclass(frozen=True)
class Step:
    """Changes for one part.

    :ivar before: present record.
    :ivar remembered: record to write before anything is changed.
    :ivar after: record once everything is done.
    :ivar changes: file changes, in this order.
    :ivar restored: mode and owner, by path, of changed files that are not ours.
    :ivar commands: commands to run afterwards.
    """

    part: str
    before: PreparationRecord
    remembered: PreparationRecord
    after: PreparationRecord
    changes: Tuple[FileChange, ...] = ()
    restored: Mapping[str, FileBefore] = field(default_factory=dict)
    commands: Tuple[Tuple[str, ...], ...] = ()

    @property
    def needed(self) -> bool:
        return bool(self.changes or self.commands) or not self.before == self.remembered == self.after


def run_tool(run: Runner, command: Sequence[str]) -> str:
    """Run one of the host's tools and return the output.

    :raises PrepareError: C(PREPARE_FAILED).
    """
    done = run(command, _COMMAND_TIMEOUT_S)
    if done.rc != 0:
        raise PrepareError("PREPARE_FAILED", "%s failed: %s" % (" ".join(command), done.last_words()))
    return done.stdout


def carry_out(step: Step, files: HostFiles, run: Runner) -> None:
    """Carry out a step.

    :raises PrepareError: C(PREPARE_FAILED); what was done by then is remembered.
    """
    try:
        if step.remembered != step.before:
            write_record(files, step.remembered)
        for change in step.changes:
            make_change(files, change)
            if change.path in step.restored:
                _restore_attributes(files.path(change.path), step.restored[change.path])
        for command in step.commands:
            run_tool(run, command)
        if step.after != step.remembered:
            write_record(files, step.after)
    except OSError as error:
        raise PrepareError("PREPARE_FAILED", "%s can't be written: %s" % (error.filename, error.strerror)) from error


def _restore_attributes(path: str, wanted: FileBefore) -> None:
    if wanted.content is None:
        return
    now = os.stat(path)
    if (now.st_uid, now.st_gid) != (wanted.uid, wanted.gid):
        os.chown(path, wanted.uid, wanted.gid)
    if now.st_mode & 0o7777 != wanted.mode:
        os.chmod(path, wanted.mode)
