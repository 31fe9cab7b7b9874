# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Menu of GRUB, and the entry that GRUB selects from it.

Source: GRUB's grub-core/normal/menu.c; the GRUB of Red Hat's family matches names before numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple, Union

# More are out of range for GRUB too, as no menu has so many entries.
_MAX_DIGITS = 18

_SPACE = re.compile(r"[ \t\n\v\f\r]")
_NUMBER = re.compile(r"\s*(?:(0[xX][0-9a-fA-F]+)|(0[0-7]*)|([1-9][0-9]*))")


@dataclass(frozen=True)
class Unknown:
    """Value that can't be told, with the reason.

    :ivar before: the part of a word in front of it.
    """

    reason: str
    before: str = ""


Value = Union[str, Unknown]
# File as a bootloader names it: its file system, and the path there.
DevicePath = Tuple[str, str]


class MenuUnknown(Exception):
    """Raised for a menu that can't be told, or an entry whose place in it can't be told."""


@dataclass(frozen=True)
class MenuEntry:
    """A C(menuentry).

    :ivar path: position of each enclosing submenu and of the entry itself, counted in its menu from 0.
    :ivar names: title and id of each of these.
    :ivar line: line of C(file) where it begins; 0 for a file of its own.
    :ivar section: part of C(/etc/grub.d) that wrote it.
    :ivar kernel: kernel as GRUB names it; None if the entry boots no Linux.
    :ivar unknown: why what it boots can't be told; empty if it can.
    :ivar file: file that defines it.
    """

    path: Tuple[int, ...]
    names: Tuple[Tuple[str, str], ...]
    line: int
    section: str
    kernel: Optional[DevicePath]
    initrds: Tuple[DevicePath, ...]
    cmdline: str
    relative: bool = False
    unknown: str = ""
    file: str = ""

    @property
    def title(self) -> str:
        return self.names[-1][0]


@dataclass(frozen=True)
class MenuItem:
    """Entry or submenu.

    :ivar entry: None for a submenu.
    :ivar doubt: why it may not be in the menu at all, or under another name; empty if it is.
    """

    title: str
    identity: str
    entry: Optional[MenuEntry]
    items: Tuple[MenuItem, ...] = ()
    doubt: str = ""


@dataclass(frozen=True)
class Menu:
    """Content of C(grub.cfg).

    :ivar default: value of the variable C(default).
    :ivar names_first: whether this GRUB takes a value for a position only if it is no name; None if unknown.
    :ivar uses_bls: whether entry files of the Boot Loader Specification are part of it.
    """

    items: Tuple[MenuItem, ...]
    default: Value
    names_first: Optional[bool] = False
    uses_bls: bool = False

    @property
    def entries(self) -> List[MenuEntry]:
        return list(_entries(self.items))

    def default_entry(self) -> Optional[MenuEntry]:
        """Find the entry that C(default) selects; None if there is none.

        :raises MenuUnknown: it can't be told.
        """
        if isinstance(self.default, Unknown):
            raise MenuUnknown(self.default.reason)
        return self.find(self.default)

    def find(self, wanted: str) -> Optional[MenuEntry]:
        """Find the entry that a value of C(default) selects: positions, titles or ids, one per menu level, separated by C(>).

        As in GRUB, the first entry of a menu is selected if none matches, and of a submenu if the value has no further level:
        variables that are not exported, such as C(default), are unset there. None if there is no entry.

        :raises MenuUnknown: it can't be told.
        """
        items = self.items
        while items:
            step, rest = split_step(wanted)
            item = self._select(items, step, wanted)
            if item.entry is not None:
                return item.entry
            wanted, items = rest, item.items
        return None

    def _select(self, items: Sequence[MenuItem], step: str, wanted: str) -> MenuItem:
        if self.names_first is not None:
            return _select(items, step, wanted, self.names_first)
        one, other = (_select(items, step, wanted, names_first) for names_first in (False, True))
        if one is not other:
            raise MenuUnknown("versions of GRUB differ in whether %s is a position or a name" % step)
        return one


def _select(items: Sequence[MenuItem], step: str, wanted: str, names_first: bool) -> MenuItem:
    """Select an item.

    :param wanted: C(step) with all that follows.
    """
    number = _NUMBER.match(step)
    if number is not None and not names_first:
        return _at(items, _int(number))
    # This GRUB compares an id with the first word only, and then rejects what has several.
    word = _SPACE.split(step, 1)[0]
    for key in ("identity", "title") if names_first else ("either",):
        for item in items:
            if item.doubt:
                if step and not _differs(item, step):
                    raise MenuUnknown(item.doubt)
            elif step and (word if key == "identity" else step) in _names(item, key):
                return _at(items, 0) if key == "identity" and _SPACE.search(wanted) else item
    # This GRUB takes no number for a submenu, and nothing behind it.
    is_position = number is not None and number.group() == wanted
    return _at(items, _int(number) if is_position else 0)


def split_step(wanted: str) -> Tuple[str, str]:
    """Split a value of C(default) at its first C(>), with C(>>) standing for the character itself."""
    place = 0
    while True:
        place = wanted.find(">", place)
        if place < 0:
            return wanted.replace(">>", ">"), ""
        if not wanted.startswith(">>", place):
            return wanted[:place].replace(">>", ">"), wanted[place + 1 :]
        place += 2


def _names(item: MenuItem, key: str) -> Tuple[str, ...]:
    identity = item.identity or item.title
    return {"identity": (identity,), "title": (item.title,)}.get(key, (identity, item.title))


def _differs(item: MenuItem, step: str) -> bool:
    """Whether an item that may not exist has another name anyway."""
    return bool(item.title) and step not in (item.title, item.identity)


def _int(number: Optional[re.Match[str]]) -> int:
    if number is None:
        return 0
    for digits, base in zip(number.groups(), (16, 8, 10)):
        if digits:
            return int(digits, base) if len(digits) <= _MAX_DIGITS else 10**_MAX_DIGITS
    return 0


def _at(items: Sequence[MenuItem], position: int) -> MenuItem:
    if position >= len(items):
        position = 0
    for item in items[: position + 1]:
        if item.doubt:
            raise MenuUnknown(item.doubt)
    return items[position]


def _entries(items: Sequence[MenuItem]) -> List[MenuEntry]:
    found: List[MenuEntry] = []
    for item in items:
        found.extend([item.entry] if item.entry is not None else _entries(item.items))
    return found
