# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lock against concurrent staging and changes of fast images."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import Iterator

from .._host.files import HostFiles
from .._paths import RUN_DIRECTORY
from .errors import KexecError


@contextlib.contextmanager
def exclusive(files: HostFiles) -> Iterator[None]:
    """Hold the lock, which ends with the process at the latest.

    :raises KexecError: C(STAGE_BUSY).
    """
    directory = files.path(RUN_DIRECTORY)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise KexecError("STAGE_BUSY", "another process is staging on this host, or installing fast images") from error
        yield
    finally:
        os.close(descriptor)
