# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot entries of the first type, by the UAPI group's Boot Loader Specification."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, List, Tuple

_LINE = re.compile(r"^(?P<key>[A-Za-z0-9-]+)(?P<space>[ \t]+)(?P<value>.*?)(?P<end>[ \t]*)$", re.MULTILINE)
_OPTIONS = "options"


@dataclass(frozen=True)
class BlsEntry:
    """An entry file.

    :ivar text: of the file.
    :ivar values: of all keys, those given several times in order.
    """

    text: str
    values: Dict[str, Tuple[str, ...]]

    def value(self, key: str) -> str:
        """The first value of a key; empty if there is none."""
        return self.values.get(key, ("",))[0]

    @property
    def cmdline(self) -> str:
        """The kernel's command line: all C(options) together."""
        return " ".join(self.values.get(_OPTIONS, ()))

    def with_cmdline(self, cmdline: str) -> str:
        """The text of the file with another command line; all else as it is."""
        first = True

        def replace(match: re.Match[str]) -> str:
            nonlocal first
            if match.group("key") != _OPTIONS:
                return match.group()
            line = match.group("key") + match.group("space") + cmdline if first else "# " + match.group()
            first = False
            return line

        text = _LINE.sub(replace, self.text)
        if not first:
            return text
        return "%s%soptions %s\n" % (text, "" if not text or text.endswith("\n") else "\n", cmdline)


def parse_bls(text: str) -> BlsEntry:
    """Parse an entry file."""
    values: Dict[str, List[str]] = {}
    for match in _LINE.finditer(text):
        values.setdefault(match.group("key"), []).append(match.group("value"))
    return BlsEntry(text, {key: tuple(found) for key, found in values.items()})
