# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check for root privileges."""

from __future__ import annotations

import os

from ._reasons import CodedError


def require_root() -> None:
    """Refuse to continue without root; raises CodedError with C(NOT_ROOT)."""
    if os.geteuid() != 0:
        raise CodedError("NOT_ROOT", "this needs root, but runs as uid %d" % os.geteuid())
