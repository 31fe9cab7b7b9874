# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Nothing is left of reservations in what the next boot is made from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def test_files_are_as_they_were(remembered: Callable[[str], dict[str, Any]]) -> None:
    assert remembered("digests_after") == remembered("digests")
