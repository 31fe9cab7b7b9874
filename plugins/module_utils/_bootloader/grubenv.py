# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB's environment block, which keeps variables between boots.

Source: GRUB's grub-core/lib/envblk.c.
"""

from __future__ import annotations

import re
from typing import Dict

_SIGNATURE = "# GRUB Environment Block\n"
# A comment, or a variable, whose name may be anything. A backslash escapes itself and a line end in a value.
_LINE = re.compile(r"#[^\n]*\n|((?!#)[^=]*)=((?:[^\\\n]|\\[\s\S])*)\n")
_ESCAPE = re.compile(r"\\([\s\S])")


def parse_grubenv(text: str) -> Dict[str, str]:
    """Parse the variables of an environment block, up to the first that is cut off.

    As in GRUB, a file without the signature of a block has none.
    """
    found: Dict[str, str] = {}
    place = len(_SIGNATURE)
    line = _LINE.match(text, place) if text.startswith(_SIGNATURE) else None
    while line:
        name, value = line.groups()
        if name is not None:
            # For GRUB, a zero byte ends a text.
            found[name.split("\0", 1)[0]] = _ESCAPE.sub(r"\1", value).split("\0", 1)[0]
        line = _LINE.match(text, line.end())
    return found
