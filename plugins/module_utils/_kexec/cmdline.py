# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel command lines: taking them apart, changing them, putting them together.

Splitting follows C(next_arg) in lib/cmdline.c of the kernel: white space
separates arguments except within double quotes, and there is no escape. An
argument C(--) ends those for the kernel; what follows is for init.
"""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Sequence

from .errors import KexecError

# A name with a dot is taken for a module parameter: the kernel neither
# complains about it nor hands it on to init.
TOKEN_NAME = "fleet_kexec.token"
# How many kexecs it will have been since firmware booted the machine; stands right behind the token.
KEXECS_NAME = "fleet_kexec.kexecs"

# A new kernel that panics has to come back by itself: with kernel.panic=0,
# the default of Debian, it would hang for ever.
PANIC_S = 10
ONE_BOOT_ARGS = ("panic=%d" % PANIC_S, "oops=panic")
# The kernel's own switch, and so the only one: whoever sets it is obeyed.
NO_KASLR = "nokaslr"

# What earlier bootloaders added for themselves, with their separator.
_LOADER_ARGS = ("BOOT_IMAGE", "initrd")


class Edits(NamedTuple):
    """What the user wants of the command line.

    :ivar replace: starts from this instead of the running kernel's line.
    :ivar remove: arguments to take out: C(name) takes all of that name,
        C(name=value) only the same.
    :ivar append: arguments to add at the end; one that stands there already
        is not added again.
    """

    replace: Optional[str] = None
    remove: Sequence[str] = ()
    append: Sequence[str] = ()


def split(line: str) -> List[str]:
    """Split a command line into arguments.

    :raises KexecError: C(CMDLINE_INVALID) for control characters or an open quote.
    """
    for character in line:
        if (ord(character) < 0x20 and character not in "\t\n") or ord(character) == 0x7F:
            raise KexecError("CMDLINE_INVALID", "the command line holds the control character %#04x" % ord(character))
    args: List[str] = []
    current = ""
    quoted = False
    for character in line:
        if character == '"':
            quoted = not quoted
        if character in " \t\n" and not quoted:
            if current:
                args.append(current)
            current = ""
        else:
            current += character
    if quoted:
        raise KexecError("CMDLINE_INVALID", "the command line has a double quote that is never closed")
    if current:
        args.append(current)
    return args


def token_of(line: str) -> Optional[str]:
    """The proof-of-path token on a command line, or None."""
    # The line of a running kernel may hold anything; it is not ours to refuse.
    for arg in reversed(line.split()):
        name, _equals, value = arg.partition("=")
        if name == TOKEN_NAME and value:
            return value
    return None


def kexecs_of(line: str) -> Optional[int]:
    """The count of kexecs on a command line, or None."""
    for arg in reversed(line.split()):
        name, _equals, value = arg.partition("=")
        if name == KEXECS_NAME and value.isdigit():
            return int(value)
    return None


def _name(arg: str) -> str:
    return arg.partition("=")[0].strip('"')


def _without_own(args: List[str]) -> List[str]:
    """Drop our token, our count, and the one-boot arguments that stand right behind them.

    The same arguments elsewhere on the line are the host's own and stay.
    """
    kept: List[str] = []
    in_tail = False
    for arg in args:
        if _name(arg) in (TOKEN_NAME, KEXECS_NAME):
            in_tail = True
        elif not (in_tail and arg in (*ONE_BOOT_ARGS, NO_KASLR)):
            in_tail = False
            kept.append(arg)
    return kept


def has_one_boot_args(line: str) -> bool:
    """Whether the line carries our one-boot arguments, right behind a token."""
    words = [word for word in line.split() if not word.startswith(KEXECS_NAME + "=")]
    own = list(ONE_BOOT_ARGS)
    return any(word.startswith(TOKEN_NAME + "=") and words[at + 1 : at + 1 + len(own)] == own for at, word in enumerate(words))


def own_panic_set(args: Sequence[str]) -> bool:
    """Whether the line itself says that a panic leads to a reset: C(panic=) other than 0."""
    values = [arg.partition("=")[2] for arg in args if _name(arg) == "panic"]
    return bool(values) and values[-1] not in ("", "0")


def base_line(running: str, edits: Edits) -> str:
    """The line to stage, without token and one-boot arguments.

    :param running: command line of the running kernel.
    :raises KexecError: C(CMDLINE_INVALID).
    """
    args = split(running if edits.replace is None else edits.replace)
    init_args: List[str] = []
    if "--" in args:
        cut = args.index("--")
        args, init_args = args[:cut], args[cut:]
    args = [arg for arg in _without_own(args) if _name(arg) not in _LOADER_ARGS]
    for unwanted in edits.remove:
        args = [arg for arg in args if not (arg == unwanted or ("=" not in unwanted and _name(arg) == unwanted))]
    for addition in edits.append:
        args.extend(arg for arg in split(addition) if arg not in args)
    return " ".join(args + init_args)


def allows_kaslr(base: str) -> bool:
    """Whether a line leaves the kernel free to lie at a random address."""
    args = split(base)
    return NO_KASLR not in (args[: args.index("--")] if "--" in args else args)


def with_token(base: str, token: str, kaslr: bool = True, kexecs: Optional[int] = None) -> str:
    """The line as it is loaded: base, token, count, one-boot arguments, arguments for init.

    :param kexecs: how many it will have been since firmware booted the machine; None if that is not known.
    :param kaslr: whether the kernel may lie at a random address.
    """
    args = split(base)
    cut = args.index("--") if "--" in args else len(args)
    own = ["%s=%s" % (TOKEN_NAME, token)]
    if kexecs is not None:
        own.append("%s=%d" % (KEXECS_NAME, kexecs))
    if not own_panic_set(args[:cut]):
        own.extend(ONE_BOOT_ARGS)
    if not kaslr and NO_KASLR not in args[:cut]:
        own.append(NO_KASLR)
    return " ".join(args[:cut] + own + args[cut:])


def check_length(line: str, max_bytes: int, kernel_max_bytes: int) -> None:
    """Refuse a line that a loader or the kernel would cut off.

    :param max_bytes: limit of the architecture.
    :param kernel_max_bytes: the staged kernel's own limit; 0 if it names none.
    :raises KexecError: C(CMDLINE_TOO_LONG).
    """
    limit = min(kernel_max_bytes or max_bytes, max_bytes)
    length = len(line.encode("utf-8"))
    if length > limit:
        raise KexecError("CMDLINE_TOO_LONG", "the command line has %d bytes, %d are possible" % (length, limit))
