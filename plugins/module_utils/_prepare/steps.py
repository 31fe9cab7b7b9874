# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One part of preparing a host, planned as values and then carried out in one way for all."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Mapping, Sequence, Tuple

from .._bootloader.changes import FileChange, make_change
from .._command import Runner
from .._host.files import HostFiles
from .errors import PrepareError
from .record import FileBefore, PreparationRecord, write_record

# update-initramfs takes minutes on a machine that is emulated.
_COMMAND_TIMEOUT_S = 900.0


@dataclass(frozen=True)
class Step:
    """What has to be done for a part.

    :ivar before: the record as it is.
    :ivar remembered: the record before anything is changed.
    :ivar changes: of files, in this order.
    :ivar restored: mode and owner of files among them that are not ours, by path.
    :ivar commands: to be run then.
    :ivar after: the record once all that is done.
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
        """Whether there is anything to do."""
        return bool(self.changes or self.commands) or not self.before == self.remembered == self.after


def run_tool(run: Runner, command: Sequence[str]) -> str:
    """Run one of the host's tools.

    :return: its output.
    :raises PrepareError: C(PREPARE_FAILED).
    """
    done = run(command, _COMMAND_TIMEOUT_S)
    if done.rc != 0:
        raise PrepareError("PREPARE_FAILED", "%s failed: %s" % (" ".join(command), done.last_words()))
    return done.stdout


def carry_out(step: Step, files: HostFiles, run: Runner) -> None:
    """Do it.

    :raises PrepareError: C(PREPARE_FAILED). What was done by then is remembered.
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
