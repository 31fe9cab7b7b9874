# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd-boot with kernel-install: C(/etc/kernel/cmdline), and an entry file for each kernel.

The entries are edited in place, to what kernel-install would generate from C(/etc/kernel/cmdline). Running kernel-install would
copy kernel and initrd again, which is not atomic: a full EFI system partition or a loss of power would leave a system that does
not boot.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .._cmdline import values_of, with_values, without
from .._command import find_executable
from .._host.changes import FileChange, HostChange, digest, read_state
from .._json import parse_json
from .._one_boot_args import lasting_arguments
from .bls import BlsEntry, parse_bls
from .errors import BootloaderError
from .interface import ALL, BootloaderPlan, Entry, Setter, Setting
from .record import SettingsRecord, encoded, read_record, record_change
from .recorded import RecordedBootloader, foreign, updated, values_after

CMDLINE = "/etc/kernel/cmdline"
# Where kernel-install looks next.
VENDOR_CMDLINE = "/usr/lib/kernel/cmdline"
# Argument that kernel-install adds itself.
_OWN_ARGUMENT = "systemd.machine_id"
_ENTRIES = "loader/entries"
# See "Boot Counting" of the Boot Loader Specification.
_TRIES = re.compile(r"\+\d+(-\d+)?(?=\.conf$)")


class KernelInstall(RecordedBootloader):
    NAME = "systemd-boot"

    def entries(self) -> List[Entry]:
        default = self._default_id()
        return [self._entry(path, entry, default) for path, entry in self._read()]

    def _entry(self, path: str, entry: BlsEntry, default: str) -> Entry:
        return Entry(
            title="%s (%s)" % (entry.value("title"), entry.value("version")),
            release=entry.value("version"),
            cmdline=entry.cmdline,
            is_default=_id_of(path) == default,
            source=path,
        )

    def _read(self) -> List[Tuple[str, BlsEntry]]:
        """Read the entry files of this system, which may not be the only one on the disk."""
        directory = os.path.join(self.boot_root(), _ENTRIES)
        machine_id = self._files.read_text("/etc/machine-id") or ""
        found = []
        for name in self._files.listdir(directory):
            path = os.path.join(directory, name)
            if not name.endswith(".conf"):
                continue
            entry = parse_bls((self._files.read_bytes(path) or b"").decode("utf-8", "surrogateescape"))
            if not entry.value("linux"):
                continue
            installed = self._files.exists(os.path.join("/usr/lib/modules", entry.value("version")))
            if entry.value("machine-id") == machine_id if entry.value("machine-id") else installed:
                found.append((path, entry))
        return found

    def boot_root(self) -> str:
        """Mount point with the entries: that of the extended boot loader partition, or of the EFI system partition.

        :raises BootloaderError: C(BOOTLOADER_CONFIG_INVALID).
        """
        done = self._run([self._bootctl(), "--print-boot-path"], self.COMMAND_TIMEOUT_S)
        path = done.stdout.strip()
        if done.rc != 0 or not path.startswith("/"):
            raise BootloaderError("BOOTLOADER_CONFIG_INVALID", "bootctl finds no boot partition: %s" % done.last_words())
        return path

    def _bootctl(self) -> str:
        return find_executable("bootctl", self._files.root) or "bootctl"

    def _default_id(self) -> str:
        """File name of the default entry; empty if bootctl does not report it.

        :raises BootloaderError: C(BOOTLOADER_UNSUPPORTED): it is a unified kernel image.
        """
        done = self._run([self._bootctl(), "list", "--json=short"], self.COMMAND_TIMEOUT_S)
        try:
            listed: List[Dict[str, Any]] = parse_json(done.stdout)
            chosen = next((entry for entry in listed if entry.get("isDefault")), {})
        except (ValueError, AttributeError, TypeError):
            return ""
        if chosen.get("type") == "type2":
            raise BootloaderError(
                "BOOTLOADER_UNSUPPORTED",
                "%s is a unified kernel image: its command line is a signed part of it" % chosen.get("id", "the default entry"),
            )
        return _id_of(str(chosen.get("id", "")))

    def default_cmdline(self) -> Optional[str]:
        """Command line of the default entry, for kernels installed later; None if there are no entries.

        :raises BootloaderError: C(BOOTLOADER_CONFIG_INVALID) or C(BOOTLOADER_UNSUPPORTED).
        :raises CmdlineError: C(CMDLINE_INVALID).
        """
        entries = self._read()
        return _for_later(self._main(entries)) if entries else None

    def _main(self, entries: Sequence[Tuple[str, BlsEntry]]) -> BlsEntry:
        """Default entry, or the last one if the default is unknown."""
        default = self._default_id()
        return next((entry for path, entry in entries if _id_of(path) == default), entries[-1][1])

    def setters(self, name: str) -> List[Setter]:
        found = super().setters(name)
        own = self.own().get(name)
        values = self._lasting(name)
        if values and not (own is not None and own.overrule) and CMDLINE not in (setter.source for setter in found):
            # Kernels installed later will get it.
            found.insert(0, Setter(CMDLINE, values))
        return found

    def _setter(self, entry: Entry, name: str, values: Tuple[str, ...]) -> str:
        return CMDLINE if values == self._lasting(name) else entry.source

    def _lasting(self, name: str) -> Tuple[str, ...]:
        """Values that others have set in C(/etc/kernel/cmdline)."""
        return foreign(values_of(self._files.read_text(CMDLINE) or "", name), self.own().get(name))

    def generated(self) -> Sequence[str]:
        return ()

    def plan(self, settings: Mapping[str, Setting], kernels: str) -> BootloaderPlan:
        if kernels != ALL:
            raise BootloaderError(
                "NOT_EXPRESSIBLE",
                "kernel-install gives all kernels the same arguments; those for %s alone would be lost when it is installed again"
                % kernels,
            )
        record = read_record(self._files)
        entries = self._read()
        if not entries:
            raise BootloaderError("BOOTLOADER_CONFIG_INVALID", "there are no entries below %s" % self.boot_root())
        main = self._main(entries)
        found = {name: values_of(main.cmdline, name) for name in settings}
        after = updated(record, settings, found)
        texts: List[Tuple[str, Optional[str], Optional[str]]] = []
        for path, entry in entries:
            texts.append((path, entry.text, self._after(path, entry, settings, record, after)))
        texts.append(self._cmdline_file(main, settings, record, after))
        changes = [(path, old, new) for path, old, new in texts if old != new]
        expected = {path: self._expected(path, entry, settings, record, after) for path, entry in entries}
        if not changes and after == record:
            return BootloaderPlan(expected=expected)
        origins = self._origins(record, after, changes)
        self.check_writable([*(path for path, _old, _new in changes), CMDLINE])
        kept = record_change(self._files, replace(after, origins=origins))
        files = [
            FileChange(path, encoded(old), encoded(new), with_directory=not self._files.exists(os.path.dirname(path)))
            for path, old, new in changes
        ]
        # The record is written before the changes it describes, and kept until they are undone.
        return BootloaderPlan((kept, *files) if kept.after is not None else (*files, kept), (), expected)

    def _after(
        self, path: str, entry: BlsEntry, settings: Mapping[str, Setting], record: SettingsRecord, after: SettingsRecord
    ) -> str:
        """Text of an entry file once settings are applied."""
        original = _original(path, entry.text, record, after)
        if original is not None:
            return original
        cmdline = _with_settings(entry.cmdline, settings, record)
        return entry.text if cmdline == entry.cmdline else entry.with_cmdline(cmdline)

    def _expected(
        self, path: str, entry: BlsEntry, settings: Mapping[str, Setting], record: SettingsRecord, after: SettingsRecord
    ) -> Dict[str, Tuple[str, ...]]:
        """Values of an entry once settings are applied; a restored entry need not agree with the others."""
        original = _original(path, entry.text, record, after)
        if original is not None:
            cmdline = parse_bls(original).cmdline
            return {name: values_of(cmdline, name) for name in settings}
        return {name: values_after(name, setting, values_of(entry.cmdline, name), record) for name, setting in settings.items()}

    def _cmdline_file(
        self, main: BlsEntry, settings: Mapping[str, Setting], record: SettingsRecord, after: SettingsRecord
    ) -> Tuple[str, Optional[str], Optional[str]]:
        """C(/etc/kernel/cmdline), which kernels installed later get: its path, and its text before and after."""
        there = self._files.read_bytes(CMDLINE)
        text = there.decode("utf-8", "surrogateescape") if there is not None else None
        if _is_restored(CMDLINE, text, record, after):
            return CMDLINE, text, _original(CMDLINE, text, record, after)
        if text is not None:
            return CMDLINE, text, _with_settings(text, settings, record)
        if not after.settings:
            return CMDLINE, None, None
        # Without the file, kernel-install takes the running kernel's line, including the arguments for one boot only.
        vendor = self._files.read_text(VENDOR_CMDLINE)
        base = vendor if vendor is not None else _for_later(main)
        return CMDLINE, None, _with_settings(base, settings, record) + "\n"

    def _origins(
        self, record: SettingsRecord, after: SettingsRecord, changes: Sequence[Tuple[str, Optional[str], Optional[str]]]
    ) -> Dict[str, HostChange]:
        origins = dict(record.origins)
        for path, old, new in changes:
            known = origins.pop(path, None)
            left_sha256 = digest(encoded(new or ""))
            if known is None and not _has(old, record.settings):
                origins[path] = HostChange(path, read_state(self._files, path), left_sha256)
            elif known is not None and old is not None and digest(encoded(old)) == known.left_sha256:
                origins[path] = replace(known, left_sha256=left_sha256)
            # Otherwise others have changed it since, and its original content is obsolete.
        return origins if after.settings else {}


def _for_later(entry: BlsEntry) -> str:
    """Command line of an entry without kernel-install's own argument and the one-boot arguments of a kexec.

    An entry that was generated after a kexec may contain the latter.
    """
    return " ".join(each.text for each in lasting_arguments(without(entry.cmdline, _OWN_ARGUMENT)).arguments)


def _id_of(path: str) -> str:
    """ID of an entry: its file name without the count of tries."""
    return _TRIES.sub("", os.path.basename(path))


def _is_restored(path: str, text: Optional[str], record: SettingsRecord, after: SettingsRecord) -> bool:
    """Whether a file gets its original content back: all settings are withdrawn, and nobody has touched it since."""
    origin = record.origins.get(path)
    untouched = origin is not None and text is not None and digest(encoded(text)) == origin.left_sha256
    return untouched and not after.settings


def _original(path: str, text: Optional[str], record: SettingsRecord, after: SettingsRecord) -> Optional[str]:
    """Original content to restore; None if there was no file, or it is not restored."""
    content = record.origins[path].before.content if _is_restored(path, text, record, after) else None
    return content.decode("utf-8", "surrogateescape") if content is not None else None


def _has(line: Optional[str], settings: Mapping[str, Setting]) -> bool:
    """Whether a line has arguments that we set."""
    return any(setting.values and values_of(line or "", name) for name, setting in settings.items())


def _with_settings(line: str, settings: Mapping[str, Setting], record: SettingsRecord) -> str:
    for name, setting in settings.items():
        values = values_of(line, name)
        wanted = values_after(name, setting, values, record)
        if wanted != values:
            line = with_values(line, name, wanted)
    return line
