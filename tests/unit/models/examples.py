# SPDX-License-Identifier: GPL-3.0-or-later
"""Number of examples that each model is tried with: few and always the same in C(make unit), as many as asked for otherwise.

C(make models EXAMPLES=10000) draws other examples each time and prints the seed of the run. A failing example is printed with
all of its values; C(make models EXAMPLES=10000 SEED=…) draws the same examples again.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

#: Examples of each test; 0: as many as take less than a second.
EXAMPLES = int(os.environ.get("MODEL_EXAMPLES") or 0)

#: Directory for many small trees, in memory where there is such; None: the usual one.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def tried(landing: int, phases: tuple[Phase, ...] = tuple(Phase)) -> settings:
    """Settings of a test that takes less than a second with C(landing) examples."""
    return settings(
        max_examples=EXAMPLES or landing,
        derandomize=not EXAMPLES,
        phases=phases,
        database=None,
        deadline=None,
        print_blob=bool(EXAMPLES),
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
