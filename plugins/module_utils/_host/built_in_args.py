# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments that a kernel itself adds to its command line at each boot: its built-in line, and its bootconfig.

They appear in C(/proc/cmdline). A line that is passed to the next kernel with them grows with every kexec.

Source: each architecture's C(setup_arch); C(setup_boot_config) and C(setup_command_line) in init/main.c;
C(xbc_snprint_cmdline) in lib/bootconfig.c; fs/proc/bootconfig.c.
"""

from __future__ import annotations

import re
from typing import Iterator, Tuple

from .._cmdline import parse_cmdline

_SETTING = re.compile(r'^CONFIG_(CMDLINE\w*)=(?:"(.*)"|(\w+))$', re.MULTILINE)
# Values are quoted, and may span lines.
_VALUE = r'(?:"[^"]*"|\'[^\']*\')'
_KEY = re.compile(r"^([\w.-]+) = (%s(?:, %s)*)$" % (_VALUE, _VALUE), re.MULTILINE | re.ASCII)


def built_in_line(config: str) -> str:
    """Line that a kernel prepends, by its configuration.

    A kernel that ignores its loader's line for the built-in one (C(CONFIG_CMDLINE_OVERRIDE)) prepends nothing.
    """
    settings = {name: text or word for name, text, word in _SETTING.findall(config)}
    if settings.get("CMDLINE_BOOL") != "y" or settings.get("CMDLINE_OVERRIDE") == "y":
        return ""
    return re.sub(r"\\(.)", r"\1", settings.get("CMDLINE", ""))


def _values(bootconfig: str, section: str) -> Iterator[Tuple[str, str]]:
    """Arguments of a section (C(kernel) or C(init)) of C(/proc/bootconfig), one for each value."""
    for key, values in _KEY.findall(bootconfig):
        if key.startswith(section + "."):
            for value in re.findall(_VALUE, values):
                yield key[len(section) + 1 :], value[1:-1]


def _pattern(bootconfig: str, section: str) -> str:
    """Regular expression for the arguments of a section as the kernel writes them, each with a space behind it.

    Since Linux 6.10 only values with white space are in quotes. C(/proc/bootconfig) shows a key without a value like one whose
    value is empty.
    """
    return "".join(
        re.escape(name) + ('=(?:"%s"|%s) ' % (re.escape(value), re.escape(value)) if value else '(?:=(?:"")?)? ')
        for name, value in _values(bootconfig, section)
    )


def own_part_removed(line: str, built_in: str, bootconfig: str) -> str:
    """Remove what the kernel itself added to its command line.

    A part that the line does not start with was added by somebody else, or not at all, and stays.

    :param built_in: result of :func:`built_in_line`.
    :param bootconfig: content of C(/proc/bootconfig), which has keys only if the kernel used them.
    """
    added = re.match(_pattern(bootconfig, "kernel"), line + " ")
    rest = _without_init_args(line[added.end() :] if added else line, _pattern(bootconfig, "init"))
    if built_in and (rest + " ").startswith(built_in + " "):
        rest = rest[len(built_in) + 1 :]
    return rest


def _without_init_args(line: str, pattern: str) -> str:
    """Remove the bootconfig's arguments for init, which follow C(--), and C(--) if nothing else does."""
    init = parse_cmdline(line).init
    if not init or not pattern:
        return line
    begin = init[0].end + 1
    added = re.match(pattern, line[begin:] + " ")
    if not added:
        return line
    rest = line[begin + added.end() :]
    return line[:begin] + rest if rest else line[: init[0].start].rstrip(" ")
