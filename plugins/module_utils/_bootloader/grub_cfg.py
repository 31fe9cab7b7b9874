# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What GRUB will boot, from the C(grub.cfg) that C(grub-mkconfig) wrote.

It is a script, but those generated are of one make: C(menuentry) and
C(submenu) blocks between comments that name the part of C(/etc/grub.d) they
come from. Source: GRUB's util/grub-mkconfig_lib.in and util/grub.d/10_linux.in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import List, Optional, Tuple

_SECTION = re.compile(r"### (BEGIN|END) \S*/([^/\s]+) ###")
_BLOCK = re.compile(r"\s*(menuentry|submenu)\s+'((?:[^']|'\\'')*)'(.*)\{\s*$")
_ID = re.compile(r"\$menuentry_id_option\s+'([^']*)'")
_LINUX = re.compile(r"\s*linux(?:16|efi)?\s+(\S+)\s*(.*)$")
_DEFAULT = re.compile(r'\s*set default="([^"]*)"')
SAVED_ENTRY = "${saved_entry}"


@dataclass(frozen=True)
class MenuEntry:
    """A C(menuentry).

    :ivar path: places of its submenus and of itself, each counted in its menu from 0.
    :ivar names: titles and ids of the same.
    :ivar section: part of C(/etc/grub.d) that wrote it.
    :ivar kernel: path of what it boots, as GRUB sees it; empty if that is no Linux.
    """

    path: Tuple[int, ...]
    names: Tuple[Tuple[str, str], ...]
    section: str
    kernel: str
    cmdline: str

    @property
    def title(self) -> str:
        """What the menu shows."""
        return self.names[-1][0]


@dataclass(frozen=True)
class Menu:
    """All of C(grub.cfg).

    :ivar default: what C(default) is set to; C(${saved_entry}) where grubenv says it.
    """

    entries: List[MenuEntry]
    default: str

    def find(self, wanted: str) -> Optional[MenuEntry]:
        """The entry that a value of C(default) means: places, titles or ids, one for each submenu, parted by C(>)."""
        steps = wanted.split(">")
        for entry in self.entries:
            if len(steps) == len(entry.path) and all(
                step in (str(place), *names) for step, place, names in zip(steps, entry.path, entry.names)
            ):
                return entry
        return None


def parse_grub_cfg(text: str) -> Menu:
    """Parse a generated C(grub.cfg)."""
    entries: List[MenuEntry] = []
    default = "0"
    section = ""
    # Open submenus; counters of the menus they are in, the top one first.
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
            identity = _ID.search(block.group(3))
            name = (block.group(2).replace("'\\''", "'"), identity.group(1) if identity else "")
            if block.group(1) == "submenu":
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
    """Variables of an environment block, see GRUB's C(grub-editenv)."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {name: value for name, _equals, value in pairs}
