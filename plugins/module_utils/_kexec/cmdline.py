# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line of a staged kernel: the user's edits, and the arguments that a kexec adds."""

from __future__ import annotations

from typing import NamedTuple, Optional, Sequence, Tuple

from .._arch.interface import Architecture
from .._cmdline import Argument, check_cmdline, early_words, parse_cmdline
from .._one_boot_args import (
    KEXECS_NAME,
    NO_KASLR,
    ONE_BOOT_ARGS,
    PROFILE_ARGS,
    QUIET_ARGS,
    TOKEN_NAME,
    lasting_arguments,
    wants_messages,
)
from .preferences import KEXEC_FILE_LOAD


class Edits(NamedTuple):
    """User's edits of the command line.

    :ivar replace: line to start from instead of the default entry's or the running kernel's.
    :ivar remove: arguments to remove: C(name) removes all of that name, C(name=value) only that one.
    :ivar append: arguments to append unless they are already there.
    """

    replace: Optional[str] = None
    remove: Sequence[str] = ()
    append: Sequence[str] = ()


def _is_unwanted(argument: Argument, unwanted: Argument) -> bool:
    return argument.is_named(unwanted.name) and unwanted.value in (None, argument.value)


def base_line(line: str, edits: Edits) -> str:
    """Edit a line and drop its token and one-boot arguments.

    :raises CmdlineError: C(CMDLINE_INVALID).
    """
    base = lasting_arguments(line if edits.replace is None else edits.replace)
    unwanted = [each for removal in edits.remove for each in parse_cmdline(removal).kernel]
    texts = [each.text for each in base.kernel if not any(_is_unwanted(each, other) for other in unwanted)]
    for addition in edits.append:
        check_cmdline(addition)
        texts.extend(each.text for each in parse_cmdline(addition).arguments if each.text not in texts)
    return " ".join([*texts, *(each.text for each in base.init)])


class LineChanges(NamedTuple):
    """Arguments that a command line adds to another, and those that it lacks."""

    added: Tuple[str, ...]
    removed: Tuple[str, ...]


def line_changes(running: str, line: str) -> LineChanges:
    """Compare a line with the running one, without what loaders and this collection add for one boot."""
    before, after = ([each.text for each in lasting_arguments(each_line).arguments] for each_line in (running, line))
    return LineChanges(
        added=tuple(each for each in after if each not in before), removed=tuple(each for each in before if each not in after)
    )


def allows_kaslr(base: str) -> bool:
    """Whether a line allows KASLR; the kernel's decompressor decides by it."""
    return NO_KASLR not in early_words(base)


def _resets_after_panic(arguments: Sequence[Argument]) -> bool:
    """Whether the line itself requests a reset after a panic: C(panic=) other than 0."""
    values = [each.value for each in arguments if each.is_named("panic")]
    return bool(values) and values[-1] not in (None, "", "0")


def with_token(
    base: str,
    token: str,
    kaslr: bool = True,
    kexecs: Optional[int] = None,
    *,
    profile: bool = False,
    quiet: bool = False,
) -> str:
    """Insert token, kexec count and one-boot arguments before the arguments for init.

    :param kexecs: number of kexecs since firmware booted the machine, this one included; None if unknown.
    :param profile: whether that boot logs the time of each initcall.
    :param quiet: whether that boot prints errors only, unless the line asks for messages.
    :raises CmdlineError: C(CMDLINE_INVALID).
    """
    check_cmdline(base)
    parsed = parse_cmdline(base)
    texts = [each.text for each in parsed.kernel]
    own = ["%s=%s" % (TOKEN_NAME, token)]
    if kexecs is not None:
        own.append("%s=%d" % (KEXECS_NAME, kexecs))
    if not _resets_after_panic(parsed.kernel):
        own.extend(ONE_BOOT_ARGS)
    if not kaslr and NO_KASLR not in texts:
        own.append(NO_KASLR)
    if profile:
        own.extend(each for each in PROFILE_ARGS if each not in texts)
    if quiet and not wants_messages(parsed.kernel):
        own.extend(QUIET_ARGS)
    return " ".join([*texts, *own, *(each.text for each in parsed.init)])


def max_line_bytes(architecture: Architecture, loader: str, kernel_max_bytes: int) -> int:
    """Length of the longest command line that a loader passes to a kernel without the final zero.

    :param kernel_max_bytes: limit of that kernel; 0 if its header has none.
    """
    max_bytes = architecture.cmdline_max_bytes
    reserve_bytes = architecture.file_load_reserve_bytes if loader == KEXEC_FILE_LOAD else architecture.load_reserve_bytes
    return min(kernel_max_bytes or max_bytes, max_bytes) - reserve_bytes
