# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of host files: planned, made, and given back.

Everything that the collection writes outside its own directories, and has to give back one day, is such a change.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
from dataclasses import dataclass, replace
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from .._reasons import Reason, reason
from .atomic import FileAccess, read_access, sync_directory, write_atomically
from .files import HostFiles

# Access of files that are not there.
_NO_ACCESS = FileAccess(0o644, 0, 0)


@dataclass(frozen=True)
class FileState:
    """State of a file.

    :ivar content: None if there is no file.
    :ivar access: of the file that a link leads to; means nothing if there is none.
    :ivar link: target of a symbolic link at the path; None if there is none.
    """

    content: Optional[bytes]
    access: FileAccess = _NO_ACCESS
    link: Optional[str] = None


NO_FILE = FileState(None)


def read_state(files: HostFiles, path: str) -> FileState:
    """Read the state of a file.

    :raises OSError: there is one, but it can't be read.
    """
    target = files.path(path)
    link = os.readlink(target) if os.path.islink(target) else None
    try:
        with open(target, "rb") as stream:
            return FileState(stream.read(), read_access(target), link)
    except (FileNotFoundError, NotADirectoryError):
        return FileState(None, link=link)


@dataclass(frozen=True)
class FileChange:
    """Content of a file before and after a change; None where there is no file.

    A symbolic link stays one: the file that it leads to is written. An existing file keeps mode, owner and extended attributes.

    :ivar mode: mode of a new file.
    :ivar with_directory: whether its directory exists for this file only.
    :ivar access: mode, owner and attributes to set as well.
    :ivar owned: whether the file is ours alone, so that a link is replaced, and mode and owner are set: root runs it.
    """

    path: str
    before: Optional[bytes]
    after: Optional[bytes]
    mode: int = 0o644
    with_directory: bool = False
    access: Optional[FileAccess] = None
    owned: bool = False


def as_diff(changes: Iterable[FileChange], commands: Iterable[Sequence[str]]) -> List[Dict[str, str]]:
    """Present changes and commands as in Ansible's diff mode."""
    diff = [
        {
            "before_header": change.path,
            "after_header": change.path,
            "before": (change.before or b"").decode("utf-8", "replace"),
            "after": (change.after or b"").decode("utf-8", "replace"),
        }
        for change in changes
    ]
    lines = "".join(" ".join(command) + "\n" for command in commands)
    return [*diff, *([{"before_header": "commands", "after_header": "commands", "before": "", "after": lines}] if lines else [])]


def make_change(files: HostFiles, change: FileChange) -> None:
    """Make a change; raises OSError."""
    path = files.path(change.path)
    # RHEL 8 links /boot/grub2/grubenv to the EFI system partition.
    target = path if change.owned else os.path.realpath(path)
    if change.after is not None:
        if change.with_directory or change.owned:
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        access = _own_access(target, change.mode) if change.owned else change.access
        write_atomically(target, change.after, change.mode, access=access)
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(target)
        sync_directory(os.path.dirname(target))
    if change.with_directory:
        # A directory that holds anything else stays.
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(path))


def _own_access(path: str, mode: int) -> FileAccess:
    """Access of a file that root runs. Attributes of one that another user has put there, or linked to, are not kept."""
    own = FileAccess(mode, os.geteuid(), os.getegid())
    with contextlib.suppress(OSError):
        there = read_access(path)
        if there.uid == own.uid and not os.path.islink(path):
            return replace(own, attributes=there.attributes)
    return own


def digest(content: Optional[bytes]) -> Optional[str]:
    return hashlib.sha256(content).hexdigest() if content is not None else None


@dataclass(frozen=True)
class HostChange:
    """Change of a file that was made, remembered so that it can be given back.

    :ivar before: state before the first change.
    :ivar left_sha256: digest of what the last change left; None for no file, empty if unknown.
    :ivar left_access: mode and owner that it left; None if they are those of before.
    :ivar made_directory: whether the directory was made for the file.
    """

    path: str
    before: FileState
    left_sha256: Optional[str]
    left_access: Optional[FileAccess] = None
    made_directory: bool = False

    def is_as_left(self, now: FileState) -> bool:
        """Whether nobody has changed the file since, nor put a link in its place."""
        return (digest(now.content), now.link) == (self.left_sha256, self.before.link)

    def is_undone(self, now: FileState) -> bool:
        """Whether the file holds what it held before."""
        return (now.content, now.link) == (self.before.content, self.before.link)

    def followed_by(self, now: FileState, content: Optional[bytes]) -> HostChange:
        """Take in another change of the file; one that somebody else has changed stays theirs."""
        if self.is_as_left(now) or self.is_undone(now):
            return replace(self, left_sha256=digest(content))
        return self

    def as_dict(self) -> Dict[str, Any]:
        return {
            "path": self.path,
            "content": _encoded(self.before.content),
            "link": self.before.link,
            "access": _access_as_dict(self.before.access) if self.before.content is not None else None,
            "left_sha256": self.left_sha256,
            "left_access": _access_as_dict(self.left_access) if self.left_access is not None else None,
            "made_directory": self.made_directory,
        }


def parse_change(values: Mapping[str, Any]) -> HostChange:
    """Parse what :meth:`HostChange.as_dict` made; raises ValueError, KeyError, TypeError or AttributeError."""
    access, left = values["access"], values["left_access"]
    before = FileState(_decoded(values["content"]), _parse_access(access) if access is not None else _NO_ACCESS, values["link"])
    left_sha256 = values["left_sha256"]
    return HostChange(
        str(values["path"]),
        before,
        str(left_sha256) if left_sha256 is not None else None,
        _parse_access(left) if left is not None else None,
        bool(values["made_directory"]),
    )


def _encoded(content: Optional[bytes]) -> Optional[str]:
    return base64.b64encode(content).decode("ascii") if content is not None else None


def _decoded(text: Optional[str]) -> Optional[bytes]:
    return base64.b64decode(text, validate=True) if text is not None else None


def _access_as_dict(access: FileAccess) -> Dict[str, Any]:
    attributes = {name: _encoded(value) for name, value in access.attributes.items()}
    return {"mode": "%04o" % access.mode, "uid": access.uid, "gid": access.gid, "attributes": attributes}


def _parse_access(values: Mapping[str, Any]) -> FileAccess:
    attributes = {str(name): base64.b64decode(value, validate=True) for name, value in values["attributes"].items()}
    return FileAccess(int(values["mode"], 8), int(values["uid"]), int(values["gid"]), attributes)


def remember(known: Optional[HostChange], now: FileState, change: FileChange) -> HostChange:
    """Remember a change that is about to be made, after an earlier one of the same file or as the first one."""
    if known is not None:
        return known.followed_by(now, change.after)
    return HostChange(change.path, now, digest(change.after), made_directory=change.with_directory)


def give_back(change: HostChange, now: FileState) -> Tuple[Optional[FileChange], Optional[Reason]]:
    """Plan how a file is given back; and tell of one that is not, because somebody has changed it since."""
    if not change.is_as_left(now) and not change.is_undone(now):
        return None, reason("CHANGED_SINCE", "%s was changed since it was prepared, and is left as it is" % change.path)
    access = _access_to_restore(change, now)
    if change.is_undone(now) and access is None:
        return None, None
    undo = FileChange(
        change.path, now.content, change.before.content, change.before.access.mode, change.made_directory, access=access
    )
    return undo, None


def _access_to_restore(change: HostChange, now: FileState) -> Optional[FileAccess]:
    """Mode and owner that an earlier change has set, and nobody since; None if there is nothing to restore."""
    left, before = change.left_access, change.before
    if left is None or before.content is None or now.content is None:
        return None
    if (now.access.mode, now.access.uid, now.access.gid) != (left.mode, left.uid, left.gid):
        return None
    access = replace(now.access, mode=before.access.mode, uid=before.access.uid, gid=before.access.gid)
    return access if access != now.access else None
