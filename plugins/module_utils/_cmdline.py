# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel command lines, taken apart as the kernel does it, and edited in place.

White space separates arguments except within double quotes; there is no escape.
Quotes may surround an argument (C("name=value")) or its value (C(name="value"));
they belong to neither. An argument C(--) ends those for the kernel; what follows
is for init.

The kernel also separates at the byte 0xA0. In a line of UTF-8 that is part of
a character, and is left in it here.

Source: C(next_arg) in lib/cmdline.c, C(parse_args) in kernel/params.c.
"""

from __future__ import annotations

import re
from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ._reasons import CodedError

_ARGUMENT = re.compile(r'(?:"[^"]*(?:"|\Z)|[^\s"])+', re.ASCII)
_END = "--"


class CmdlineError(CodedError):
    """A command line was refused; the code says why."""


class Argument(NamedTuple):
    """An argument on a command line.

    :ivar text: as it is written.
    :ivar value: without quotes; None if there is no equals sign.
    :ivar start: position of its first character in the line.
    """

    text: str
    name: str
    value: Optional[str]
    start: int

    @property
    def end(self) -> int:
        """Position behind its last character."""
        return self.start + len(self.text)

    @property
    def is_closed(self) -> bool:
        """Whether its quotes are closed; anything behind it would become a part of it otherwise."""
        return self.text.count('"') % 2 == 0

    def is_named(self, name: str) -> bool:
        """Whether the kernel takes it for a parameter of this name: C(-) and C(_) are the same to it."""
        return self.name.replace("-", "_") == name.replace("-", "_")


class CommandLine(NamedTuple):
    """A command line.

    :ivar kernel: arguments for the kernel.
    :ivar init: C(--) and the arguments for init behind it; empty if there is no C(--).
    """

    kernel: Tuple[Argument, ...]
    init: Tuple[Argument, ...]

    @property
    def arguments(self) -> Tuple[Argument, ...]:
        """All of them, in order."""
        return self.kernel + self.init


def parse_cmdline(line: str) -> CommandLine:
    """Take any command line apart, as the kernel would."""
    arguments = [_argument(match.group(), match.start()) for match in _ARGUMENT.finditer(line)]
    ends = (index for index, each in enumerate(arguments) if each.name == _END and each.value is None)
    cut = next(ends, len(arguments))
    return CommandLine(tuple(arguments[:cut]), tuple(arguments[cut:]))


def _argument(text: str, start: int) -> Argument:
    quoted = text.startswith('"')
    bare = text[1:] if quoted else text
    # An equals sign at the very beginning separates nothing.
    equals = bare.find("=", 1)
    if equals < 0:
        return Argument(text, bare[:-1] if quoted and bare.endswith('"') else bare, None, start)
    value = bare[equals + 1 :]
    if value.startswith('"'):
        value, quoted = value[1:], True
    return Argument(text, bare[:equals], value[:-1] if quoted and value.endswith('"') else value, start)


def check_cmdline(line: str) -> None:
    """Refuse a command line that can't be handed to a kernel as it is meant.

    :raises CmdlineError: C(CMDLINE_INVALID) for control characters or an open quote.
    """
    for character in line:
        if (ord(character) < 0x20 and character not in "\t\n") or ord(character) == 0x7F:
            raise CmdlineError("CMDLINE_INVALID", "the command line holds the control character %#04x" % ord(character))
    if line.count('"') % 2:
        raise CmdlineError("CMDLINE_INVALID", "the command line has a double quote that is never closed")


def early_words(line: str) -> List[str]:
    """Words of a command line as code reads it that runs before the kernel proper: quotes and C(--) are nothing special to it.

    Source: C(__cmdline_find_option_bool) in arch/x86/boot/cmdline.c.
    """
    return re.findall(r"[^\x00-\x20]+", line)


def _named(line: str, name: str) -> Iterator[Argument]:
    """Arguments of a name that have a value."""
    return (each for each in parse_cmdline(line).kernel if each.value is not None and each.is_named(name))


def values_of(line: str, name: str) -> Tuple[str, ...]:
    """Values of an argument, in order."""
    return tuple(each.value for each in _named(line, name) if each.value is not None)


def without(line: str, name: str) -> str:
    """The line without an argument and the white space before it, all else byte for byte as it was."""
    pieces: List[str] = []
    end = 0
    for argument in _named(line, name):
        before = line[end : argument.start]
        kept = before.rstrip(" \t")
        # The first argument takes the white space behind it along.
        end = argument.end
        if not "".join(pieces) + kept:
            kept = before
            end += len(line[end:]) - len(line[end:].lstrip(" \t"))
        pieces.append(kept)
    return "".join(pieces) + line[end:]


def with_values(line: str, name: str, values: Sequence[str]) -> str:
    """The line with these values of an argument and no others, behind all that is there for the kernel."""
    bare = without(line, name)
    # Nothing can be put behind a quote that is never closed.
    end = max((each.end for each in parse_cmdline(bare).kernel if each.is_closed), default=0)
    added = " ".join("%s=%s" % (name, value) for value in values)
    if not added:
        return bare
    rest = bare[end:]
    if not end:
        return added + (" " + rest if rest.strip() else rest)
    return bare[:end] + " " + added + rest
