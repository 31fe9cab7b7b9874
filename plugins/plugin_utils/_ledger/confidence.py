# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bound on a probability of failure, from what was seen."""

from __future__ import annotations

import math

CONFIDENCE = 0.95

_STEPS = 50


def failure_bound(failures: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """Upper bound on the probability of failure, one-sided, at this confidence (Clopper and Pearson, 1934).

    Without failures this is the rule of three: about 3 / C(trials) at 95 %, so 300 trials show that it is under 1 %.

    :return: 1.0 if nothing was tried.
    """
    if failures >= trials:
        return 1.0
    low, high = failures / trials, 1.0
    for _step in range(_STEPS):
        middle = (low + high) / 2
        if _at_most(failures, trials, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def _at_most(failures: int, trials: int, probability: float) -> float:
    """Probability of at most so many failures, each of this probability."""
    if probability in (0.0, 1.0):
        return float(probability == 0.0)
    logs = (math.log(probability), math.log1p(-probability))
    ways = 0.0
    total = 0.0
    for number in range(failures + 1):
        if number:
            ways += math.log(trials - number + 1) - math.log(number)
        total += math.exp(ways + number * logs[0] + (trials - number) * logs[1])
    return total
