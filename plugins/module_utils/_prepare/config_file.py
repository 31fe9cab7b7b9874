# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give back C(/etc/fleet-kexec.conf), which C(fast_image) writes and remembers."""

from __future__ import annotations

from .._host.files import HostFiles
from .._paths import CONFIG_FILE
from .record import PreparationRecord
from .steps import Step, step_giving_back

PART = "config_file"


def plan_restoring(files: HostFiles, record: PreparationRecord) -> Step:
    """Give the file back as it was, unless somebody has changed it since.

    :raises PrepareError: C(PREPARE_FAILED): it can't be read.
    """
    return step_giving_back(PART, files, record, (CONFIG_FILE,))
