# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exception of the kexec layer."""

from __future__ import annotations

from .._reasons import CodedError


class KexecError(CodedError):
    """Raised when staging or unstaging is refused or fails."""
