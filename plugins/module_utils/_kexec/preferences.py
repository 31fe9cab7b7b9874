# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a host is to be staged: the parameters that a user, or the host itself, may set.

The host's own are in C([stage]) of C(/etc/fleet-kexec.conf); what a task asks
for goes before them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Dict, Mapping

from .._host.files import HostFiles
from .._paths import CONFIG_FILE
from .config import STAGE, parse_section, with_section
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

CHOICES = {"image": (AUTO, *IMAGES), "integrity": (AUTO, *INTEGRITIES), "loader": (AUTO, *LOADERS)}
_BOOLEANS = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}

_HEADER = """\
# How fleet.kexec stages kernels on this host, wherever a task or a command line does not say.
# Values: image = auto|fast|bzimage, integrity = auto|crc32c|sha256|none,
# loader = auto|kexec_load|kexec_file_load, kaslr = yes|no.
"""


@dataclass(frozen=True)
class Preferences:
    """What is wanted of a staged image.

    :ivar image: C(auto), C(fast) or C(bzimage).
    :ivar integrity: C(auto), C(crc32c), C(sha256) or C(none).
    :ivar loader: C(auto), C(kexec_load) or C(kexec_file_load).
    :ivar kaslr: whether the kernel may lie at a random address.
    """

    image: str = AUTO
    integrity: str = AUTO
    loader: str = AUTO
    kaslr: bool = True

    def override(self, wanted: Mapping[str, Any]) -> Preferences:
        """These preferences with what is wanted otherwise; None is no wish."""
        return replace(self, **{name: wanted[name] for name in asdict(self) if wanted.get(name) is not None})


def parse_preferences(text: str) -> Preferences:
    """Parse C([stage]) of C(/etc/fleet-kexec.conf).

    :raises KexecError: C(CONFIG_INVALID).
    """
    values: Dict[str, Any] = {}
    for name, value in parse_section(text, STAGE).items():
        if name == "kaslr" and value.lower() in _BOOLEANS:
            values[name] = _BOOLEANS[value.lower()]
        elif value in CHOICES.get(name, ()):
            values[name] = value
        else:
            raise KexecError("CONFIG_INVALID", "%s sets %s = %s, which is no valid value" % (CONFIG_FILE, name, value))
    return Preferences().override(values)


def render_preferences(preferences: Preferences, existing: str = "") -> str:
    """The text of C(/etc/fleet-kexec.conf) for preferences.

    :param existing: its text so far, of which the other sections stay.
    """
    values = {name: {True: "yes", False: "no"}.get(value, value) for name, value in asdict(preferences).items()}
    return with_section(existing, STAGE, _HEADER, values)


def read_preferences(files: HostFiles) -> Preferences:
    """The host's own preferences.

    :raises KexecError: C(CONFIG_INVALID).
    """
    return parse_preferences(files.read_text(CONFIG_FILE) or "")
