# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(/etc/fleet-kexec.conf): the file as sections of names and values; what they mean is up to others.

C([stage]) is C(preferences.py)'s, C([policy]) is C(policy.py)'s.
"""

from __future__ import annotations

import configparser
from typing import Dict, List, Mapping

from .._host.files import HostFiles
from .._paths import CONFIG_FILE
from .errors import KexecError

STAGE = "stage"
POLICY = "policy"
SECTIONS = (STAGE, POLICY)


def parse_section(text: str, section: str) -> Dict[str, str]:
    """Values of a section by name, in lower case; empty if there is no such section.

    :raises KexecError: C(CONFIG_INVALID): the file can't be understood.
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
            % (CONFIG_FILE, unknown[0], " and ".join("[%s]" % name for name in SECTIONS)),
        )
    return dict(parser.items(section)) if parser.has_section(section) else {}


def read_section(files: HostFiles, section: str) -> Dict[str, str]:
    """The same of the host's own file.

    :raises KexecError: C(CONFIG_INVALID).
    """
    return parse_section(files.read_text(CONFIG_FILE) or "", section)


def without_section(text: str, section: str) -> str:
    """The lines of all other sections, as they are, with the comments right before their names."""
    kept: List[str] = []
    # Comments and empty lines belong to what comes after them.
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
    """The text with these values in a section, and the other sections as they are; empty if there is nothing left.

    :param header: comments for it, each line with its end.
    :param values: none of them: there is no such section then.
    """
    others = without_section(text, section)
    lines = ["%s = %s" % (name, value) for name, value in sorted(values.items())]
    own = "%s\n[%s]\n%s" % (header, section, "\n".join(lines)) if values else ""
    return "\n".join(part + "\n" for part in ((own, others) if section == SECTIONS[0] else (others, own)) if part)
