# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB on Red Hat and its derivatives: entry files, and C(grubby) to change them.

grubby knows which of the places where RHEL and Fedora keep arguments have to change, so that kernels installed later get them
too. Its behaviour is taken from its manual page and source (rhboot/grubby, grubby-bls).
"""

from __future__ import annotations

import os
import re
from typing import Dict, List, Mapping, Sequence, Tuple

from .._cmdline import values_of
from .._command import find_executable
from .crashkernel import NAME as CRASHKERNEL
from .errors import BootloaderError
from .interface import ALL, ANY_ENTRY, DEFAULT, BootloaderPlan, Entry, Setting, Values, describe
from .record import SettingsRecord, read_record, record_change
from .recorded import RecordedBootloader, foreign, updated, values_after

_ENTRIES = "/boot/loader/entries"
# Other files that grubby may write, depending on version and distribution.
_FILES = ("/etc/default/grub", "/etc/kernel/cmdline", "/boot/grub2/grubenv", "/boot/grub2/grub.cfg")

# Values of one argument by entry.
EntryValues = Mapping[Entry, Tuple[str, ...]]

_VALUE = re.compile(r'^(\w+)=(?:"(.*)"|(.*))$')


def parse_info(text: str) -> List[Dict[str, str]]:
    """Parse the blocks of C(grubby --info=ALL), each with C(index), C(kernel), C(args), C(title) and more.

    Entries that boot no Linux have fewer keys.
    """
    blocks: List[Dict[str, str]] = []
    for line in text.splitlines():
        match = _VALUE.match(line.strip())
        if not match:
            continue
        name, quoted, plain = match.groups()
        if name == "index":
            blocks.append({})
        if blocks:
            blocks[-1][name] = quoted if quoted is not None else plain
    return blocks


class Grubby(RecordedBootloader):
    NAME = "GRUB (grubby)"

    def entries(self) -> List[Entry]:
        default = self.run_tool([self._grubby(), "--default-index"]).strip()
        blocks = parse_info(self.run_tool([self._grubby(), "--info=ALL"]))
        return [
            Entry(
                title=block.get("title", block["kernel"]),
                release=_release_of(block["kernel"]),
                cmdline=block.get("args", ""),
                is_default=block["index"] == default,
                source=block.get("id") or block["kernel"],
            )
            for block in blocks
            if block.get("kernel")
        ]

    def affected(self, kernels: str = ALL) -> List[Entry]:
        return _affected(self.entries(), kernels)

    def _grubby(self) -> str:
        return find_executable("grubby", self._files.root) or "grubby"

    def _setter(self, entry: Entry, name: str, values: Tuple[str, ...]) -> str:
        kdumpctl = find_executable("kdumpctl", self._files.root)
        if name == CRASHKERNEL and kdumpctl is not None:
            default = self._run([kdumpctl, "get-default-crashkernel"], self.COMMAND_TIMEOUT_S)
            if default.rc == 0 and (default.stdout.strip(),) == values:
                return "kdumpctl (its default)"
        return "the entries of grubby"

    def generated(self) -> Sequence[str]:
        names = (name for name in self._files.listdir(_ENTRIES) if name.endswith(".conf"))
        return (*_FILES, *(os.path.join(_ENTRIES, name) for name in names))

    def plan(self, settings: Mapping[str, Setting], kernels: str) -> BootloaderPlan:
        for name, setting in settings.items():
            _check_single(name, setting.values)
        everything = self.entries()
        entries = _affected(everything, kernels)
        if not entries:
            raise BootloaderError("KERNEL_NOT_FOUND", "grubby knows no kernel %s" % kernels)
        record = read_record(self._files)
        main = next((entry for entry in entries if entry.is_default), entries[0])
        after = _updated(record, settings, main, [entry for entry in everything if entry not in entries])
        wanted = {name: _wanted(name, setting, entries, record) for name, setting in settings.items()}
        expected = _expected(entries, wanted)
        command = self._command(_target(kernels, main), wanted)
        if not command and after == record:
            return BootloaderPlan(expected=expected, kernels=kernels)
        self.check_writable([os.path.join(_ENTRIES, "entry"), *(path for path in _FILES if self._files.exists(path))])
        return BootloaderPlan((record_change(self._files, after),), (command,) if command else (), expected, kernels)

    def _command(self, target: str, wanted: Mapping[str, EntryValues]) -> Tuple[str, ...]:
        """Build the grubby command that sets the wanted values; empty if they are already set.

        :raises BootloaderError: C(NOT_EXPRESSIBLE).
        """
        changes = [_changed(name, values) for name, values in wanted.items()]
        removed = [argument for gone, _new in changes for argument in gone]
        added = [argument for _gone, new in changes for argument in new]
        if not removed and not added:
            return ()
        return (
            self._grubby(),
            "--update-kernel=%s" % target,
            *(["--remove-args=%s" % " ".join(removed)] if removed else []),
            *(["--args=%s" % " ".join(added)] if added else []),
        )


def _check_single(name: str, values: Sequence[str]) -> None:
    if len(values) > 1:
        raise BootloaderError(
            "NOT_EXPRESSIBLE", "grubby keeps only one value of an argument, so it can't keep %s" % describe(name, values)
        )


def _updated(record: SettingsRecord, settings: Mapping[str, Setting], main: Entry, others: Sequence[Entry]) -> SettingsRecord:
    """Update the record with settings.

    :param others: entries that the settings are not for; what is withdrawn from some kernels only stays set for these.
    """
    made = {name: setting for name, setting in settings.items() if setting.values or not _has_own(others, name, record)}
    return updated(record, made, {name: values_of(main.cmdline, name) for name in made})


def _wanted(name: str, setting: Setting, entries: Sequence[Entry], record: SettingsRecord) -> EntryValues:
    """Values of an argument in each entry once a setting is applied."""
    return {entry: values_after(name, setting, values_of(entry.cmdline, name), record) for entry in entries}


def _changed(name: str, wanted: EntryValues) -> Tuple[List[str], List[str]]:
    """Find the arguments of a name to remove from any entry, and those to add.

    :raises BootloaderError: C(NOT_EXPRESSIBLE).
    """
    there = {entry: values_of(entry.cmdline, name) for entry in wanted}
    if there == wanted:
        return [], []
    for values in wanted.values():
        _check_single(name, values)
    return _surplus(name, there, wanted), _surplus(name, wanted, there)


def _surplus(name: str, values: EntryValues, others: EntryValues) -> List[str]:
    """Arguments that an entry has in C(values) and lacks in C(others)."""
    found = {value for entry in values for value in values[entry] if value not in others[entry]}
    return ["%s=%s" % (name, value) for value in sorted(found)]


def _expected(entries: Sequence[Entry], wanted: Mapping[str, EntryValues]) -> Dict[str, Values]:
    """Wanted values by entry, or once for :data:`ANY_ENTRY` if they are the same for all."""
    expected: List[Values] = [{name: values[entry] for name, values in wanted.items()} for entry in entries]
    if all(each == expected[0] for each in expected):
        return {ANY_ENTRY: expected[0]}
    return {entry.source: each for entry, each in zip(entries, expected)}


def _affected(entries: Sequence[Entry], kernels: str) -> List[Entry]:
    if kernels == ALL:
        return list(entries)
    if kernels == DEFAULT:
        return [entry for entry in entries if entry.is_default]
    return [entry for entry in entries if entry.release == kernels]


def _has_own(entries: Sequence[Entry], name: str, record: SettingsRecord) -> bool:
    """Whether an entry has the values that we set."""
    own = record.settings.get(name)
    return own is not None and any(foreign(values, own) != values for values in (values_of(e.cmdline, name) for e in entries))


def _target(kernels: str, entry: Entry) -> str:
    if kernels in (ALL, DEFAULT):
        return kernels.upper()
    return "/boot/vmlinuz-%s" % entry.release


def _release_of(kernel: str) -> str:
    name = os.path.basename(kernel)
    return name[len("vmlinuz-") :] if name.startswith("vmlinuz-") else ""
