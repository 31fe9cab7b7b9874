# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measured outages by path, and what a lesser reboot saves of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.least import METHODS, methods_from

from .percentiles import percentile

#: Seconds of outages by path and host class.
OutageSamples = Mapping[tuple[str, str], Sequence[float]]


class PathOutages:
    """Median outages by path and host class. Other classes tell nothing of a class, so there may be none."""

    def __init__(self, samples: OutageSamples) -> None:
        self._medians_s = {key: percentile(sorted(values), 50) for key, values in samples.items() if values}

    def saved_s(self, method: str | None, host_class: str) -> dict[str, float]:
        """Predict the seconds of outage that a host is spared by a method in place of those that apply more, by these.

        Those that were not measured are left out.

        :param method: one of :data:`METHODS`; None if the host is not rebooted at all.
        """
        mine_s = 0.0 if method is None else self._medians_s.get((method, host_class))
        if mine_s is None:
            return {}
        others = METHODS if method is None else methods_from(method)[1:]
        medians_s = {other: self._medians_s.get((other, host_class)) for other in others}
        return {other: round(median_s - mine_s, 1) for other, median_s in medians_s.items() if median_s is not None}
