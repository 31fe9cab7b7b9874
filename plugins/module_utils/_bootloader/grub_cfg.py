# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse a C(grub.cfg) that C(grub-mkconfig) generated.

It is a script, but generated ones have a fixed form: C(menuentry) and C(submenu) blocks between comments that name the part of
C(/etc/grub.d) they come from. Source: GRUB's util/grub-mkconfig_lib.in and util/grub.d/10_linux.in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import List, Optional, Tuple

_SECTION = re.compile(r"### (BEGIN|END) \S*/([^/\s]+) ###")
_BLOCK = re.compile(r"""\s*(menuentry|submenu)\s+(?:'((?:[^']|'\\'')*)'|"([^"]*)"|([^\s'"{]+))(.*)\{\s*$""")
_ID = re.compile(r"\$menuentry_id_option\s+'([^']*)'")
_LINUX = re.compile(r"\s*linux(?:16|efi)?\s+(\S+)\s*(.*)$")
_DEFAULT = re.compile(r'\s*set default="([^"]*)"')
SAVED_ENTRY = "${saved_entry}"


@dataclass(frozen=True)
class MenuEntry:
    """A C(menuentry).

    :ivar path: position of each enclosing submenu and of the entry itself, counted in its menu from 0.
    :ivar names: title and id of each of these.
    :ivar section: part of C(/etc/grub.d) that wrote it.
    :ivar kernel: path of the kernel as GRUB sees it; empty if the entry boots no Linux.
    """

    path: Tuple[int, ...]
    names: Tuple[Tuple[str, str], ...]
    section: str
    kernel: str
    cmdline: str

    @property
    def title(self) -> str:
        return self.names[-1][0]


@dataclass(frozen=True)
class Menu:
    """Content of C(grub.cfg); C(default) is C(${saved_entry}) if grubenv holds it."""

    entries: List[MenuEntry]
    default: str

    def find(self, wanted: str) -> Optional[MenuEntry]:
        """Find the entry that a value of C(default) selects: positions, titles or ids, one per menu level, separated by C(>).

        As in GRUB, the first entry of a menu is selected if none matches; None if there is no entry.
        """
        steps = wanted.split(">")
        found = self.entries
        depth = 0
        while found and len(found[0].path) > depth:
            step = steps[depth] if depth < len(steps) else ""
            first = found[0].path[depth]
            named = (entry.path[depth] for entry in found if step and step in (str(entry.path[depth]), *entry.names[depth]))
            place = next(named, first)
            found = [entry for entry in found if entry.path[depth] == place]
            depth += 1
        return found[0] if found else None


def parse_grub_cfg(text: str) -> Menu:
    entries: List[MenuEntry] = []
    default = "0"
    section = ""
    # Names of the open submenus; entry counters of the open menus, the top one first.
    open_names: List[Tuple[str, str]] = []
    counters = [0]
    current: Optional[Tuple[Tuple[int, ...], Tuple[Tuple[str, str], ...]]] = None
    kernel = cmdline = ""
    for line in text.splitlines():
        comment = _SECTION.match(line)
        block = _BLOCK.match(line)
        if comment:
            section = comment.group(2) if comment.group(1) == "BEGIN" else ""
        elif block and current is None:
            kind, single, double, plain, options = block.groups()
            identity = _ID.search(options)
            title = single.replace("'\\''", "'") if single is not None else double or plain or ""
            name = (title, identity.group(1) if identity else "")
            if kind == "submenu":
                open_names.append(name)
                counters.append(0)
            else:
                current = (tuple(counters), (*open_names, name))
                kernel = cmdline = ""
        elif line.strip() == "}" and current is not None:
            entries.append(MenuEntry(current[0], current[1], section, kernel, cmdline))
            current = None
            counters[-1] += 1
        elif line == "}" and open_names:
            open_names.pop()
            counters.pop()
            counters[-1] += 1
        elif current is not None:
            loaded = _LINUX.match(line)
            if loaded and not kernel:
                kernel, cmdline = loaded.group(1), loaded.group(2).strip()
        else:
            chosen = _DEFAULT.match(line)
            if chosen and "next_entry" not in chosen.group(1):
                default = chosen.group(1)
    return Menu(entries, default)


def parse_grubenv(text: str) -> dict[str, str]:
    """Parse the variables of an environment block, see GRUB's C(grub-editenv)."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {name: value for name, _equals, value in pairs}
