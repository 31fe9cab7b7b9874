# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exception of this layer."""

from __future__ import annotations

from .._reasons import CodedError


class PrepareError(CodedError):
    """Preparing a host, or putting it back, was refused or failed; the code says why."""
