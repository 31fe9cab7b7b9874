# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments of GRUB's C(search) command."""

from __future__ import annotations

from collections import deque
from typing import List, NamedTuple, Sequence

from .boot_paths import FS_UUID, LABEL
from .grub_menu import Unknown, Value

_KINDS = {"--fs-uuid": FS_UUID, "-u": FS_UUID, "--label": LABEL, "-l": LABEL}


class Search(NamedTuple):
    """Search for a file system.

    :ivar kind: prefix of its name, as in C(boot_paths); empty for a search by a file.
    :ivar variable: variable that is set to it; empty if there is none.
    """

    kind: str
    variable: str
    wanted: Value


def parse_search(arguments: Sequence[Value]) -> Search:
    kind, variable = "", ""
    plain: List[Value] = []
    rest = deque(arguments)
    while rest:
        word = rest.popleft()
        if isinstance(word, Unknown) or not word.startswith("-"):
            plain.append(word)
        elif word in _KINDS:
            kind = _KINDS[word]
        elif word.startswith("--set="):
            variable = word[len("--set=") :]
        elif word in ("--set", "-s"):
            # The name may be left out.
            variable = str(rest.popleft()) if len(rest) > 1 else "root"
        elif word == "--hint" and rest:
            rest.popleft()
    wanted = plain[0] if len(plain) == 1 else Unknown("search names no single file system")
    return Search(kind, variable, wanted)
