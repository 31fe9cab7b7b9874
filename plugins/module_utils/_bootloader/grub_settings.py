# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings as shell code that C(grub-mkconfig) sources: a drop-in, or a block at the end of C(/etc/default/grub).

Comments record the settings for the next run; the shell code is for GRUB.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional, Set

from .errors import BootloaderError
from .interface import Setting

# Variables that make up the command line of a normal entry, in this order.
VARIABLES = ("GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT")

_SET = re.compile(r"^# fleet\.kexec sets: (\S+)=(.*)$", re.MULTILINE)
_OVERRULES = re.compile(r"^# fleet\.kexec overrules: (\S+)$", re.MULTILINE)

_DROP_IN_HEADER = """\
# Written by fleet.kexec (module reservation), which overwrites what is changed here.
# Read last, by grub-mkconfig; run %s after removing it by hand.
"""
_MADE_DIRECTORY = "# fleet.kexec made this directory."

_BLOCK_HEADER = """\
# Written by fleet.kexec (module reservation). Don't edit this block: remove all of it, and run %s.
"""
_MADE_FILE = "# fleet.kexec made this file."
_ENDED_LINE = "# fleet.kexec ended the line before this block."
_BEGIN = b"# BEGIN fleet.kexec"
_END = b"# END fleet.kexec"
# Anything that was once a marker, also where an editor has indented it or changed the end of its line.
_MARKER = re.compile(rb"^[^\n]*# (?:BEGIN|END) fleet\.kexec", re.MULTILINE)
_BLOCK = re.compile(
    rb"^%s \(sha256 ([0-9a-f]{16})\)\n(.*?)^%s(?:\n|\Z)" % (re.escape(_BEGIN), re.escape(_END)), re.MULTILINE | re.DOTALL
)
# update-bootloader of SUSE replaces each line that begins with the name of the variable.
_INDENT = "    "


def render_drop_in(settings: Mapping[str, Setting], made_directory: bool, tool: str) -> str:
    """Render the drop-in for settings. Values must be plain, since they end up in double quotes in the shell."""
    flags = [_MADE_DIRECTORY] if made_directory else []
    return "\n".join([(_DROP_IN_HEADER % tool).rstrip(), *flags, *_comments(settings), *_code(settings)]) + "\n"


def made_directory(drop_in: str) -> bool:
    """Whether the directory of a drop-in was made for it."""
    return _MADE_DIRECTORY in drop_in


def parse_settings(text: str) -> Dict[str, Setting]:
    """Parse the settings that a drop-in or a block records."""
    values: Dict[str, List[str]] = {}
    for name, value in _SET.findall(text):
        values.setdefault(name, []).append(value)
    overruled: Set[str] = set(_OVERRULES.findall(text))
    return {name: Setting(tuple(values.get(name, ())), name in overruled) for name in {*values, *overruled}}


def _comments(settings: Mapping[str, Setting]) -> List[str]:
    lines: List[str] = []
    for name, setting in sorted(settings.items()):
        lines.extend("# fleet.kexec sets: %s=%s" % (name, value) for value in setting.values)
        if setting.overrule:
            lines.append("# fleet.kexec overrules: %s" % name)
    return lines


def _code(settings: Mapping[str, Setting]) -> List[str]:
    lines: List[str] = []
    for name, setting in sorted(settings.items()):
        if setting.overrule:
            lines.extend(
                """%s="$(printf '%%s' "$%s" | sed -E 's/(^|[[:space:]])%s=[^[:space:]]*//g')\"""" % (variable, variable, name)
                for variable in VARIABLES
            )
    added = " ".join("%s=%s" % (name, value) for name, setting in sorted(settings.items()) for value in setting.values)
    if added:
        lines.append('%s="$%s %s"' % (VARIABLES[-1], VARIABLES[-1], added))
    return lines


@dataclass(frozen=True)
class MainFile:
    """Main file, taken apart into our block and everything else.

    :ivar others: its content without the block; None if there is no file but for the block.
    :ivar settings: settings that the block records.
    :ivar has_block: whether there is a block.
    """

    others: Optional[bytes]
    settings: Mapping[str, Setting]
    has_block: bool


def split_block(path: str, content: Optional[bytes]) -> MainFile:
    """Take the main file apart. Text that was added above or below the block counts as the others'.

    :raises BootloaderError: C(BOOTLOADER_CONFIG_INVALID): the block was edited or duplicated, or is incomplete.
    """
    markers = _MARKER.findall(content or b"")
    if content is None or not markers:
        return MainFile(content, {}, False)
    found = _BLOCK.search(content)
    if found is None or len(markers) != 2 or _digest(found.group(2)) != found.group(1):
        raise BootloaderError(
            "BOOTLOADER_CONFIG_INVALID",
            "the block of fleet.kexec in %s was edited, duplicated or cut off: remove all lines from '%s' to '%s', and run this "
            "again" % (path, _BEGIN.decode(), _END.decode()),
        )
    lines = found.group(2).decode("utf-8", "replace")
    above, below = content[: found.start()], content[found.end() :]
    if above == b"\n" or above.endswith(b"\n\n"):
        above = above[:-1]
    if _ENDED_LINE in lines and not below:
        above = above[:-1] if above.endswith(b"\n") else above
    others = above + below
    return MainFile(None if _MADE_FILE in lines and not others else others, parse_settings(lines), True)


def join_block(others: Optional[bytes], settings: Mapping[str, Setting], tool: str) -> Optional[bytes]:
    """Append a block for settings to the content of the main file; without settings there is no block."""
    if not settings:
        return others
    above = others or b""
    flags = [_MADE_FILE] if others is None else [_ENDED_LINE] if above and not above.endswith(b"\n") else []
    code = [_INDENT + line for line in _code(settings)]
    body = ("\n".join([(_BLOCK_HEADER % tool).rstrip(), *flags, *_comments(settings), *code]) + "\n").encode("utf-8")
    if above:
        # An empty line, since a backslash may continue the last one.
        above += b"\n" if above.endswith(b"\n") else b"\n\n"
    return b"%s%s (sha256 %s)\n%s%s\n" % (above, _BEGIN, _digest(body), body, _END)


def _digest(body: bytes) -> bytes:
    """Digest that tells whether a block was edited, whichever version of the collection wrote it."""
    return hashlib.sha256(body).hexdigest()[:16].encode("ascii")
