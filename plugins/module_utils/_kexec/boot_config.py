# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the next boots via kexec go: C([boot]) of C(/etc/fleet-kexec.conf). A boot through firmware knows nothing of it."""

from __future__ import annotations

from dataclasses import dataclass

from .._host.files import HostFiles
from .._paths import CONFIG_FILE
from .config import BOOLEANS, BOOT, parse_section, with_section
from .errors import KexecError

_HEADER = """\
# How systems boot that fleet.kexec starts via kexec. Values: quiet = yes|no.
"""


@dataclass(frozen=True)
class BootConfig:
    """Settings of boots via kexec.

    :ivar quiet: whether the new kernel prints errors only; a panic prints everything.
    """

    quiet: bool = False


def parse_boot_config(text: str) -> BootConfig:
    """Parse C([boot]) of C(/etc/fleet-kexec.conf).

    :raises KexecError: C(CONFIG_INVALID).
    """
    values = parse_section(text, BOOT)
    for name, value in values.items():
        if name != "quiet" or value.lower() not in BOOLEANS:
            raise KexecError("CONFIG_INVALID", "%s sets %s = %s, which is no valid value" % (CONFIG_FILE, name, value))
    return BootConfig(quiet=BOOLEANS[values["quiet"].lower()] if "quiet" in values else False)


def render_boot_config(config: BootConfig, existing: str = "") -> str:
    """Render C(/etc/fleet-kexec.conf) with the settings, keeping the other sections; defaults leave no section."""
    return with_section(existing, BOOT, _HEADER, {"quiet": "yes"} if config.quiet else {})


def read_boot_config(files: HostFiles) -> BootConfig:
    """Read the host's own settings.

    :raises KexecError: C(CONFIG_INVALID).
    """
    return parse_boot_config(files.read_text(CONFIG_FILE) or "")
