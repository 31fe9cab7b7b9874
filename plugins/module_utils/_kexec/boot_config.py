# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the next boots via kexec go: C([boot]) of C(/etc/fleet-kexec.conf). A boot through firmware knows nothing of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Collection, Dict

from .._host.files import HostFiles
from .._paths import CONFIG_FILE
from .config import BOOLEANS, BOOT, parse_section, with_section
from .errors import KexecError
from .image_store import INITRD_MODES, KEEP

_HEADER = """\
# How systems boot that fleet.kexec starts via kexec. Values: quiet = yes|no,
# initrd = keep|uncompressed|slim, that of fast images.
"""

_VALUES: Dict[str, Collection[str]] = {"quiet": BOOLEANS, "initrd": INITRD_MODES}


@dataclass(frozen=True)
class BootConfig:
    """Settings of boots via kexec.

    :ivar quiet: whether the new kernel prints errors only; a panic prints everything.
    :ivar initrd: initrd of fast images, one of C(image_store.INITRD_MODES).
    """

    quiet: bool = False
    initrd: str = KEEP


def parse_boot_config(text: str) -> BootConfig:
    """Parse C([boot]) of C(/etc/fleet-kexec.conf).

    :raises KexecError: C(CONFIG_INVALID).
    """
    values = parse_section(text, BOOT)
    for name, value in values.items():
        if value.lower() not in _VALUES.get(name, ()):
            raise KexecError("CONFIG_INVALID", "%s sets %s = %s, which is no valid value" % (CONFIG_FILE, name, value))
    return BootConfig(quiet=BOOLEANS[values.get("quiet", "no").lower()], initrd=values.get("initrd", KEEP).lower())


def render_boot_config(config: BootConfig, existing: str = "") -> str:
    """Render C(/etc/fleet-kexec.conf) with the settings, keeping the other sections; defaults leave no section."""
    values = {"quiet": "yes" if config.quiet else "", "initrd": config.initrd if config.initrd != KEEP else ""}
    return with_section(existing, BOOT, _HEADER, {name: value for name, value in values.items() if value})


def read_boot_config(files: HostFiles) -> BootConfig:
    """Read the host's own settings.

    :raises KexecError: C(CONFIG_INVALID).
    """
    return parse_boot_config(files.read_text(CONFIG_FILE) or "")
