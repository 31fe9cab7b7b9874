# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments that a kexec adds to the command line: the token, the count of kexecs, and the one-boot arguments.

They stand in this order at the end of the kernel's arguments. Elsewhere, the same arguments are the host's own.
"""

from __future__ import annotations

from typing import List, Optional, Sequence

from ._cmdline import Argument, CommandLine, check_cmdline, parse_cmdline

# The dot makes it a module parameter: the kernel does not complain about it and does not pass it to init.
TOKEN_NAME = "fleet_kexec.token"
# Number of kexecs since firmware booted the machine, this one included; follows the token.
KEXECS_NAME = "fleet_kexec.kexecs"

# A new kernel that panics has to reset by itself: with kernel.panic=0, Debian's default, it would hang forever.
PANIC_S = 10
ONE_BOOT_ARGS = ("panic=%d" % PANIC_S, "oops=panic")
# The kernel's own switch, and the only one there is: it is obeyed whoever set it.
NO_KASLR = "nokaslr"

# Have the kernel log the time of each initcall, in a log that holds all of it.
PROFILE_ARGS = ("initcall_debug", "log_buf_len=16M")

# Have the kernel print errors only, which quiet alone does not everywhere (CONFIG_CONSOLE_LOGLEVEL_QUIET), and init, too. In a
# panic or an oops the kernel prints everything (console_verbose() of kernel/printk/printk.c).
QUIET_ARGS = ("quiet", "loglevel=4")
# Arguments of somebody who wants to see the messages.
_LOUD = ("debug", "ignore_loglevel")

# Arguments that boot loaders added for themselves.
_LOADER_NAMES = ("BOOT_IMAGE", "initrd")


def token_of(line: str) -> Optional[str]:
    tokens = [each.value for each in parse_cmdline(line).kernel if each.name == TOKEN_NAME and each.value]
    return tokens[-1] if tokens else None


def kexecs_of(line: str) -> Optional[int]:
    counts = [each.value for each in parse_cmdline(line).kernel if each.name == KEXECS_NAME and each.value]
    counts = [count for count in counts if count.isdecimal()]
    return int(counts[-1]) if counts else None


def has_one_boot_args(line: str) -> bool:
    """Whether a line has our one-boot arguments right after a token."""
    arguments = [each for each in parse_cmdline(line).kernel if each.name != KEXECS_NAME]
    texts = [each.text for each in arguments]
    return any(
        each.name == TOKEN_NAME and tuple(texts[index + 1 : index + 1 + len(ONE_BOOT_ARGS)]) == ONE_BOOT_ARGS
        for index, each in enumerate(arguments)
    )


def wants_messages(arguments: Sequence[Argument]) -> bool:
    """Whether a line asks for the kernel's messages on the console, whatever their level."""
    return any(each.name in _LOUD for each in arguments)


def _without_own(arguments: Sequence[Argument]) -> List[Argument]:
    """Drop the token, the count, and the one-boot arguments right after them."""
    kept: List[Argument] = []
    in_tail = False
    for argument in arguments:
        if argument.name in (TOKEN_NAME, KEXECS_NAME):
            in_tail = True
        elif not (in_tail and argument.text in (*ONE_BOOT_ARGS, NO_KASLR, *PROFILE_ARGS, *QUIET_ARGS)):
            in_tail = False
            kept.append(argument)
    return kept


def lasting_arguments(line: str) -> CommandLine:
    """Remove what a kexec or a boot loader added for one boot; errors are those of :func:`check_cmdline`."""
    check_cmdline(line)
    parsed = parse_cmdline(line)
    kept = (each for each in _without_own(parsed.kernel) if each.name not in _LOADER_NAMES)
    return parsed._replace(kernel=tuple(kept))
