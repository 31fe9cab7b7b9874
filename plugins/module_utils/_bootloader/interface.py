# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Common interface of bootloaders: read entries, and set arguments.

A bootloader plans a change as files and commands. The plan is applied here, verified against what will really be booted, and
undone on a mismatch.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from .._cmdline import values_of
from .._command import Runner
from .._host.changes import FileChange, make_change
from .._host.files import HostFiles
from .errors import BootloaderError
from .snapshot import Snapshot

ALL = "all"
DEFAULT = "default"

# Stands for all entries where they are expected to have the same values.
ANY_ENTRY = "*"

# Values by argument.
Values = Mapping[str, Tuple[str, ...]]


@dataclass(frozen=True)
class Entry:
    """Boot entry.

    :ivar release: release of its kernel; empty if unknown.
    :ivar is_default: whether it is booted unless somebody chooses another.
    :ivar source: file that defines it.
    """

    title: str
    release: str
    cmdline: str
    is_default: bool
    source: str


@dataclass(frozen=True)
class Setting:
    """Desired values of an argument.

    :ivar values: value of each C(name=value) argument; empty to withdraw what this collection has set.
    :ivar overrule: whether to remove what others have set.
    """

    values: Tuple[str, ...]
    overrule: bool = False


@dataclass(frozen=True)
class Setter:
    """Another file or tool that sets an argument."""

    source: str
    values: Tuple[str, ...]


@dataclass(frozen=True)
class BootloaderPlan:
    """Changes that apply settings.

    :ivar changes: file changes, in this order.
    :ivar commands: commands to run afterwards.
    :ivar expected: resulting values of the arguments, by C(source) of the entry or for :data:`ANY_ENTRY`.
    :ivar kernels: kernels affected: :data:`ALL`, :data:`DEFAULT`, or a release.
    """

    changes: Tuple[FileChange, ...] = ()
    commands: Tuple[Tuple[str, ...], ...] = ()
    expected: Mapping[str, Values] = field(default_factory=dict)
    kernels: str = ALL

    @property
    def needed(self) -> bool:
        return bool(self.changes or self.commands)


class Bootloader(ABC):
    """Bootloader of a host: its name as users know it, and the timeout of each of its own tools."""

    NAME = ""
    COMMAND_TIMEOUT_S = 300.0

    def __init__(self, files: HostFiles, run: Runner) -> None:
        self._files = files
        self._run = run

    # Implemented by each bootloader.

    @abstractmethod
    def entries(self) -> List[Entry]:
        """Read the entries, as the bootloader itself would read them.

        :raises BootloaderError: C(BOOTLOADER_CONFIG_INVALID).
        """

    @abstractmethod
    def own(self) -> Dict[str, Setting]:
        """Settings that this collection has made, by argument."""

    @abstractmethod
    def setters(self, name: str) -> List[Setter]:
        """Find who else sets an argument, except for those that are overruled."""

    @abstractmethod
    def plan(self, settings: Mapping[str, Setting], kernels: str) -> BootloaderPlan:
        """Plan the changes for settings; changes nothing.

        :param kernels: :data:`ALL`, :data:`DEFAULT`, or a release.
        :raises BootloaderError: the settings can't be made.
        """

    @abstractmethod
    def generated(self) -> Sequence[str]:
        """Files that its tools may write."""

    # Common to all bootloaders.

    def default_entry(self) -> Optional[Entry]:
        """Entry that is booted unless somebody chooses another; None if unknown."""
        return next((entry for entry in self.entries() if entry.is_default), None)

    def apply(self, plan: BootloaderPlan) -> None:
        """Apply a plan; on failure, restore everything as it was before.

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
        """Describe where entries differ from the expected values."""
        return _differences(self.affected(kernels), expected)

    def _verify(self, plan: BootloaderPlan) -> None:
        entries = self.affected(plan.kernels)
        if not entries:
            raise BootloaderError("BOOTLOADER_MISMATCH", "%s has no entry to set it in" % self.NAME)
        for difference in _differences(entries, plan.expected):
            raise BootloaderError("BOOTLOADER_MISMATCH", "%s did not take it: %s" % (self.NAME, difference))

    def affected(self, kernels: str = ALL) -> List[Entry]:
        """Entries that settings apply to: neither those of other systems nor those for rescue."""
        return self.entries()

    def run_tool(self, command: Sequence[str]) -> str:
        """Run one of its tools and return the output.

        :raises BootloaderError: C(BOOTLOADER_FAILED).
        """
        done = self._run(command, self.COMMAND_TIMEOUT_S)
        if done.rc != 0:
            raise BootloaderError("BOOTLOADER_FAILED", "%s failed: %s" % (" ".join(command), done.last_words()))
        return done.stdout

    def check_writable(self, paths: Iterable[str]) -> None:
        """Reject read-only directories and immutable files before anything is changed.

        :raises BootloaderError: C(BOOTLOADER_FAILED).
        """
        for path in paths:
            directory = os.path.dirname(path)
            while not self._files.exists(directory):
                directory = os.path.dirname(directory)
            target = os.path.realpath(self._files.path(path))
            if not os.access(self._files.path(directory), os.W_OK):
                raise BootloaderError("BOOTLOADER_FAILED", "%s is read-only" % directory)
            if os.path.exists(target) and not all(os.access(each, os.W_OK) for each in (target, os.path.dirname(target))):
                raise BootloaderError("BOOTLOADER_FAILED", "%s is read-only or immutable" % path)


def _differences(entries: Iterable[Entry], expected: Mapping[str, Values]) -> Iterator[str]:
    for entry in entries:
        for name, values in expected.get(entry.source, expected.get(ANY_ENTRY, {})).items():
            found = values_of(entry.cmdline, name)
            if found != values:
                yield "%s has %s instead of %s" % (entry.title, describe(name, found), describe(name, values))


def describe(name: str, values: Sequence[str]) -> str:
    """Format arguments for a message."""
    return " ".join("%s=%s" % (name, value) for value in values) or "no %s=" % name
