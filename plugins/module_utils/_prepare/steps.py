# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of a preparation: planned as values, and all carried out in the same way."""

from __future__ import annotations

import contextlib
import os
import re
import time
from dataclasses import dataclass, replace
from typing import Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .._command import Runner
from .._host.change_record import drop_directory
from .._host.changes import FileChange, FileState, HostChange, as_diff, give_back, make_change, read_state, remember
from .._host.files import HostFiles
from .._kexec.host_files import WantedFile
from .._reasons import Reason, reason
from .errors import PrepareError
from .record import InstalledPackage, PreparationRecord, write_record

# update-initramfs takes minutes on an emulated machine.
COMMAND_TIMEOUT_S = 900.0

# Another process may be at the packages for minutes.
LOCK_TIMEOUT_S = 300
_LOCK_PAUSE_S = 5.0
_LOCKED = re.compile(r"locked by another process|[Cc]ould not get lock|Unable to (?:lock|acquire)")


class Work(NamedTuple):
    """Work that is more than a change of a file or a command; C(words) show it as if it were a command.

    :ivar do: does it. It can be repeated, and raises CodedError.
    """

    words: Tuple[str, ...]
    do: Callable[[], None]


@dataclass(frozen=True)
class Step:
    """Changes for one part.

    :ivar before: present record.
    :ivar remembered: record to write before anything is changed.
    :ivar after: record once everything is done.
    :ivar changes: file changes, in this order.
    :ivar commands: commands to run afterwards.
    :ivar work: what to do after that.
    :ivar notes: what is left alone, and why.
    :ivar finish: makes the final record of C(after), which depends on what the commands did.
    :ivar obsolete: files of ours to remove once the final record is stored.
    """

    part: str
    before: PreparationRecord
    remembered: PreparationRecord
    after: PreparationRecord
    changes: Tuple[FileChange, ...] = ()
    commands: Tuple[Tuple[str, ...], ...] = ()
    work: Tuple[Work, ...] = ()
    notes: Tuple[Reason, ...] = ()
    finish: Optional[Callable[[PreparationRecord], PreparationRecord]] = None
    obsolete: Tuple[str, ...] = ()

    @property
    def needed(self) -> bool:
        return bool(self.changes or self.commands or self.work) or not self.before == self.remembered == self.after

    def with_note(self, note: Reason) -> Step:
        return replace(self, notes=(*self.notes, note))

    def after_installing(self, packages: Tuple[InstalledPackage, ...]) -> Step:
        """Take in which packages an earlier step has installed, which could not be planned."""
        before, remembered, after = (replace(each, packages=packages) for each in (self.before, self.remembered, self.after))
        return replace(self, before=before, remembered=remembered, after=after)


@dataclass(frozen=True)
class PreparationPlan:
    """Steps that are needed, in order, and notes on what is left alone."""

    steps: Tuple[Step, ...]
    notes: Tuple[Reason, ...]

    @property
    def due(self) -> List[str]:
        """Parts that have a step."""
        return [step.part for step in self.steps]

    def as_diff(self) -> List[Dict[str, str]]:
        """Present the plan as in Ansible's diff mode."""
        return as_diff(
            [change for step in self.steps for change in step.changes],
            [words for step in self.steps for words in (*step.commands, *(work.words for work in step.work))],
        )


def plan_parts(
    record: PreparationRecord, parts: Iterable[str], planners: Mapping[str, Callable[[PreparationRecord], Step]]
) -> PreparationPlan:
    """Plan parts in their order, each from the record that the one before leaves.

    :raises CodedError: a step is impossible.
    """
    steps: List[Step] = []
    for part in parts:
        step = planners[part](record)
        record = step.after
        steps.append(step)
    notes = tuple(note for step in steps for note in step.notes)
    return PreparationPlan(tuple(step for step in steps if step.needed), notes)


def run_tool(run: Runner, command: Sequence[str], sleep: Callable[[float], None] = time.sleep) -> str:
    """Run one of the host's tools and return the output. If another process is at the packages, wait until it has finished.

    :raises PrepareError: C(PREPARE_FAILED).
    """
    done = run(command, COMMAND_TIMEOUT_S)
    left_s = float(LOCK_TIMEOUT_S)
    while done.rc != 0 and left_s > 0 and _LOCKED.search(done.stderr):
        sleep(_LOCK_PAUSE_S)
        left_s -= _LOCK_PAUSE_S
        done = run(command, COMMAND_TIMEOUT_S)
    if done.rc != 0:
        words = [word for word in command if word != "env" and "=" not in word and not word.startswith("--")]
        raise PrepareError("PREPARE_FAILED", "%s failed: %s" % (" ".join(words), done.last_words()))
    return done.stdout


def carry_out(step: Step, files: HostFiles, run: Runner, sleep: Callable[[float], None] = time.sleep) -> PreparationRecord:
    """Carry out a step; return the final record.

    :raises CodedError: C(PREPARE_FAILED), or what its work raises; what was done by then is remembered.
    """
    try:
        if step.remembered != step.before:
            write_record(files, step.remembered)
        for change in step.changes:
            make_change(files, change)
        for command in step.commands:
            run_tool(run, command, sleep)
        for work in step.work:
            work.do()
        after = step.finish(step.after) if step.finish is not None else step.after
        if after != step.remembered:
            write_record(files, after)
        for path in step.obsolete:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(files.path(path))
        if step.obsolete:
            drop_directory(files)
        return after
    except OSError as error:
        # The first name is that of a temporary file where there are two.
        path = error.filename2 or error.filename
        raise PrepareError("PREPARE_FAILED", "%s can't be written: %s" % (path, error.strerror)) from error


def carry_out_all(steps: Sequence[Step], files: HostFiles, run: Runner, sleep: Callable[[float], None] = time.sleep) -> None:
    """Carry out steps in their order, each with the packages that an earlier one has installed; raises as :func:`carry_out`."""
    came: Optional[Tuple[InstalledPackage, ...]] = None
    for step in steps:
        done = carry_out(step if came is None else step.after_installing(came), files, run, sleep)
        came = done.packages if step.finish is not None else came


def state_of(files: HostFiles, path: str) -> FileState:
    """Read the state of a file that is about to be changed.

    :raises PrepareError: C(PREPARE_FAILED).
    """
    try:
        return read_state(files, path)
    except OSError as error:
        raise PrepareError("PREPARE_FAILED", "%s can't be read, so it is not changed" % path) from error


class PlannedFiles(NamedTuple):
    """Files to write.

    :ivar changes: changes to make.
    :ivar record: the record with them.
    :ivar notes: files that somebody has changed since, which are left as they are.
    """

    changes: Tuple[FileChange, ...]
    record: PreparationRecord
    notes: Tuple[Reason, ...]


def plan_files(files: HostFiles, record: PreparationRecord, wanted: Sequence[WantedFile]) -> PlannedFiles:
    """Plan to write files where they differ; each has content.

    :raises PrepareError: C(PREPARE_FAILED): one can't be read.
    """
    changes: List[FileChange] = []
    notes: List[Reason] = []
    kept = dict(record.changes)
    for each in wanted:
        path, now, known = each.path, state_of(files, each.path), kept.get(each.path)
        if now.content == each.content:
            continue
        if known is not None and now.content is not None and not known.is_as_left(now) and not known.is_undone(now):
            notes.append(reason("CHANGED_SINCE", "%s was changed since it was prepared, and is left as it is" % path))
            continue
        made = known.made_directory if known is not None else _exists_for_us(files, kept, os.path.dirname(path))
        change = FileChange(path, now.content, each.content, each.mode, with_directory=made, owned=each.owned)
        kept[path] = remember(known, now, change)
        changes.append(change)
    return PlannedFiles(tuple(changes), replace(record, changes=kept), tuple(notes))


def _exists_for_us(files: HostFiles, changes: Mapping[str, HostChange], directory: str) -> bool:
    """Whether a directory is missing, or was made for files of ours."""
    ours = any(os.path.dirname(path) == directory and change.made_directory for path, change in changes.items())
    return ours or not files.exists(directory)


def step_giving_back(part: str, files: HostFiles, record: PreparationRecord, paths: Sequence[str]) -> Step:
    """Give files back as they were; what somebody has changed since is theirs, and forgotten.

    :raises PrepareError: C(PREPARE_FAILED): one can't be read.
    """
    changes: List[FileChange] = []
    notes: List[Reason] = []
    for path in paths:
        if path in record.changes:
            undo, note = give_back(record.changes[path], state_of(files, path))
            changes.extend([undo] if undo is not None else [])
            notes.extend([note] if note is not None else [])
    kept = {path: change for path, change in record.changes.items() if path not in paths}
    return Step(part, record, record, replace(record, changes=kept), tuple(changes), notes=tuple(notes))
