# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Staging preferences that a user or the host may set.

The host's own are in C([stage]) of C(/etc/fleet-kexec.conf); a task overrides them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Dict, Mapping

from .._host.files import HostFiles
from .._paths import CONFIG_FILE
from .config import BOOLEANS, STAGE, parse_section, with_section
from .errors import KexecError

AUTO = "auto"

FAST = "fast"
BZIMAGE = "bzimage"
IMAGES = (FAST, BZIMAGE)

KEXEC_LOAD = "kexec_load"
KEXEC_FILE_LOAD = "kexec_file_load"
LOADERS = (KEXEC_LOAD, KEXEC_FILE_LOAD)

CRC32C = "crc32c"
SHA256 = "sha256"
NO_CHECK = "none"
INTEGRITIES = (CRC32C, SHA256, NO_CHECK)

RESERVED = "reserved"
COPIED = "copied"
PLACEMENTS = (RESERVED, COPIED)
#: Where the running kernel places an image by itself, in contiguous memory: nobody can ask for it.
CMA = "cma"

CHOICES = {
    "image": (AUTO, *IMAGES),
    "integrity": (AUTO, *INTEGRITIES),
    "loader": (AUTO, *LOADERS),
    "placement": (AUTO, *PLACEMENTS),
}

_HEADER = """\
# How fleet.kexec stages kernels on this host, wherever a task or a command line does not say.
# Values: image = auto|fast|bzimage, integrity = auto|crc32c|sha256|none,
# loader = auto|kexec_load|kexec_file_load, placement = auto|reserved|copied,
# kaslr = yes|no.
"""


@dataclass(frozen=True)
class Preferences:
    """Preferred image, integrity check, loader and placement (see C(CHOICES)), and whether KASLR is allowed."""

    image: str = AUTO
    integrity: str = AUTO
    loader: str = AUTO
    placement: str = AUTO
    kaslr: bool = True

    def override(self, wanted: Mapping[str, Any]) -> Preferences:
        """Return these preferences with some replaced; None replaces nothing."""
        return replace(self, **{name: wanted[name] for name in asdict(self) if wanted.get(name) is not None})


def parse_preferences(text: str) -> Preferences:
    """Parse C([stage]) of C(/etc/fleet-kexec.conf).

    :raises KexecError: C(CONFIG_INVALID).
    """
    values: Dict[str, Any] = {}
    for name, value in parse_section(text, STAGE).items():
        if name == "kaslr" and value.lower() in BOOLEANS:
            values[name] = BOOLEANS[value.lower()]
        elif value in CHOICES.get(name, ()):
            values[name] = value
        else:
            raise KexecError("CONFIG_INVALID", "%s sets %s = %s, which is no valid value" % (CONFIG_FILE, name, value))
    return Preferences().override(values)


def render_preferences(preferences: Preferences, existing: str = "") -> str:
    """Render C(/etc/fleet-kexec.conf) with preferences, keeping the other sections of the existing text."""
    values = {name: {True: "yes", False: "no"}.get(value, value) for name, value in asdict(preferences).items()}
    return with_section(existing, STAGE, _HEADER, values)


def read_preferences(files: HostFiles) -> Preferences:
    """Read the host's own preferences.

    :raises KexecError: C(CONFIG_INVALID).
    """
    return parse_preferences(files.read_text(CONFIG_FILE) or "")
