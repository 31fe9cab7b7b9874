# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel modules that a host uses or has devices for.

Source: C(modules.alias) and C(modules.dep) of depmod(8); C(/proc/modules).
"""

from __future__ import annotations

import fnmatch
import os
import re
from typing import Dict, FrozenSet, List, Optional, Set

from .files import HostFiles

_LOADED = "/proc/modules"
_BUSES = "/sys/bus"
_DIRECTORY = "/lib/modules"
_SUFFIX = re.compile(r"\.ko(?:\.(?:gz|xz|zst))?$")
_WILDCARD = re.compile(r"[*?\[]")


def module_name(path: str) -> Optional[str]:
    """Name of the module in a file; None if it is no file of a module."""
    name = os.path.basename(path)
    return _normal(_SUFFIX.sub("", name)) if _SUFFIX.search(name) else None


def _normal(name: str) -> str:
    """Take hyphens and underscores for the same, as modprobe does."""
    return name.replace("-", "_")


def read_loaded_modules(files: HostFiles) -> FrozenSet[str]:
    """Names of the loaded modules; empty if unknown."""
    return frozenset(line.split()[0] for line in (files.read_text(_LOADED) or "").splitlines() if line.strip())


def read_needed_modules(files: HostFiles, release: str) -> Optional[FrozenSet[str]]:
    """Modules of a kernel release for the host's devices, and those that are loaded now, with all that these depend on.

    None if the release has no tables of modules.
    """
    aliases, dependencies = (files.read_text("%s/%s/modules.%s" % (_DIRECTORY, release, name)) for name in ("alias", "dep"))
    if not aliases or not dependencies:
        return None
    needed = set(read_loaded_modules(files)) | _for_devices(aliases, _device_aliases(files))
    above = _dependencies(dependencies)
    waiting = list(needed)
    while waiting:
        for name in above.get(waiting.pop(), ()):
            if name not in needed:
                needed.add(name)
                waiting.append(name)
    return frozenset(needed)


def _device_aliases(files: HostFiles) -> Set[str]:
    found: Set[str] = set()
    for bus in files.listdir(_BUSES):
        directory = "%s/%s/devices" % (_BUSES, bus)
        for device in files.listdir(directory):
            alias = files.read_text("%s/%s/modalias" % (directory, device))
            if alias:
                found.add(_normal(alias))
    return found


def _for_devices(text: str, devices: Set[str]) -> Set[str]:
    found: Set[str] = set()
    for line in text.splitlines():
        fields = line.split()
        if len(fields) != 3 or fields[0] != "alias":
            continue
        pattern = _normal(fields[1])
        # Most of the thousands of patterns are ruled out by how they begin.
        begin = _WILDCARD.split(pattern, maxsplit=1)[0]
        if any(each.startswith(begin) and fnmatch.fnmatchcase(each, pattern) for each in devices):
            found.add(_normal(fields[2]))
    return found


def _dependencies(text: str) -> Dict[str, List[str]]:
    found: Dict[str, List[str]] = {}
    for line in text.splitlines():
        path, separator, rest = line.partition(":")
        name = module_name(path)
        if separator and name:
            found[name] = [each for each in map(module_name, rest.split()) if each]
    return found
