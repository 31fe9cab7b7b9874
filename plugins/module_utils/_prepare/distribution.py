# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Linux distribution of a host."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Dict, Optional, Tuple

from .._host.files import HostFiles

_OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")


@dataclass(frozen=True)
class LinuxDistribution:
    """Linux distribution of a host.

    :ivar name: C(debian), C(ubuntu), …; empty if unknown.
    :ivar like: the distribution itself and those it derives from.
    :ivar version: major version; None if it has none, such as a testing release.
    """

    name: str
    like: Tuple[str, ...]
    version: Optional[int]

    @property
    def is_debian_like(self) -> bool:
        """Whether dpkg manages its packages."""
        return "debian" in self.like


def parse_distribution(text: str) -> LinuxDistribution:
    """Parse C(os-release(5))."""
    values: Dict[str, str] = {}
    for line in text.splitlines():
        name, separator, value = line.strip().partition("=")
        if not separator or name.startswith("#"):
            continue
        try:
            values[name] = " ".join(shlex.split(value))
        except ValueError:
            # An unclosed quote is not worth failing for.
            values[name] = value
    name = values.get("ID", "")
    major = values.get("VERSION_ID", "").partition(".")[0]
    return LinuxDistribution(name, (name, *values.get("ID_LIKE", "").split()), int(major) if major.isdigit() else None)


def read_distribution(files: HostFiles) -> LinuxDistribution:
    return parse_distribution(next(filter(None, map(files.read_text, _OS_RELEASE)), ""))
