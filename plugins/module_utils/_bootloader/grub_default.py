# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read GRUB's menu, and the entry that it boots by default.

Source: C(grub.cfg), with the scripts that it includes; C(grubenv); entry files by the Boot Loader Specification.
"""

from __future__ import annotations

import bisect
import re
from typing import List, Sequence, Tuple

from .._host.files import HostFiles
from .boot_entry import BootChoice, DefaultEntry
from .boot_paths import BootPaths, PathUnknown
from .errors import BootloaderError
from .grub_menu import DevicePath, Menu, MenuEntry, MenuItem, MenuUnknown, Unknown
from .grub_script import GrubScript, Item

_SECTION = re.compile(r"^### (BEGIN|END) \S*/([^/\s]+) ###", re.MULTILINE)
# Files of the distributions whose GRUB, since version 8 of the family, matches names before positions.
_NAMES_FIRST = ("/etc/redhat-release", "/etc/system-release")
_MAX_SUBMENUS = 8


def read_grub_default(files: HostFiles, grub_cfg: str, bootloader: str) -> BootChoice:
    """Read what GRUB would boot now.

    :param grub_cfg: file that it reads first, without symbolic links: its place in the file system matters.
    :param bootloader: its name as users know it.
    """
    try:
        menu, one_shots = _read(files, grub_cfg)
    except BootloaderError as error:
        return BootChoice(None, error.reason.message)
    one_shot = ", ".join(one_shots)
    try:
        found = menu.default_entry()
        if found is None:
            return BootChoice(None, "%s has no menu entry" % grub_cfg, one_shot)
        return BootChoice(_default(files, grub_cfg, found, bootloader), "", one_shot)
    except (MenuUnknown, PathUnknown) as unknown:
        return BootChoice(None, str(unknown), one_shot)


def read_grub_menu(files: HostFiles, grub_cfg: str) -> Menu:
    """Read the menu, with the default as it is without a wish for the next boot only.

    :raises BootloaderError: C(BOOTLOADER_CONFIG_INVALID).
    """
    return _read(files, grub_cfg)[0]


def _read(files: HostFiles, grub_cfg: str) -> Tuple[Menu, List[str]]:
    content = files.read_bytes(grub_cfg)
    if content is None:
        raise BootloaderError("BOOTLOADER_CONFIG_INVALID", "%s can't be read" % grub_cfg)
    text = content.decode("utf-8", "surrogateescape")
    script = GrubScript(files, grub_cfg)
    script.run_text(text)
    if script.loaded.kernel is not None:
        script.lost = script.lost or "%s boots without a menu" % grub_cfg
    items = _Items(grub_cfg, text).of(script, (), (), 0)
    default = Unknown(script.lost) if script.lost else script.variables.get("default", "")
    # Those of the family without blscfg may be older.
    names_first = True if script.uses_bls else None if any(files.exists(path) for path in _NAMES_FIRST) else False
    return Menu(items, default, names_first, script.uses_bls), script.one_shots


def _default(files: HostFiles, grub_cfg: str, found: MenuEntry, bootloader: str) -> DefaultEntry:
    """Default entry, with the paths on the host.

    :raises MenuUnknown: what the entry boots can't be told.
    :raises PathUnknown: nor can where that is.
    """
    if found.unknown:
        raise MenuUnknown(found.unknown)
    if found.kernel is None:
        raise MenuUnknown("the default entry of GRUB, %s, boots no Linux kernel" % found.title)
    paths = BootPaths(files, grub_cfg)
    kernel, *initrds = (paths.locate(*each, relative=found.relative) for each in (found.kernel, *found.initrds))
    source = "%s:%d" % (found.file, found.line) if found.line else found.file
    return DefaultEntry(kernel, tuple(initrds), found.cmdline, found.title, bootloader, source)


class _Items:
    """Makes the items of a menu from those that a script has defined."""

    def __init__(self, grub_cfg: str, text: str) -> None:
        self._grub_cfg = grub_cfg
        self._lines: List[int] = []
        self._sections: List[str] = []
        line, place = 1, 0
        for mark in _SECTION.finditer(text):
            line, place = line + text.count("\n", place, mark.start()), mark.start()
            self._lines.append(line)
            self._sections.append(mark.group(2) if mark.group(1) == "BEGIN" else "")

    def of(
        self, script: GrubScript, path: Tuple[int, ...], names: Tuple[Tuple[str, str], ...], depth: int
    ) -> Tuple[MenuItem, ...]:
        return tuple(self._item(script, item, (*path, place), names, depth) for place, item in enumerate(script.items))

    def _item(
        self, script: GrubScript, item: Item, path: Tuple[int, ...], names: Tuple[Tuple[str, str], ...], depth: int
    ) -> MenuItem:
        title, identity = ("" if isinstance(each, Unknown) else each for each in (item.title, item.identity))
        names = (*names, (title, identity))
        if not item.is_submenu or depth >= _MAX_SUBMENUS:
            return MenuItem(title, identity, self._entry(script.child(item), item, path, names), doubt=item.doubt)
        child = script.child(item)
        doubt = item.doubt or child.lost
        return MenuItem(title, identity, None, self.of(child, path, names, depth + 1), doubt)

    def _entry(self, child: GrubScript, item: Item, path: Tuple[int, ...], names: Tuple[Tuple[str, str], ...]) -> MenuEntry:
        loaded = child.loaded
        initrds: Sequence[DevicePath] = loaded.initrds if loaded.kernel is not None else ()
        section = self._section(item.line) if item.file == self._grub_cfg else ""
        return MenuEntry(
            path=path,
            names=names,
            file=item.file,
            line=item.line,
            section=section,
            kernel=loaded.kernel,
            initrds=tuple(initrds),
            cmdline=loaded.cmdline,
            relative=child.is_relative,
            unknown=child.lost,
        )

    def _section(self, line: int) -> str:
        place = bisect.bisect_right(self._lines, line)
        return self._sections[place - 1] if place else ""
