# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Consoles, and the boot time that printing kernel messages on them costs.

Source: Documentation/admin-guide/serial-console.rst and kernel-parameters.txt (C(console=), C(quiet), C(loglevel=)).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, Iterable, List, Optional, Tuple

from .._cmdline import parse_cmdline, values_of
from .._text import shown_name
from .boot_log import parse_message
from .clocks import read_kernel_log
from .files import HostFiles

# Rate of a console= without one.
_DEFAULT_BAUD = 9600
# Start, eight bits, stop.
_BITS_A_CHARACTER = 10
_SERIAL = re.compile(r"tty[A-Z]+\d+")
# CONSOLE_LOGLEVEL_QUIET, _DEBUG and _MOTORMOUTH, include/linux/printk.h.
_SWITCHES = {"quiet": 4, "debug": 10}
_EVERYTHING = 15
_LOGLEVEL_DEFAULT = 7

# "[    0.000000] " and a carriage return with the line feed.
_AROUND_BYTES = 17
# Later messages are hardly part of the boot.
_BOOT_US = 60_000_000


@dataclass(frozen=True)
class ConsoleLine:
    """A console, such as C(ttyS0), C(tty0) or C(hvc0); C(baud) is None if it is unknown or not a serial line's."""

    name: str
    serial: bool
    baud: Optional[int]


@dataclass(frozen=True)
class Console:
    """The consoles, and what a boot prints on them.

    :ivar loglevel: the next boot prints messages below this level.
    :ivar message_bytes: what this boot would have printed at that level; None if its log is unreadable or lost its beginning.
    :ivar cost_ms: upper limit of the time this takes on the slowest serial line (emulated ones are faster); None if unknown.
    """

    consoles: List[ConsoleLine]
    loglevel: int
    message_bytes: Optional[int]
    cost_ms: Optional[int]


def rates_of(cmdline: str) -> Dict[str, int]:
    """Serial lines named by C(console=), with their rates."""
    rates = {}
    for value in values_of(cmdline, "console"):
        device, _comma, options = value.partition(",")
        if not _SERIAL.fullmatch(device):
            continue
        digits = re.match(r"\d+", options)
        rates[device] = int(digits.group()) if digits and int(digits.group()) else _DEFAULT_BAUD
    return rates


def loglevel_of(cmdline: str, default: int) -> int:
    """Console log level that a command line results in, where C(default) is the kernel configuration's."""
    level = default
    arguments = parse_cmdline(cmdline).kernel
    for argument in arguments:
        if argument.name == "loglevel" and re.fullmatch(r"[0-9]+", argument.value or ""):
            level = int(argument.value or "")
        elif argument.name in _SWITCHES:
            level = _SWITCHES[argument.name]
    return _EVERYTHING if any(each.is_named("ignore_loglevel") for each in arguments) else level


def printed_bytes(records: Iterable[str], loglevel: int) -> Optional[int]:
    """Bytes of kernel messages from C(/dev/kmsg) that a boot prints; None if the log has lost its beginning."""
    total_bytes = None
    for message in filter(None, map(parse_message, records)):
        if total_bytes is None:
            if message.sequence != 0:
                return None
            total_bytes = 0
        if message.level < loglevel and message.at_us < _BOOT_US:
            total_bytes += printed_length(message.text)
    return total_bytes


def printed_length(text: str) -> int:
    """Bytes that a message takes on a serial line."""
    return len(text.encode("utf-8")) + _AROUND_BYTES


def cost_of(consoles: List[ConsoleLine], message_bytes: Optional[int]) -> Optional[int]:
    """Milliseconds that printing takes on the slowest serial line; 0 without one, None if unknown."""
    serial = [console for console in consoles if console.serial]
    if not serial:
        return 0
    rates = [console.baud for console in serial if console.baud]
    if message_bytes is None or not rates:
        return None
    return message_bytes * _BITS_A_CHARACTER * 1000 // min(rates)


def read_lines(files: HostFiles) -> Tuple[List[ConsoleLine], int]:
    """Read the running kernel's consoles, and the level below which a boot with its command line prints messages.

    The last field of C(/proc/sys/kernel/printk) is the configured level, whatever was set since.
    """
    cmdline = files.read_line("/proc/cmdline") or ""
    rates = rates_of(cmdline)
    listed = [shown_name(line.split()[0]) for line in (files.read_text("/proc/consoles") or "").split("\n") if line.split()]
    names = list(dict.fromkeys(listed or rates))
    consoles = [ConsoleLine(name, bool(_SERIAL.fullmatch(name)), rates.get(name)) for name in names]
    levels = (files.read_text("/proc/sys/kernel/printk") or "").split()
    default = int(levels[3]) if len(levels) == 4 and levels[3].isdigit() else _LOGLEVEL_DEFAULT
    return consoles, loglevel_of(cmdline, default)


def read_console(files: HostFiles) -> Console:
    """Read the running kernel's consoles and the cost of its messages."""
    consoles, loglevel = read_lines(files)
    message_bytes = printed_bytes(read_kernel_log(files), loglevel)
    return Console(consoles, loglevel, message_bytes, cost_of(consoles, message_bytes))
