# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exception of the preparation layer."""

from __future__ import annotations

from .._reasons import CodedError


class PrepareError(CodedError):
    """Raised when preparing or restoring a host is refused or fails."""
