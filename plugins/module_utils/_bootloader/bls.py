# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Type #1 boot entries, by the UAPI group's Boot Loader Specification."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, List, Tuple

# Excludes white space around a line. As for systemd-boot, a carriage return ends a line too. No part can match in more than one
# way, so that a damaged file takes no longer than any other.
_LINE = re.compile(
    r"(?:^|(?<=\r))(?P<indent>[ \t]*)(?P<key>[A-Za-z0-9-]+)(?P<space>[ \t]+)(?![ \t])"
    r"(?P<value>(?:[^ \t\r\n]|[ \t]+(?=[^ \t\r\n]))*)(?P<end>[ \t]*)",
    re.MULTILINE,
)
_OPTIONS = "options"


@dataclass(frozen=True)
class BlsEntry:
    """Entry file; the values of a repeated key are in order."""

    text: str
    values: Dict[str, Tuple[str, ...]]

    def value(self, key: str) -> str:
        """First value of a key; empty if there is none."""
        return self.values.get(key, ("",))[0]

    @property
    def cmdline(self) -> str:
        """Kernel command line: all C(options) together."""
        return " ".join(self.values.get(_OPTIONS, ()))

    def with_cmdline(self, cmdline: str) -> str:
        """Replace the command line in the file's text; everything else stays the same."""
        first = True

        def replace(match: re.Match[str]) -> str:
            nonlocal first
            if match.group("key") != _OPTIONS:
                return match.group()
            kept = match.group("indent") + match.group("key") + match.group("space")
            line = kept + cmdline + match.group("end") if first else "# " + match.group()
            first = False
            return line

        text = _LINE.sub(replace, self.text)
        if not first:
            return text
        return "%s%soptions %s\n" % (text, "" if not text or text.endswith("\n") else "\n", cmdline)


def parse_bls(text: str) -> BlsEntry:
    values: Dict[str, List[str]] = {}
    for match in _LINE.finditer(text):
        values.setdefault(match.group("key"), []).append(match.group("value"))
    return BlsEntry(text, {key: tuple(found) for key, found in values.items()})
