# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of version 0.1.0, which remembered files in three ways, and mostly not how it left them."""

from __future__ import annotations

import base64
import os
import re
from dataclasses import replace
from typing import Any, Dict, Iterator, Mapping, Optional

from .._bootloader.kernel_install import CMDLINE
from .._host.atomic import FileAccess
from .._host.changes import NO_FILE, FileState, HostChange, digest, read_state
from .._host.files import HostFiles
from .._kexec.config import POLICY, STAGE, read_section
from .._kexec.errors import KexecError
from .._kexec.policy import render_policy
from .._kexec.preferences import read_preferences, render_preferences
from .._paths import CONFIG_FILE
from .watchdog_files import MODPROBE_CONF, MODPROBE_TEXT, SYSTEM_CONF, SYSTEM_TEXT

# Digest of no content: a file that may have been changed since counts as changed.
_UNKNOWN = ""


def with_earlier_changes(changes: Mapping[str, HostChange], values: Mapping[str, Any], files: HostFiles) -> Dict[str, HostChange]:
    """Add the changes of files that a record of an earlier version tells of; raises as parsing does.

    :param changes: those that a later version has recorded; of a file that both changed, the earlier one knows how it was.
    """
    found = dict(changes)
    for change in _changes(values, files):
        later = found.get(change.path)
        found[change.path] = change if later is None else replace(later, before=change.before)
    return found


def _changes(values: Mapping[str, Any], files: HostFiles) -> Iterator[HostChange]:
    made = tuple(map(str, values.get("directories", ())))
    if values.get("cmdline_sha256"):
        yield HostChange(CMDLINE, NO_FILE, str(values["cmdline_sha256"]), made_directory=os.path.dirname(CMDLINE) in made)
    if values.get("watchdog"):
        system = re.escape(SYSTEM_TEXT).replace("%s", "[^\n]*")
        for path, pattern in ((SYSTEM_CONF, system), (MODPROBE_CONF, re.escape(MODPROBE_TEXT))):
            content = files.read_bytes(path)
            ours = content is not None and re.fullmatch(pattern.encode("ascii"), content)
            yield HostChange(path, NO_FILE, digest(content) if ours else _UNKNOWN, made_directory=os.path.dirname(path) in made)
    before = values.get("config_file")
    if before is not None:
        yield _config_change(before, files)


def _config_change(before: Mapping[str, Any], files: HostFiles) -> HostChange:
    now = read_state(files, CONFIG_FILE)
    left_sha256 = digest(now.content) if now.content == _as_we_write(files) else _UNKNOWN
    if before["content"] is None:
        return HostChange(CONFIG_FILE, FileState(None, link=now.link), left_sha256)
    content = base64.b64decode(before["content"], validate=True)
    access = FileAccess(int(before["mode"], 8), int(before["uid"]), int(before["gid"]), now.access.attributes)
    return HostChange(CONFIG_FILE, FileState(content, access, now.link), left_sha256, now.access)


def _as_we_write(files: HostFiles) -> Optional[bytes]:
    """Content of C(/etc/fleet-kexec.conf), had we written all of it; None if we would not have."""
    text = ""
    try:
        if read_section(files, STAGE):
            text = render_preferences(read_preferences(files), text)
        effects = read_section(files, POLICY)
        if effects:
            text = render_policy({code.upper(): effect for code, effect in effects.items()}, text)
    except KexecError:
        return None
    return text.encode("utf-8") if text else None
