# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The default entry of whichever bootloader this host has."""

from __future__ import annotations

from .._host.files import HostFiles
from .boot_entry import BootChoice


def read_default_entry(files: HostFiles) -> BootChoice:
    """Read what the bootloader would boot now."""
    return BootChoice(None, unknown="no reader for this bootloader: %s" % files.root)
