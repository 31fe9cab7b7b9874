# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count of failures, and comparison with the failure budget."""

from __future__ import annotations

from collections import Counter

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason, reason

from .hosts import HostSpec
from .settings import FailureBudget


class Failures:
    """Count of failures among C(total) hosts to reboot."""

    def __init__(self, budget: FailureBudget, total: int) -> None:
        self._budget = budget
        self._most = budget.total.of(total)
        self._failed = 0
        self._in_a_row = 0
        self._by_domain: Counter[tuple[str, str]] = Counter()

    def succeeded(self) -> None:
        """Count a host that is done."""
        self._in_a_row = 0

    def failed(self, host: HostSpec) -> Reason | None:
        """Count a host that failed, and return C(FAILURE_BUDGET_SPENT) if that exceeds the budget."""
        self._failed += 1
        self._in_a_row += 1
        spent = []
        if self._failed > self._most:
            spent.append("%d failed in all, and total allows %s" % (self._failed, self._most))
        if self._budget.consecutive is not None and self._in_a_row > self._budget.consecutive:
            spent.append("%d failed in a row, and consecutive allows %d" % (self._in_a_row, self._budget.consecutive))
        for dimension, most in self._budget.each_domain.items():
            domain = host.domain(dimension)
            if domain is None:
                continue
            self._by_domain[dimension, domain] += 1
            failed = self._by_domain[dimension, domain]
            if failed > most:
                spent.append("%d failed in %s %s, and each_domain allows %d" % (failed, dimension, domain, most))
        return reason("FAILURE_BUDGET_SPENT", "after %s failed: %s" % (host.name, "; ".join(spent))) if spent else None
