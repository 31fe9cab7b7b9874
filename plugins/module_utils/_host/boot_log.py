# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel log's lines about initcalls and the start of userspace."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Iterable, List, NamedTuple, Optional

from .._text import shown_name

# init/main.c, run_init_process(), and do_initcall_level() with initcall_debug.
_INIT = re.compile(r"Run (\S+) as init process")
_INITCALL = re.compile(r"initcall (\S+?)\+0x[0-9a-f]+/0x[0-9a-f]+(?: \[\w+\])? returned -?\d+ after (\d+) usecs")


class Initcall(NamedTuple):
    name: str
    duration_us: int


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


def parse_boot_log(records: Iterable[str]) -> BootLog:
    """Parse records of C(/dev/kmsg) (Documentation/ABI/testing/dev-kmsg)."""
    init, init_ns = None, None
    initcalls = []
    for record in records:
        prefix, _separator, message = record.partition(";")
        found = _INITCALL.match(message)
        if found:
            initcalls.append(Initcall(shown_name(found.group(1)), int(found.group(2))))
            continue
        found = _INIT.match(message) if init is None else None
        # Only from the kernel itself: root can write to its log too.
        if found and prefix.split(",")[0].isdigit() and int(prefix.split(",")[0]) < 8:
            init, init_ns = shown_name(found.group(1)), int(prefix.split(",")[2]) * 1000
    return BootLog(init, init_ns, initcalls)
