# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all bootloaders have in common: entries to read, arguments to set, and one way to set them.

A bootloader plans a change as files and commands; the plan is carried out
here, read back from what will really be booted, and undone if it is not what
was meant.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from .._cmdline import values_of
from .._command import Runner
from .._host.files import HostFiles
from .changes import FileChange, Snapshot, make_change
from .errors import BootloaderError

ALL = "all"
DEFAULT = "default"

# Where what is expected is the same for all entries.
ANY_ENTRY = "*"

# Values of arguments.
Values = Mapping[str, Tuple[str, ...]]


@dataclass(frozen=True)
class Entry:
    """What the bootloader boots.

    :ivar release: of its kernel, as far as its path tells.
    :ivar is_default: whether it is booted where nobody chooses.
    :ivar source: file that it stands in.
    """

    title: str
    release: str
    cmdline: str
    is_default: bool
    source: str


@dataclass(frozen=True)
class Setting:
    """What is wanted of an argument.

    :ivar values: as in C(name=value), several for several arguments of the name;
        empty to take back what was set by this collection.
    :ivar overrule: whether what others have set has to go.
    """

    values: Tuple[str, ...]
    overrule: bool = False


@dataclass(frozen=True)
class Setter:
    """Somebody else who sets an argument.

    :ivar source: the file, or the tool.
    """

    source: str
    values: Tuple[str, ...]


@dataclass(frozen=True)
class BootloaderPlan:
    """What has to be done for settings.

    :ivar changes: of files, in this order.
    :ivar commands: to be run then.
    :ivar expected: values that the arguments in question have then, by
        C(source) of the entry or for :data:`ANY_ENTRY`.
    :ivar kernels: that this is about: :data:`ALL`, :data:`DEFAULT`, or a release.
    """

    changes: Tuple[FileChange, ...] = ()
    commands: Tuple[Tuple[str, ...], ...] = ()
    expected: Mapping[str, Values] = field(default_factory=dict)
    kernels: str = ALL

    @property
    def needed(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.changes or self.commands)


class Bootloader(ABC):
    """A bootloader of a host.

    :cvar NAME: as users know it.
    :cvar COMMAND_TIMEOUT_S: for each of its own tools.
    """

    NAME = ""
    COMMAND_TIMEOUT_S = 300.0

    def __init__(self, files: HostFiles, run: Runner) -> None:
        self._files = files
        self._run = run

    # What a bootloader is.

    @abstractmethod
    def entries(self) -> List[Entry]:
        """What it will boot, as it would read it itself.

        :raises BootloaderError: C(BOOTLOADER_CONFIG_INVALID).
        """

    @abstractmethod
    def own(self) -> Dict[str, Setting]:
        """What this collection has set, by argument."""

    @abstractmethod
    def setters(self, name: str) -> List[Setter]:
        """Who else sets an argument, those that are overruled left out."""

    @abstractmethod
    def plan(self, settings: Mapping[str, Setting], kernels: str) -> BootloaderPlan:
        """What has to be done for settings; changes nothing.

        :param kernels: :data:`ALL`, :data:`DEFAULT`, or a release.
        :raises BootloaderError: it can't be done.
        """

    @abstractmethod
    def generated(self) -> Sequence[str]:
        """Files that its tools may write."""

    # What is the same for all.

    def default_entry(self) -> Optional[Entry]:
        """The entry that is booted where nobody chooses; None if that can't be told."""
        return next((entry for entry in self.entries() if entry.is_default), None)

    def apply(self, plan: BootloaderPlan) -> None:
        """Carry out a plan. Where that fails everything is as it was before.

        :raises BootloaderError: C(BOOTLOADER_FAILED) or C(BOOTLOADER_MISMATCH).
        """
        snapshot = Snapshot(self._files, [*(change.path for change in plan.changes), *self.generated()])
        try:
            for change in plan.changes:
                self._make(change)
            for command in plan.commands:
                self.run_tool(command)
            self._verify(plan)
        except BaseException as error:
            left = snapshot.restore()
            if left and isinstance(error, BootloaderError):
                message = "%s; and what is there now can't be undone: %s" % (error.reason.message, ", ".join(left))
                raise BootloaderError(error.reason.code, message) from error
            raise

    def _make(self, change: FileChange) -> None:
        try:
            make_change(self._files, change)
        except OSError as error:
            raise BootloaderError("BOOTLOADER_FAILED", "%s can't be written: %s" % (change.path, error.strerror)) from error

    def mismatches(self, expected: Mapping[str, Values], kernels: str = ALL) -> Iterator[str]:
        """Where entries don't have the values that are expected, in words."""
        return _differences(self.affected(kernels), expected)

    def _verify(self, plan: BootloaderPlan) -> None:
        entries = self.affected(plan.kernels)
        if not entries:
            raise BootloaderError("BOOTLOADER_MISMATCH", "%s has no entry to set it in" % self.NAME)
        for difference in _differences(entries, plan.expected):
            raise BootloaderError("BOOTLOADER_MISMATCH", "%s did not take it: %s" % (self.NAME, difference))

    def affected(self, kernels: str = ALL) -> List[Entry]:
        """Entries that settings are for: not those of other systems, and not those for rescue.

        :param kernels: as for :meth:`plan`.
        """
        return self.entries()

    def run_tool(self, command: Sequence[str]) -> str:
        """Run one of its tools.

        :return: its output.
        :raises BootloaderError: C(BOOTLOADER_FAILED).
        """
        done = self._run(command, self.COMMAND_TIMEOUT_S)
        if done.rc != 0:
            raise BootloaderError("BOOTLOADER_FAILED", "%s failed: %s" % (" ".join(command), done.last_words()))
        return done.stdout

    def check_writable(self, paths: Iterable[str]) -> None:
        """Refuse early what could not be written.

        :raises BootloaderError: C(BOOTLOADER_FAILED).
        """
        for path in paths:
            directory = os.path.dirname(path)
            while not self._files.exists(directory):
                directory = os.path.dirname(directory)
            if not os.access(self._files.path(directory), os.W_OK):
                raise BootloaderError("BOOTLOADER_FAILED", "%s is read-only" % directory)


def _differences(entries: Iterable[Entry], expected: Mapping[str, Values]) -> Iterator[str]:
    for entry in entries:
        for name, values in expected.get(entry.source, expected.get(ANY_ENTRY, {})).items():
            found = values_of(entry.cmdline, name)
            if found != values:
                yield "%s has %s instead of %s" % (entry.title, describe(name, found), describe(name, values))


def describe(name: str, values: Sequence[str]) -> str:
    """Arguments for a message."""
    return " ".join("%s=%s" % (name, value) for value in values) or "no %s=" % name
