# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of systemd-boot, in the order of its menu.

Source: src/boot/boot.c of systemd (C(boot_entry_add_type1), C(boot_entry_add_type2), C(boot_entry_compare)) and
src/fundamental/bootspec.c.
"""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional, Tuple

from .._host.files import HostFiles
from .._image.errors import ImageError
from .._image.pe import HEAD_BYTES
from .._image.unified import OSREL, parse_sections
from .bls import parse_bls
from .boot_partitions import BootPartitions
from .loader_conf import parse_pairs, unquoted
from .version_order import compare, compare_versions

ENTRIES = "loader/entries"
UNIFIED_IMAGES = "EFI/Linux"

LINUX = "linux"
UNIFIED = "uki"
EFI = "efi"
URL = "uki-url"
_KINDS = (LINUX, UNIFIED, EFI, URL)

# A C int; a larger count is no count.
_TRIES_MAX = (1 << 31) - 1
_TRIES = re.compile(r"^(?P<name>.*)\+(?P<left>[0-9]+)(?:-(?P<done>[0-9]+))?(?P<suffix>\.[a-z]+)$", re.IGNORECASE | re.DOTALL)
_BOOT_PROGRAM = re.compile(r"systemd-boot([a-z0-9]+)\.efi")
_OSREL_MAX_BYTES = 64 << 10


@dataclass(frozen=True)
class LoaderItem:
    """Entry in the menu of systemd-boot.

    :ivar name: file name in lower case, without the count of tries; systemd calls it the id.
    :ivar kind: C(linux), C(uki), C(efi) or C(uki-url): what the entry names.
    :ivar tries_left: None without boot counting; with 0, the entry has failed too often.
    :ivar source: file that defines it.
    :ivar kernel: file that it starts, on the host; empty for C(uki-url).
    :ivar options: command line that is handed to the kernel; empty if the image brings its own.
    :ivar extras: keys that change what is booted in ways that are not read here.
    :ivar profiles: number of profiles of a unified kernel image.
    """

    name: str
    kind: str
    source: str
    kernel: str
    title: str
    version: str = ""
    sort_key: str = ""
    machine_id: str = ""
    tries_left: Optional[int] = None
    tries_done: int = 0
    initrds: Tuple[str, ...] = ()
    options: str = ""
    extras: Tuple[str, ...] = ()
    profiles: int = 0

    @property
    def is_bad(self) -> bool:
        return self.tries_left == 0


def list_menu(files: HostFiles, partitions: BootPartitions) -> List[LoaderItem]:
    """Entries that files define, in the order of the menu. systemd-boot itself adds others behind them."""
    architectures = _architectures(files, partitions.esp)
    items: List[LoaderItem] = []
    for root in partitions.roots:
        items.extend(_unified_items(files, root))
        items.extend(_items(files, root, architectures))
    return sorted(items, key=functools.cmp_to_key(compare_items))


def compare_items(left: LoaderItem, right: LoaderItem) -> int:
    """Order of two entries in the menu."""
    order = compare(left.is_bad, right.is_bad) or compare(not left.sort_key, not right.sort_key)
    if not order and left.sort_key:
        order = (
            compare(left.sort_key, right.sort_key)
            or compare(left.machine_id, right.machine_id)
            or -compare_versions(left.version, right.version)
        )
    order = order or -compare_versions(left.name, right.name)
    if order or left.tries_left is None or right.tries_left is None:
        return order
    return compare(right.tries_left, left.tries_left) or compare(left.tries_done, right.tries_done)


def _architectures(files: HostFiles, esp: str) -> List[str]:
    """Architectures of the copies of systemd-boot that are installed; empty if unknown."""
    names = (_BOOT_PROGRAM.fullmatch(name.lower()) for name in files.listdir(esp + "/EFI/systemd"))
    return [name.group(1) for name in names if name]


def _names(files: HostFiles, directory: str, suffix: str) -> Iterator[str]:
    """Names of files in a directory that systemd-boot takes for entries."""
    for name in files.listdir(directory):
        lowered = name.lower()
        if lowered.endswith(suffix) and not lowered.startswith((".", "auto-")):
            yield name


def _split_name(name: str) -> Tuple[str, Optional[int], int]:
    """Name of an entry without the count of tries, tries left, and tries done."""
    match = _TRIES.match(name)
    if match:
        left, done = int(match.group("left")), int(match.group("done") or "0")
        if max(left, done) <= _TRIES_MAX:
            return (match.group("name") + match.group("suffix")).lower(), left, done
    return name.lower(), None, 0


def host_path(root: str, path: str) -> str:
    """Path on the host of a path in an entry, which is relative to the entry's partition; either slash separates."""
    return os.path.normpath(root + os.path.normpath("/" + path.replace("\\", "/")))


def _items(files: HostFiles, root: str, architectures: List[str]) -> Iterator[LoaderItem]:
    """Entries of type #1."""
    for name in _names(files, os.path.join(root, ENTRIES), ".conf"):
        source = os.path.join(root, ENTRIES, name)
        content = files.read_bytes(source)
        item = (
            None
            if content is None
            else _item(root, name, content.split(b"\0", 1)[0].decode("utf-8", "surrogateescape"), architectures)
        )
        # systemd-boot hides entries whose file is missing.
        if item is not None and (item.kind == URL or files.exists(item.kernel)):
            yield item


def _item(root: str, name: str, text: str, architectures: List[str]) -> Optional[LoaderItem]:
    """Entry of type #1; None if systemd-boot does not show it."""
    values: Dict[str, List[str]] = {key: [unquoted(each) for each in found] for key, found in parse_bls(text).values.items()}

    def last(key: str) -> str:
        return values.get(key, [""])[-1]

    kinds = [kind for kind in _KINDS if kind in values]
    wanted = {each.lower() for each in values.get("architecture", [])}
    if len(kinds) != 1 or (architectures and not wanted.issubset(architectures)):
        return None
    entry_name, left, done = _split_name(name)
    return LoaderItem(
        name=entry_name,
        kind=kinds[0],
        source=os.path.join(root, ENTRIES, name),
        kernel=host_path(root, last(kinds[0])) if kinds[0] != URL else "",
        title=last("title") or entry_name,
        version=last("version"),
        sort_key=last("sort-key"),
        machine_id=last("machine-id"),
        tries_left=left,
        tries_done=done,
        # It loads initrds for a plain kernel only.
        initrds=tuple(host_path(root, path) for path in values.get("initrd", [])) if kinds[0] == LINUX else (),
        options=" ".join(values.get("options", [])),
        extras=tuple(key for key in ("devicetree", "devicetree-overlay", "extra", "profile") if key in values),
    )


def _unified_items(files: HostFiles, root: str) -> Iterator[LoaderItem]:
    """Entries of type #2, by the first profile of each image."""
    for name in _names(files, os.path.join(root, UNIFIED_IMAGES), ".efi"):
        source = os.path.join(root, UNIFIED_IMAGES, name)
        try:
            image = parse_sections(files.read_bytes(source, HEAD_BYTES) or b"", source)
        except ImageError:
            continue
        section = image.sections.get(OSREL)
        if section is None:
            continue
        content = files.read_bytes(source, min(section.size_bytes, _OSREL_MAX_BYTES), section.offset) or b""
        osrel = {key: found[-1] for key, found in parse_pairs(content.decode("utf-8", "replace"), "=").items()}
        title = _first(osrel, "PRETTY_NAME", "IMAGE_ID", "NAME", "ID")
        if not title:
            continue
        entry_name, left, done = _split_name(name)
        yield LoaderItem(
            name=entry_name,
            kind=UNIFIED,
            source=source,
            kernel=source,
            title=title,
            version=_first(osrel, "IMAGE_VERSION", "VERSION", "VERSION_ID", "BUILD_ID"),
            sort_key=_first(osrel, "IMAGE_ID", "ID"),
            tries_left=left,
            tries_done=done,
            profiles=image.profiles,
        )


def _first(values: Dict[str, str], *names: str) -> str:
    return next((values[name] for name in names if values.get(name)), "")
