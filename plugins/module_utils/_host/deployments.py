# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deployments of OSTree (ostree-admin-deploy(1)): whether another one than the running one is the next to boot.

A deployment that is staged gets its boot entry as the system stops (ostree-admin-finalize-staged(1)): until then, no file below
C(/boot) tells of it.
"""

from __future__ import annotations

import re
from typing import Dict, Optional

from .._text import shown_name
from .files import HostFiles

_BOOTED = "/run/ostree-booted"
_STAGED, _LOCKED = "/run/ostree/staged-deployment", "/run/ostree/staged-deployment-locked"
_ENTRIES = "/boot/loader/entries"
# OSTree numbers its entries: that with the highest version is the default one.
_VERSION = re.compile(r"^version[ \t]+([0-9]{1,9})[ \t]*$", re.MULTILINE)
_DEPLOYMENT = re.compile(r"(?:^options[ \t]|[ \t])ostree=(\S+)", re.MULTILINE)


def runs_deployment(files: HostFiles) -> bool:
    """Whether the running system is a deployment of OSTree."""
    return files.exists(_BOOTED)


def other_deployment(files: HostFiles) -> Optional[str]:
    """Say which deployment boots next, as a sentence; empty if it is the running one, None if that can't be told."""
    if files.exists(_STAGED) and not files.exists(_LOCKED):
        return "an OSTree deployment is staged, and becomes the next to boot as this system stops"
    running = _DEPLOYMENT.search(files.read_text("/proc/cmdline") or "")
    following = _default_deployment(files)
    if running is None or following is None:
        return None
    if running.group(1) == following:
        return ""
    names = tuple(map(shown_name, (following, running.group(1))))
    return "the default entry boots another OSTree deployment (%s) than the running one (%s)" % names


def _default_deployment(files: HostFiles) -> Optional[str]:
    found: Dict[int, str] = {}
    for name in files.listdir(_ENTRIES):
        text = files.read_text("%s/%s" % (_ENTRIES, name)) or ""
        version, deployment = _VERSION.search(text), _DEPLOYMENT.search(text)
        if name.endswith(".conf") and version and deployment:
            found[int(version.group(1))] = deployment.group(1)
    return found[max(found)] if found else None
