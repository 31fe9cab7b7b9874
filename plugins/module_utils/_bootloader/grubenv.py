# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB's environment block, which keeps variables between boots."""

from __future__ import annotations

import re
from typing import Dict

# A backslash escapes itself and a line end in a value.
_VARIABLE = re.compile(r"^([^#=\n][^=\n]*)=((?:[^\\\n]|\\[\s\S]|\\\Z)*)$", re.MULTILINE)
_ESCAPE = re.compile(r"\\([\s\S])")


def parse_grubenv(text: str) -> Dict[str, str]:
    """Parse the variables of an environment block, see GRUB's C(grub-editenv)."""
    return {name: _ESCAPE.sub(r"\1", value) for name, value in _VARIABLE.findall(text)}
