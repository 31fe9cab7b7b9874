# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages of the kernel of level err and worse, and how they are known again in another boot."""

from __future__ import annotations

import re
from typing import Dict, Iterable, List, Optional

from .._command import Runner
from .._host.clocks import read_kernel_log
from .._host.files import HostFiles
from .wording import legible

# syslog(3): levels up to LOG_ERR, of facility LOG_KERN.
_ERR = 3
_MAX_ERRORS = 500
_TIMEOUT_S = 10.0
# Numbers, addresses, and the letters of disks, which are given in the order in which devices are found.
_VARIABLE = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{8,}\b|\bsd[a-z]+\d*\b|\d+", re.IGNORECASE)


def normalised(message: str) -> str:
    """Replace what differs from boot to boot in a message, such as numbers, by C(#)."""
    return _VARIABLE.sub("#", message)


def parse_errors(records: Iterable[str]) -> Optional[List[str]]:
    """Extract the errors from records of C(/dev/kmsg), in order; of those that are alike, the first.

    :returns: None if the records do not begin with the boot: the log has dropped the first ones, or can't be read.
    """
    errors: List[str] = []
    complete = False
    for record in records:
        prefix, separator, message = record.partition(";")
        fields = prefix.split(",")
        if not separator or not fields[0].isdigit() or len(fields) < 2:
            continue
        complete = complete or fields[1] == "0"
        if not complete:
            return None
        if int(fields[0]) <= _ERR:
            errors.append(message)
    return _different(errors) if complete else None


def _different(messages: Iterable[str]) -> List[str]:
    """Keep the first message of those that are alike."""
    shown = filter(None, (legible(message).strip() for message in messages))
    first: Dict[str, str] = {}
    for message in shown:
        first.setdefault(normalised(message), message)
    return list(first.values())


def read_kernel_errors(files: HostFiles, run: Optional[Runner]) -> Optional[List[str]]:
    """Read the errors of this boot from the kernel's log, or from the journal if that log has dropped some.

    :param run: None to leave the journal alone, which may be large.
    :returns: None if they can't all be told, or are too many to compare.
    """
    errors = parse_errors(read_kernel_log(files))
    if errors is None:
        if run is None:
            return None
        listed = run(["journalctl", "--dmesg", "--boot", "--priority=err", "--output=cat", "--no-pager", "--quiet"], _TIMEOUT_S)
        if listed.rc != 0:
            return None
        errors = _different(listed.stdout.splitlines())
    return errors if len(errors) <= _MAX_ERRORS else None
