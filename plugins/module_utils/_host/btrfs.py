# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Default subvolume of a btrfs, which is mounted where no option names another.

Source: C(include/uapi/linux/btrfs.h) and C(btrfs_tree.h) of the Linux kernel.
"""

from __future__ import annotations

import fcntl
import os
import re
import struct
from typing import Optional

from .files import HostFiles

BTRFS = "btrfs"

# BTRFS_IOC_TREE_SEARCH: _IOWR(0x94, 17, struct btrfs_ioctl_search_args), which has 4096 bytes.
_TREE_SEARCH = 0xD0009411
_SEARCH_ARGS_BYTES = 4096
# struct btrfs_ioctl_search_key: tree; lowest and highest object, offset, and transaction; lowest and highest type; item count.
_KEY = struct.Struct("=7Q4I4Q")
_ROOT_TREE = 1
# BTRFS_ROOT_TREE_DIR_OBJECTID, and BTRFS_DIR_ITEM_KEY in it.
_DIRECTORY = 6
_DIR_ITEM = 84
_ANY = 2**64 - 1
_MAX_ITEMS = 100
# struct btrfs_ioctl_search_header: transaction, object, offset, type, and length of the item behind it.
_HEADER = struct.Struct("=3Q2I")
# struct btrfs_dir_item: object, type and offset of the key that the name stands for, transaction, lengths of data and name, type.
_ITEM = struct.Struct("<QBQQHHB")
_NAME = b"default"

_SUBVOLUME_ID = re.compile(r"(?:^|,)subvolid=(\d+)(?:,|$)")


def subvolume_id(options: str) -> Optional[int]:
    """ID of the subvolume that options of a mount name; None if they name none."""
    found = _SUBVOLUME_ID.search(options)
    return int(found.group(1)) if found else None


def default_subvolume_id(files: HostFiles, point: str) -> Optional[int]:
    """ID of the default subvolume of the btrfs at a mount point; None if it can't be read, which takes root."""
    key = _KEY.pack(_ROOT_TREE, _DIRECTORY, _DIRECTORY, 0, _ANY, 0, _ANY, _DIR_ITEM, _DIR_ITEM, _MAX_ITEMS, 0, 0, 0, 0, 0)
    arguments = bytearray(key.ljust(_SEARCH_ARGS_BYTES, b"\0"))
    try:
        descriptor = os.open(files.path(point), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.ioctl(descriptor, _TREE_SEARCH, arguments)
        finally:
            os.close(descriptor)
    except OSError:
        return None
    return _find_default(bytes(arguments))


def _find_default(found: bytes) -> Optional[int]:
    count = _KEY.unpack_from(found)[9]
    place = _KEY.size
    for _item in range(count):
        length = _HEADER.unpack_from(found, place)[4]
        item = found[place + _HEADER.size : place + _HEADER.size + length]
        subvolume, _type, _offset, _transaction, data_bytes, name_bytes, _kind = _ITEM.unpack_from(item)
        if item[_ITEM.size : _ITEM.size + name_bytes] == _NAME and not data_bytes:
            return int(subvolume)
        place += _HEADER.size + length
    return None
