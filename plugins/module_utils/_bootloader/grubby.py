# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB as Red Hat and its kin set it up: entry files, and C(grubby) to change them.

grubby knows which of the places that RHEL and Fedora keep arguments in are to
be changed, so that kernels installed later have them too. Its behaviour is
taken from its manual page and source (rhboot/grubby, grubby-bls).
"""

from __future__ import annotations

import os
import re
from typing import Dict, List, Mapping, Sequence, Tuple

from .._cmdline import values_of
from .._command import find_executable
from .crashkernel import NAME as CRASHKERNEL
from .errors import BootloaderError
from .interface import ALL, ANY_ENTRY, DEFAULT, Entry, Plan, Setting, describe
from .record import Record, read_record, record_change
from .recorded import RecordedBootloader, foreign, updated, values_after

_ENTRIES = "/boot/loader/entries"
# What else grubby may write, by version and distribution.
_FILES = ("/etc/default/grub", "/etc/kernel/cmdline", "/boot/grub2/grubenv", "/boot/grub2/grub.cfg")
_VALUE = re.compile(r'^(\w+)=(?:"(.*)"|(.*))$')


def parse_info(text: str) -> List[Dict[str, str]]:
    """The blocks of C(grubby --info=ALL), each with C(index), C(kernel), C(args), C(title) and more.

    Entries that boot no Linux have fewer.
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
    """GRUB with C(grubby)."""

    NAME = "GRUB (grubby)"

    def entries(self) -> List[Entry]:
        """See :class:`Bootloader`."""
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
        """See :class:`Bootloader`."""
        return _affected(self.entries(), kernels)

    def _grubby(self) -> str:
        return find_executable("grubby", self._files.root) or "grubby"

    def _setter(self, entry: Entry, name: str, values: Tuple[str, ...]) -> str:
        """See :class:`RecordedBootloader`."""
        kdumpctl = find_executable("kdumpctl", self._files.root)
        if name == CRASHKERNEL and kdumpctl is not None:
            default = self._run([kdumpctl, "get-default-crashkernel"], self.COMMAND_TIMEOUT_S)
            if default.rc == 0 and (default.stdout.strip(),) == values:
                return "kdumpctl (its default)"
        return "the entries of grubby"

    def generated(self) -> Sequence[str]:
        """See :class:`Bootloader`."""
        names = (name for name in self._files.listdir(_ENTRIES) if name.endswith(".conf"))
        return (*_FILES, *(os.path.join(_ENTRIES, name) for name in names))

    def plan(self, settings: Mapping[str, Setting], kernels: str) -> Plan:
        """See :class:`Bootloader`."""
        for name, setting in settings.items():
            if len(setting.values) > 1:
                raise BootloaderError(
                    "NOT_EXPRESSIBLE", "grubby keeps one value of an argument only, so not %s" % describe(name, setting.values)
                )
        everything = self.entries()
        entries = _affected(everything, kernels)
        if not entries:
            raise BootloaderError("KERNEL_NOT_FOUND", "grubby knows of no kernel %s" % kernels)
        record = read_record(self._files)
        main = next((entry for entry in entries if entry.is_default), entries[0])
        others = [entry for entry in everything if entry not in entries]
        # What is taken back from some kernels only is still set for the rest.
        made = {name: setting for name, setting in settings.items() if setting.values or not _has_own(others, name, record)}
        after = updated(record, made, {name: values_of(main.cmdline, name) for name in made})
        unwanted: List[str] = []
        added: List[str] = []
        expected: Dict[str, Dict[str, Tuple[str, ...]]] = {entry.source: {} for entry in entries}
        same = True
        for name, setting in settings.items():
            there = {entry: values_of(entry.cmdline, name) for entry in entries}
            wanted = {entry: values_after(name, setting, values, record) for entry, values in there.items()}
            for entry, values in wanted.items():
                expected[entry.source][name] = values
            same = same and len(set(wanted.values())) == 1
            if there == wanted:
                continue
            for values in wanted.values():
                if len(values) > 1:
                    raise BootloaderError(
                        "NOT_EXPRESSIBLE", "grubby keeps one value of an argument only, so not %s" % describe(name, values)
                    )
            gone = {value for entry in entries for value in there[entry] if value not in wanted[entry]}
            unwanted.extend("%s=%s" % (name, value) for value in sorted(gone))
            new = {value for entry in entries for value in wanted[entry] if value not in there[entry]}
            added.extend("%s=%s" % (name, value) for value in sorted(new))
        if same:
            expected = {ANY_ENTRY: expected[main.source]}
        if not unwanted and not added and after == record:
            return Plan(expected=expected, kernels=kernels)
        command = [self._grubby(), "--update-kernel=%s" % _target(kernels, main)]
        if unwanted:
            command.append("--remove-args=%s" % " ".join(unwanted))
        if added:
            command.append("--args=%s" % " ".join(added))
        commands = (tuple(command),) if unwanted or added else ()
        self.check_writable([os.path.join(_ENTRIES, "entry"), *(path for path in _FILES if self._files.exists(path))])
        return Plan((record_change(self._files, after),), commands, expected, kernels)


def _affected(entries: Sequence[Entry], kernels: str) -> List[Entry]:
    if kernels == ALL:
        return list(entries)
    if kernels == DEFAULT:
        return [entry for entry in entries if entry.is_default]
    return [entry for entry in entries if entry.release == kernels]


def _has_own(entries: Sequence[Entry], name: str, record: Record) -> bool:
    """Whether an entry has what we have set."""
    own = record.settings.get(name)
    return own is not None and any(foreign(values, own) != values for values in (values_of(e.cmdline, name) for e in entries))


def _target(kernels: str, entry: Entry) -> str:
    if kernels in (ALL, DEFAULT):
        return kernels.upper()
    return "/boot/vmlinuz-%s" % entry.release


def _release_of(kernel: str) -> str:
    name = os.path.basename(kernel)
    return name[len("vmlinuz-") :] if name.startswith("vmlinuz-") else ""
