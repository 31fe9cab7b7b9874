# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sections of C(/etc/fleet-kexec.conf).

C(preferences.py) interprets C([stage]), C(policy.py) C([policy]),
C(boot_config.py) C([boot]).
"""

from __future__ import annotations

import configparser
from typing import Dict, List, Mapping

from .._host.files import HostFiles
from .._paths import CONFIG_FILE
from .errors import KexecError

STAGE = "stage"
POLICY = "policy"
BOOT = "boot"
SECTIONS = (STAGE, POLICY, BOOT)

BOOLEANS = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}


def parse_section(text: str, section: str) -> Dict[str, str]:
    """Parse a section into values by lower-case name; empty if the section is absent.

    :raises KexecError: C(CONFIG_INVALID).
    """
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text, CONFIG_FILE)
    except configparser.Error as error:
        raise KexecError("CONFIG_INVALID", "%s can't be parsed: %s" % (CONFIG_FILE, " ".join(str(error).split()))) from error
    unknown = [name for name in parser.sections() if name not in SECTIONS]
    if unknown:
        raise KexecError(
            "CONFIG_INVALID",
            "%s has a section [%s]; known sections are %s"
            % (CONFIG_FILE, unknown[0], ", ".join("[%s]" % name for name in SECTIONS)),
        )
    return dict(parser.items(section)) if parser.has_section(section) else {}


def read_section(files: HostFiles, section: str) -> Dict[str, str]:
    """Read a section of the host's own file.

    :raises KexecError: C(CONFIG_INVALID).
    """
    return parse_section(files.read_text(CONFIG_FILE) or "", section)


def without_section(text: str, section: str) -> str:
    """Remove a section with the comments above its name, and keep all other lines unchanged."""
    kept: List[str] = []
    # Comments and blank lines belong to the line that follows them.
    waiting: List[str] = []
    keeping = False
    for line in text.splitlines():
        waiting.append(line)
        if line.startswith(("#", ";")) or not line.strip():
            continue
        if line.startswith("["):
            keeping = line.split("]")[0] != "[" + section
        if keeping:
            kept.extend(waiting)
        waiting = []
    return "\n".join(kept).strip("\n")


def with_section(text: str, section: str, header: str, values: Mapping[str, str]) -> str:
    """Set the values of a section and keep the other sections unchanged.

    :param header: comment lines above the section's name, each with its newline.
    :param values: empty to remove the section.
    """
    others = without_section(text, section)
    lines = ["%s = %s" % (name, value) for name, value in sorted(values.items())]
    own = "%s\n[%s]\n%s" % (header, section, "\n".join(lines)) if values else ""
    return "\n".join(part + "\n" for part in ((own, others) if section == SECTIONS[0] else (others, own)) if part)
