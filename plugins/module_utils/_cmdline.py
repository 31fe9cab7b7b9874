# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel command lines, parsed as the kernel does it, and edited in place.

White space separates arguments except within double quotes; there is no escape. Quotes may surround an argument
(C("name=value")) or its value (C(name="value")) and are part of neither. Arguments after C(--) are for init.

The kernel also splits at the byte 0xA0. In UTF-8 that is part of a character, so this parser does not.

A command line is bytes in no particular encoding. As text, its bytes that are not UTF-8 are surrogate escapes (PEP 383), so that
all of them can be handed on: a label may have been written in Latin-1.

Source: C(next_arg) in lib/cmdline.c, C(parse_args) in kernel/params.c.
"""

from __future__ import annotations

import re
from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ._reasons import CodedError

_ARGUMENT = re.compile(r'(?:"[^"]*(?:"|\Z)|[^\s"])+', re.ASCII)
_END = "--"


class CmdlineError(CodedError):
    """Raised when a command line is refused, with a code."""


class Argument(NamedTuple):
    """An argument on a command line; C(text) is as written, C(value) without quotes, or None without an equals sign."""

    text: str
    name: str
    value: Optional[str]
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def is_closed(self) -> bool:
        """Whether its quotes are closed; otherwise anything appended would become part of it."""
        return self.text.count('"') % 2 == 0

    def is_named(self, name: str) -> bool:
        """Whether the kernel sees a parameter of this name, with C(-) and C(_) treated alike."""
        return self.name.replace("-", "_") == name.replace("-", "_")


class CommandLine(NamedTuple):
    """A command line; C(init) is C(--) and init's arguments after it, or empty."""

    kernel: Tuple[Argument, ...]
    init: Tuple[Argument, ...]

    @property
    def arguments(self) -> Tuple[Argument, ...]:
        return self.kernel + self.init


def encode(line: str) -> bytes:
    """Bytes of a command line as the kernel gets and counts them."""
    return line.encode("utf-8", "surrogateescape")


def parse_cmdline(line: str) -> CommandLine:
    arguments = [_argument(match.group(), match.start()) for match in _ARGUMENT.finditer(line)]
    ends = (index for index, each in enumerate(arguments) if each.name == _END and each.value is None)
    cut = next(ends, len(arguments))
    return CommandLine(tuple(arguments[:cut]), tuple(arguments[cut:]))


def _argument(text: str, start: int) -> Argument:
    quoted = text.startswith('"')
    bare = text[1:] if quoted else text
    # An equals sign at the very start does not separate anything.
    equals = bare.find("=", 1)
    if equals < 0:
        return Argument(text, bare[:-1] if quoted and bare.endswith('"') else bare, None, start)
    value = bare[equals + 1 :]
    if value.startswith('"'):
        value, quoted = value[1:], True
    return Argument(text, bare[:equals], value[:-1] if quoted and value.endswith('"') else value, start)


def check_cmdline(line: str) -> None:
    """Refuse a line with control characters, an open quote or no encoding; raises CmdlineError with C(CMDLINE_INVALID)."""
    for character in line:
        if (ord(character) < 0x20 and character not in "\t\n") or ord(character) == 0x7F:
            raise CmdlineError("CMDLINE_INVALID", "the command line holds the control character %#04x" % ord(character))
    try:
        encode(line)
    except UnicodeEncodeError as error:
        message = "the command line holds the surrogate %#06x, which stands for no character"
        raise CmdlineError("CMDLINE_INVALID", message % ord(line[error.start])) from error
    if line.count('"') % 2:
        raise CmdlineError("CMDLINE_INVALID", "the command line has a double quote that is never closed")


def early_words(line: str) -> List[str]:
    """Split a command line as early boot code does (C(__cmdline_find_option_bool) in arch/x86/boot/cmdline.c).

    Quotes and C(--) mean nothing to it.
    """
    return re.findall(r"[^\x00-\x20]+", line)


def _named(line: str, name: str) -> Iterator[Argument]:
    """Arguments of that name which have a value."""
    return (each for each in parse_cmdline(line).kernel if each.value is not None and each.is_named(name))


def values_of(line: str, name: str) -> Tuple[str, ...]:
    return tuple(each.value for each in _named(line, name) if each.value is not None)


def without(line: str, name: str) -> str:
    """Remove an argument and the white space before it; the rest stays the same byte for byte."""
    pieces: List[str] = []
    end = 0
    for argument in _named(line, name):
        before = line[end : argument.start]
        kept = before.rstrip(" \t")
        # The first argument also takes the white space after it.
        end = argument.end
        if not "".join(pieces) + kept:
            kept = before
            end += len(line[end:]) - len(line[end:].lstrip(" \t"))
        pieces.append(kept)
    return "".join(pieces) + line[end:]


def with_values(line: str, name: str, values: Sequence[str]) -> str:
    """Set an argument's values, at the end of the kernel's arguments, replacing any that are there."""
    bare = without(line, name)
    # Nothing can follow a quote that is never closed.
    end = max((each.end for each in parse_cmdline(bare).kernel if each.is_closed), default=0)
    added = " ".join("%s=%s" % (name, value) for value in values)
    if not added:
        return bare
    rest = bare[end:]
    if not end:
        return added + (" " + rest if rest.strip() else rest)
    return bare[:end] + " " + added + rest
