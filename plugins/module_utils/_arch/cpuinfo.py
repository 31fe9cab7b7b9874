# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parser for C(/proc/cpuinfo), whose names of fields depend on the architecture."""

from __future__ import annotations

from typing import Dict


def first_processor(cpuinfo: str) -> Dict[str, str]:
    """Parse the fields of the first processor, by name."""
    fields = (line.partition(":") for line in cpuinfo.split("\n\n", maxsplit=1)[0].splitlines())
    return {name.strip(): value.strip() for name, _colon, value in fields}
