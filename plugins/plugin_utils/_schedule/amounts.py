# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Amounts of hosts: a count, or a percentage."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from .._values import Value

_COUNT = re.compile(r"[0-9]+")
_PERCENTAGE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?%")


@dataclass(frozen=True)
class Amount:
    """Count of hosts, or a percentage of a total that is known later.

    :ivar number: hosts or percent; a fraction, because 29 % of 100 must be exactly 29.
    """

    number: Fraction
    is_percentage: bool = False

    def of(self, total: int) -> int:
        """Number of hosts out of C(total). A percentage rounds down; a count stays as it is."""
        return int(self._exactly(total))

    def of_at_least(self, total: int) -> int:
        """Number of hosts out of C(total), with percentages rounded up."""
        return -int(-self._exactly(total) // 1)

    def _exactly(self, total: int) -> Fraction:
        return self.number * total / 100 if self.is_percentage else self.number

    def __str__(self) -> str:
        return "%g%%" % float(self.number) if self.is_percentage else "%d" % self.number


def parse_amount(value: Value, least: int = 0) -> Amount:
    """Parse an amount such as C(3), C("3"), C("25%") or C("0.5 %").

    :param least: smallest valid count; if it is above 0, a percentage has to be above 0, too.
    :raises RolloutError: C(SETTINGS_INVALID).
    """
    text = "" if isinstance(value.raw, bool) else str(value.raw).strip()
    percentage = _PERCENTAGE.fullmatch(text)
    if percentage:
        amount = Amount(Fraction(percentage[1]), is_percentage=True)
        valid = amount.number <= 100 and (amount.number > 0 or least == 0)
    elif _COUNT.fullmatch(text):
        amount = Amount(Fraction(text))
        valid = amount.number >= least
    else:
        valid = False
    if not valid:
        percentages = "above 0 and up to" if least else "from 0 to"
        raise value.wrong("a whole number of at least %d, or a percentage %s 100%%" % (least, percentages))
    return amount
