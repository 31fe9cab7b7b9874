# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exception type of reports and queries."""

from __future__ import annotations

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError


class ReportError(CodedError):
    """Raised when a report can't be made or written, or a query is invalid; the code says why."""
