# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Detection of outages that are longer than those of similar hosts, so that the rollout stops."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason, reason

from .hosts import HostSpec
from .percentiles import percentile
from .settings import Regression


class Outages:
    """Outages by host class, of this run and of earlier ones (C(samples), in seconds)."""

    def __init__(self, regression: Regression, samples: Mapping[str, Sequence[float]]) -> None:
        self._least = regression.samples
        self._margin = 1 + float(regression.margin.number) / 100
        self._margin_text = str(regression.margin)
        self._seen = {host_class: sorted(values) for host_class, values in samples.items()}

    def judge(self, host: HostSpec, outage_s: float) -> Reason | None:
        """Take in the outage of a host, and return C(REGRESSION) if it was too long for its class."""
        seen = self._seen.setdefault(host.host_class, [])
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
