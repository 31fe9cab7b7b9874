# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exception of the bootloader layer."""

from __future__ import annotations

from .._reasons import CodedError


class BootloaderError(CodedError):
    """Raised when a reservation or a change of the bootloader's configuration is refused or fails."""
