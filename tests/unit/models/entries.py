# SPDX-License-Identifier: GPL-3.0-or-later
"""Model of the default entry, by docs/default-entry.md ("How it is found") and the manuals that it follows.

For GRUB: "the entry that `default` names once `grub.cfg` and the environment block are read, by its number, its title or its id;
`>` leads into submenus. Where there is no such entry it is the first one, in submenus, too." Entry files are in the menu "the
newest version first", and are named "by their files' names without `.conf`".

For systemd-boot: "the first entry of its menu that matches what `bootctl set-default` has set, or else `default` in
`loader.conf`, or else the first one. Its menu is in the order of the Boot Loader Specification": entries with no attempt left are
last; then those with a `sort-key` are first, by it, by `machine-id` and by `version`, the newest first; then by the names of
their files, the newest first, "compared in lower case". "Entries for other architectures and those without a kernel are not in
it."

"What was requested for the next boot only is not the default entry."
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Union

# --- GRUB --------------------------------------------------------------------------------


@dataclass(frozen=True)
class GrubEntry:
    """An entry of a menu; one that does not boot Linux has no kernel."""

    title: str
    identity: str
    kernel: str


@dataclass(frozen=True)
class Submenu:
    """A menu in a menu."""

    title: str
    identity: str
    items: tuple[Union[GrubEntry, Submenu], ...]


Menu = Sequence[Union[GrubEntry, Submenu]]


def spelt(name: str) -> str:
    """A name within a path: each C(>) of its own is doubled."""
    return name.replace(">", ">>")


def split_path(path: str) -> tuple[str, str]:
    """First name of a path, and the rest of the path."""
    for index, each in enumerate(path):
        if each == ">" and path[index + 1 : index + 2] != ">" and (index == 0 or not _is_second(path, index)):
            return path[:index].replace(">>", ">"), path[index + 1 :]
    return path.replace(">>", ">"), ""


def _is_second(path: str, index: int) -> bool:
    """Whether a C(>) is the second of a pair."""
    before = len(path[:index]) - len(path[:index].rstrip(">"))
    return before % 2 == 1


def grub_default(menu: Menu, path: str) -> GrubEntry | None:
    """Entry that a path leads to; None: there is none at all."""
    if not menu:
        return None
    name, rest = split_path(path)
    index = 0
    if name.isdecimal():
        index = int(name) if int(name) < len(menu) else 0
    else:
        index = next((number for number, each in enumerate(menu) if name and name in (each.title, each.identity)), 0)
    found = menu[index]
    return found if isinstance(found, GrubEntry) else grub_default(found.items, rest)


@dataclass(frozen=True)
class EntryFile:
    """An entry file for GRUB, with its version in numbers."""

    version: tuple[int, ...]
    machine: str = "3f1c9a60b5ab4a0c8d6c2f7ce8a1d9b4"

    @property
    def release(self) -> str:
        return "%d.%d.%d-%d.el9.x86_64" % self.version

    @property
    def identity(self) -> str:
        return "%s-%s" % (self.machine, self.release)


def entry_menu(files: Sequence[EntryFile]) -> list[GrubEntry]:
    """Menu of entry files."""
    newest_first = sorted(files, key=lambda each: each.version, reverse=True)
    return [GrubEntry("Linux " + each.release, each.identity, "/boot/vmlinuz-" + each.release) for each in newest_first]


# --- systemd-boot ------------------------------------------------------------------------


@dataclass(frozen=True)
class LoaderFile:
    """An entry file of the Boot Loader Specification.

    :ivar version: three numbers, and that of a release candidate or 0.
    :ivar tries: attempts left and attempts made, if they are counted.
    """

    name: str
    version: tuple[int, int, int, int]
    sort_key: str = ""
    machine: str = ""
    tries: tuple[int, int] | None = None
    architecture: str = ""
    has_kernel: bool = True

    @property
    def identity(self) -> str:
        return self.name + ".conf"

    @property
    def file_name(self) -> str:
        if self.tries is None:
            return self.identity
        left, done = self.tries
        return "%s+%d%s.conf" % (self.name, left, "-%d" % done if done else "")

    @property
    def words(self) -> str:
        """The version."""
        candidate = "~rc%d" % self.version[3] if self.version[3] else ""
        return "%d.%d.%d%s" % (*self.version[:3], candidate)

    @property
    def kernel(self) -> str:
        return "/kernels/%s/linux" % self.name

    @property
    def age(self) -> tuple[int, ...]:
        """The version, so that the newest is the smallest; a release candidate is older than its release."""
        *numbers, candidate = self.version
        return (*(-number for number in numbers), 0 if not candidate else 1, -candidate)


@dataclass(frozen=True)
class Loader:
    """systemd-boot's configuration."""

    entries: tuple[LoaderFile, ...] = ()
    default: str = ""
    variable: str = ""
    one_shot: str = ""


def loader_menu(entries: Sequence[LoaderFile]) -> list[LoaderFile]:
    """Menu in its order."""
    there = [each for each in entries if each.has_kernel and each.architecture.lower() in ("", "x64")]
    # Names are words and a number: "the newest first".
    named = sorted(there, key=lambda each: _natural(each.name.lower()), reverse=True)
    with_key = sorted((each for each in named if each.sort_key), key=lambda each: (each.sort_key, each.machine, each.age))
    menu = [*with_key, *(each for each in named if not each.sort_key)]
    return [*(each for each in menu if not is_bad(each)), *(each for each in menu if is_bad(each))]


def is_bad(entry: LoaderFile) -> bool:
    """Whether an entry has no attempt left."""
    return entry.tries is not None and entry.tries[0] == 0


def _natural(name: str) -> tuple[str, int]:
    words = name.rstrip("0123456789")
    return words, int(name[len(words) :] or -1)


def loader_default(loader: Loader) -> LoaderFile | None:
    """Entry that boots by itself; None: there is none."""
    menu = loader_menu(loader.entries)
    for pattern in (loader.variable, loader.default):
        for each in menu:
            if pattern and fnmatchcase(each.identity.lower(), pattern.lower()):
                return each
    return menu[0] if menu else None
