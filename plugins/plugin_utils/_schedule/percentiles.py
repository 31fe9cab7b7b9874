# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Percentiles of measured values."""

from __future__ import annotations

from collections.abc import Sequence


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Percentile by nearest rank, so always a value that occurred.

    :param ordered: at least one value, in ascending order.
    """
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
