# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel log of this boot: its messages, and those about initcalls and the start of userspace."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Iterable, List, NamedTuple, Optional

from .._text import shown_name
from .numbers import parse_count

# init/main.c, run_init_process(), and do_initcall_level() with initcall_debug.
_INIT = re.compile(r"Run (\S+) as init process")
_INITCALL = re.compile(r"initcall (\S+?)\+0x[0-9a-f]+/0x[0-9a-f]+(?: \[\w+\])? returned -?\d+ after (\d{1,18}) usecs")


# Facility of the kernel itself, and its levels (RFC 5424).
_KERNEL = 0


class KernelMessage(NamedTuple):
    """A message of the kernel itself, in microseconds of the log's clock; C(level) is 0 (emergency) to 7 (debug)."""

    sequence: int
    level: int
    at_us: int
    text: str


class Initcall(NamedTuple):
    """An initcall; C(ended_us) is the end on the log's clock, None if unknown."""

    name: str
    duration_us: int
    ended_us: Optional[int] = None


@dataclass(frozen=True)
class BootLog:
    """Boot events found in the kernel log.

    :ivar init: path of the first program the kernel started; None if that line has left the log.
    :ivar init_ns: time of its start, on the log's clock.
    :ivar initcalls: in log order; empty without C(initcall_debug).
    """

    init: Optional[str] = None
    init_ns: Optional[int] = None
    initcalls: List[Initcall] = field(default_factory=list)


def parse_message(record: str) -> Optional[KernelMessage]:
    """Parse a record of C(/dev/kmsg) (Documentation/ABI/testing/dev-kmsg); None for other facilities and continuation lines."""
    prefix, separator, text = record.partition(";")
    numbers = [parse_count(field) for field in prefix.split(",")[:3]]
    # Continuation lines begin with a space.
    if not separator or record.startswith(" ") or len(numbers) < 3:
        return None
    priority, sequence, at_us = numbers
    if priority is None or sequence is None or at_us is None:
        return None
    return KernelMessage(sequence, priority & 7, at_us, text) if priority >> 3 == _KERNEL else None


def parse_boot_log(messages: Iterable[KernelMessage]) -> BootLog:
    """Find the boot events in the kernel's own messages: root can write to its log, too."""
    init, init_ns = None, None
    initcalls = []
    for message in messages:
        found = _INITCALL.match(message.text)
        if found:
            initcalls.append(Initcall(shown_name(found.group(1)), int(found.group(2)), message.at_us))
            continue
        found = _INIT.match(message.text) if init is None else None
        if found:
            init, init_ns = shown_name(found.group(1)), message.at_us * 1000
    return BootLog(init, init_ns, initcalls)
