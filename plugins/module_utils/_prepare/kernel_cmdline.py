# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create C(/etc/kernel/cmdline) on hosts whose kernel-install has no such file.

Without it, kernels installed later get the command line of the kernel running then. After a kexec that includes a token and
C(panic=10 oops=panic), which are meant for one boot; with the file they never get into a boot entry. Source:
C(90-loaderentry.install) of systemd.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Optional

from .._bootloader.detection import detect
from .._bootloader.errors import BootloaderError
from .._bootloader.kernel_install import CMDLINE, VENDOR_CMDLINE, KernelInstall
from .._command import Runner, find_executable
from .._host.changes import NO_FILE, FileChange, remember
from .._host.files import HostFiles
from .record import PreparationRecord
from .steps import Step, step_giving_back

PART = "kernel_cmdline"


def plan_writing(files: HostFiles, run: Runner, record: PreparationRecord) -> Step:
    """Write the file, if it is missing, with the command line that the bootloader boots by default.

    :raises CmdlineError: C(CMDLINE_INVALID).
    """
    content = _missing(files, run)
    if content is None:
        return Step(PART, record, record, record)
    change = FileChange(CMDLINE, None, content, with_directory=not files.exists(os.path.dirname(CMDLINE)))
    after = replace(record, changes={**record.changes, CMDLINE: remember(None, NO_FILE, change)})
    return Step(PART, record, after, after, (change,))


def _missing(files: HostFiles, run: Runner) -> Optional[bytes]:
    """Content for the file; None if it exists, or none is needed."""
    if any(map(files.exists, (CMDLINE, VENDOR_CMDLINE))) or not find_executable("kernel-install", files.root):
        return None
    try:
        bootloader = detect(files, run)
        if not isinstance(bootloader, KernelInstall):
            return None
        cmdline = bootloader.default_cmdline()
    except BootloaderError:
        # The bootloader in use does not read kernel-install's entries.
        return None
    return (cmdline + "\n").encode("utf-8", "surrogateescape") if cmdline is not None else None


def plan_removing(files: HostFiles, record: PreparationRecord) -> Step:
    """Remove the file unless somebody has changed it since."""
    return step_giving_back(PART, files, record, (CMDLINE,))
