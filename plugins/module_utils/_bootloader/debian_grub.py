# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB on Debian and its derivatives: C(/etc/default/grub), drop-ins beside it, and C(update-grub).

The collection's settings are one drop-in. It is read last, so that it can remove what other drop-ins and the main file set.
"""

from __future__ import annotations

import os
import re
from typing import Dict, List, Mapping, Sequence, Set, Tuple

from .._cmdline import values_of
from .._command import find_executable
from .changes import FileChange
from .errors import BootloaderError
from .grub_default import read_grub_menu
from .grub_menu import MenuEntry, MenuUnknown
from .interface import ALL, ANY_ENTRY, Bootloader, BootloaderPlan, Entry, Setter, Setting

MAIN_FILE = "/etc/default/grub"
DROP_IN_DIRECTORY = "/etc/default/grub.d"
DROP_IN = DROP_IN_DIRECTORY + "/zz-fleet-kexec.cfg"
GRUB_CFG = "/boot/grub/grub.cfg"
GRUBENV = "/boot/grub/grubenv"
# Temporary file of grub-mkconfig, which replaces grub.cfg once it is complete.
_UNFINISHED = GRUB_CFG + ".new"

# The part of /etc/grub.d that generates this system's entries.
_SECTION = "10_linux"
_RECOVERY = "(recovery mode)"
_SOURCE_TIMEOUT_S = 10.0

_HEADER = """\
# Written by fleet.kexec (module reservation), which overwrites what is changed here.
# Read last, by grub-mkconfig; run update-grub after removing it by hand.
"""
# Comments that record the settings for the next run; the shell code is for GRUB.
_SET = re.compile(r"^# fleet\.kexec sets: (\S+)=(.*)$", re.MULTILINE)
_OVERRULES = re.compile(r"^# fleet\.kexec overrules: (\S+)$", re.MULTILINE)
_MADE_DIRECTORY = "# fleet.kexec made this directory."

# Variables that make up the command line of a normal entry, in this order.
_VARIABLES = ("GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT")
# Sources files as grub-mkconfig does, and prints these variables after each of them.
_SOURCE = """\
set -e
for file do
    . "$file" >&2
    printf '%s %s\\0' "$GRUB_CMDLINE_LINUX" "$GRUB_CMDLINE_LINUX_DEFAULT"
done
"""


def render_drop_in(settings: Mapping[str, Setting], made_directory: bool) -> str:
    """Render the drop-in for settings. Values must be plain, since they end up in double quotes in the shell."""
    lines = [_HEADER.rstrip()]
    if made_directory:
        lines.append(_MADE_DIRECTORY)
    for name, setting in sorted(settings.items()):
        lines.extend("# fleet.kexec sets: %s=%s" % (name, value) for value in setting.values)
        if setting.overrule:
            lines.append("# fleet.kexec overrules: %s" % name)
    for name, setting in sorted(settings.items()):
        if setting.overrule:
            lines.extend(
                """%s="$(printf '%%s' "$%s" | sed -E 's/(^|[[:space:]])%s=[^[:space:]]*//g')\"""" % (variable, variable, name)
                for variable in _VARIABLES
            )
    added = " ".join("%s=%s" % (name, value) for name, setting in sorted(settings.items()) for value in setting.values)
    if added:
        lines.append('%s="$%s %s"' % (_VARIABLES[-1], _VARIABLES[-1], added))
    return "\n".join(lines) + "\n"


def parse_drop_in(text: str) -> Dict[str, Setting]:
    """Parse the settings that a drop-in records."""
    values: Dict[str, List[str]] = {}
    for name, value in _SET.findall(text):
        values.setdefault(name, []).append(value)
    overruled: Set[str] = set(_OVERRULES.findall(text))
    return {name: Setting(tuple(values.get(name, ())), name in overruled) for name in {*values, *overruled}}


class DebianGrub(Bootloader):
    NAME = "GRUB (update-grub)"

    def entries(self) -> List[Entry]:
        menu = read_grub_menu(self._files, GRUB_CFG, GRUBENV)
        try:
            default = menu.default_entry()
        except MenuUnknown:
            default = None
        return [self._entry(entry, entry is default) for entry in menu.entries if entry.kernel is not None]

    def _entry(self, entry: MenuEntry, is_default: bool) -> Entry:
        name = os.path.basename(entry.kernel[1]) if entry.kernel is not None else ""
        release = name[len("vmlinuz-") :] if name.startswith("vmlinuz-") else ""
        # Entries of other sections get another source: settings do not apply to them.
        source = GRUB_CFG if entry.section == _SECTION else "%s (%s)" % (GRUB_CFG, entry.section)
        return Entry(entry.title, release, entry.cmdline, is_default, source)

    def affected(self, kernels: str = ALL) -> List[Entry]:
        """Entries of 10_linux other than recovery: only these get GRUB_CMDLINE_LINUX_DEFAULT.

        The default entry is always included: if it does not get the settings, they have no effect.
        """
        return [
            entry
            for entry in self.entries()
            if entry.is_default or (entry.source == GRUB_CFG and not entry.title.endswith(_RECOVERY))
        ]

    def own(self) -> Dict[str, Setting]:
        return parse_drop_in(self._files.read_text(DROP_IN) or "")

    def setters(self, name: str) -> List[Setter]:
        own = self.own().get(name)
        return [] if own is not None and own.overrule else self._others(name)

    def _others(self, name: str) -> List[Setter]:
        """Find who sets an argument, apart from our drop-in."""
        drop_ins = (os.path.join(DROP_IN_DIRECTORY, entry) for entry in self._files.listdir(DROP_IN_DIRECTORY))
        paths = [path for path in (MAIN_FILE, *drop_ins) if path == MAIN_FILE or path.endswith(".cfg")]
        paths = [path for path in paths if path != DROP_IN and self._files.exists(path)]
        done = self._run(["sh", "-c", _SOURCE, "sh", *map(self._files.path, paths)], _SOURCE_TIMEOUT_S)
        if done.rc != 0:
            raise BootloaderError("BOOTLOADER_CONFIG_INVALID", "grub-mkconfig can't read its files: %s" % done.last_words())
        setters: List[Setter] = []
        before: Tuple[str, ...] = ()
        for path, line in zip(paths, done.stdout.split("\0")):
            after = values_of(line, name)
            if after[: len(before)] != before:
                # This file replaced the variable instead of adding to it.
                setters, before = [], ()
            if len(after) > len(before):
                setters.append(Setter(path, after[len(before) :]))
            before = after
        return setters

    def generated(self) -> Sequence[str]:
        return (GRUB_CFG, _UNFINISHED)

    def plan(self, settings: Mapping[str, Setting], kernels: str) -> BootloaderPlan:
        if kernels != ALL:
            raise BootloaderError(
                "NOT_EXPRESSIBLE", "%s sets the same arguments for all kernels, not for %s alone" % (self.NAME, kernels)
            )
        update = find_executable("update-grub", self._files.root)
        if update is None:
            raise BootloaderError("BOOTLOADER_FAILED", "the host has no update-grub")
        before = self._files.read_bytes(DROP_IN)
        text = (before or b"").decode("utf-8", "replace")
        wanted = dict(parse_drop_in(text), **settings)
        kept = {name: setting for name, setting in wanted.items() if setting.values or setting.overrule}
        made_directory = not self._files.exists(DROP_IN_DIRECTORY) if before is None else _MADE_DIRECTORY in text
        after = render_drop_in(kept, made_directory).encode("utf-8") if kept else None
        # Expect nothing for arguments that we neither set nor had set: others decide on those.
        asked = {name: setting for name, setting in settings.items() if name in kept or after != before}
        expected = {ANY_ENTRY: {name: self._expected(name, setting) for name, setting in asked.items()}}
        changes: Tuple[FileChange, ...] = ()
        if after != before:
            changes = (FileChange(DROP_IN, before, after, with_directory=made_directory),)
        elif not any(self.mismatches(expected)):
            return BootloaderPlan(expected=expected)
        self.check_writable((DROP_IN, GRUB_CFG))
        return BootloaderPlan(changes, ((update,),), expected)

    def _expected(self, name: str, setting: Setting) -> Tuple[str, ...]:
        others = () if setting.overrule else (value for setter in self._others(name) for value in setter.values)
        return (*others, *setting.values)
