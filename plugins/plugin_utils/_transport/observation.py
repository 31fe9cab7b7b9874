# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Value that the prober tells those who watch."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import NamedTuple


class Observation(NamedTuple):
    """Outcome of one probe.

    :ivar at: monotonic seconds: when the answer arrived if the host is up, when the probe started if it is not.
    :ivar up: whether the host, or the service, is up.
    :ivar refusing: whether the host is up and turns this controller away.
    """

    key: Hashable
    at: float
    up: bool
    refusing: bool = False


Tell = Callable[[Observation], object]
