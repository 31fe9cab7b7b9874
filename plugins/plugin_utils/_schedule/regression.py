# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Detection of outages that are longer than those of similar hosts, so that the rollout stops."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason, reason

from .hosts import HostSpec
from .percentiles import percentile
from .settings import Regression

#: Outages in seconds of hosts of a class that were rebooted by one of these methods.
Measured = Callable[[tuple[str, ...], str], Sequence[float]]


def nothing_measured(_methods: tuple[str, ...], _host_class: str) -> Sequence[float]:
    return ()


class Outages:
    """Outages of hosts of a class that are rebooted by the same methods, of this run and of earlier ones.

    :param measured: outages in earlier runs, in seconds, by the methods and the class.
    """

    def __init__(self, regression: Regression, measured: Measured) -> None:
        self._least = regression.samples
        self._margin = 1 + float(regression.margin.number) / 100
        self._margin_text = str(regression.margin)
        self._measured = measured
        self._seen: dict[tuple[tuple[str, ...], str], list[float]] = {}

    def judge(self, host: HostSpec, outage_s: float) -> Reason | None:
        """Take in the outage of a host, and return C(REGRESSION) if it was too long for its class."""
        key = host.methods, host.host_class
        if key not in self._seen:
            self._seen[key] = sorted(self._measured(*key))
        seen = self._seen[key]
        verdict = None
        if len(seen) >= self._least:
            usual_s = percentile(seen, 95)
            if outage_s > usual_s * self._margin:
                verdict = reason(
                    "REGRESSION",
                    "%s had an outage of %.1f s, more than %s above %.1f s, the 95th percentile of its class (%s)"
                    % (host.name, outage_s, self._margin_text, usual_s, host.host_class),
                )
        insort(seen, outage_s)
        return verdict
