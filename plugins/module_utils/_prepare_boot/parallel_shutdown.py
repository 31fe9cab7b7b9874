# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install the script that shuts down storage controllers side by side."""

from __future__ import annotations

import os
import re
from typing import List, Optional, Sequence

from .._host.files import HostFiles
from .._kexec.host_files import WantedFile
from .._prepare.errors import PrepareError
from .._prepare.record import PreparationRecord
from .._prepare.steps import Step
from .shutdown_script import render_script
from .steps import idle, step_of_files, turned_off

PART = "parallel_shutdown"

#: systemd runs what is here and nowhere else; there is no such directory below /etc.
SCRIPT = "/usr/lib/systemd/system-shutdown/fleet-kexec-parallel"
#: systemd-shutdown kills such scripts after 90 s.
TIMEOUTS_S = range(1, 61)

_SYSTEMD_SHUTDOWN = "/usr/lib/systemd/systemd-shutdown"
_ASYNC = "/sys/module/core/parameters/async_shutdown"
_DRIVER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", re.ASCII)


def is_ours(path: str) -> bool:
    return path == SCRIPT


def plan(files: HostFiles, record: PreparationRecord, wanted: bool, drivers: Sequence[str], timeout_s: int) -> Step:
    """Plan the script.

    :param drivers: PCI drivers of controllers that may be unbound.
    :param timeout_s: time after which controllers that have not ended are left to the kernel.
    :raises PrepareError: C(PARALLEL_SHUTDOWN_INVALID), C(PREPARE_FAILED).
    """
    for driver in drivers:
        if not _DRIVER.fullmatch(driver):
            raise PrepareError("PARALLEL_SHUTDOWN_INVALID", "%r is not the name of a driver" % driver)
    if timeout_s not in TIMEOUTS_S:
        message = "a timeout of %d s is not between %d and %d s" % (timeout_s, TIMEOUTS_S[0], TIMEOUTS_S[-1])
        raise PrepareError("PARALLEL_SHUTDOWN_INVALID", message)
    why = (turned_off(files, record, SCRIPT) or _obstacle(files, drivers)) if wanted else None
    there: List[WantedFile] = []
    if wanted and why is None:
        there.append(WantedFile(SCRIPT, render_script(drivers, timeout_s).encode("ascii"), 0o755))
    return step_of_files(PART, files, record, there, is_ours, notes=[idle(PART, why)] if why else [], reload=False)


def _obstacle(files: HostFiles, drivers: Sequence[str]) -> Optional[str]:
    if not files.exists(_SYSTEMD_SHUTDOWN):
        return "there is no %s to run it" % _SYSTEMD_SHUTDOWN
    # As where the system comes as an image.
    if not files.exists(SCRIPT) and not os.access(files.path(os.path.dirname(_SYSTEMD_SHUTDOWN)), os.W_OK):
        return "%s is read-only" % os.path.dirname(_SYSTEMD_SHUTDOWN)
    if (files.read_text(_ASYNC) or "").upper() in ("Y", "1"):
        return "the kernel shuts down devices side by side"
    bound = [name for driver in drivers for name in files.listdir("/sys/bus/pci/drivers/" + driver) if ":" in name]
    if len(bound) < 2:
        return "%d controllers have one of the drivers %s" % (len(bound), ", ".join(drivers) or "(none)")
    return None
