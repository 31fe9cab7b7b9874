# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of C(prepare_boot) that were made on the host, from the record that C(_prepare/record.py) keeps."""

from __future__ import annotations

from typing import Dict

from .._json import parse_json
from .._paths import STATE_DIRECTORY
from .files import HostFiles

PATH = STATE_DIRECTORY + "/prepared.json"


def read_boot_parts(files: HostFiles) -> Dict[str, str]:
    """Read the boot_id of the boot in which each part was made, by part; empty without privileges, or if it can't be parsed."""
    try:
        return {str(part): str(boot_id) for part, boot_id in parse_json(files.read_text(PATH) or "")["boot_parts"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
