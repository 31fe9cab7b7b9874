# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the ledger."""

from __future__ import annotations

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError


class LedgerError(CodedError):
    """Raised when a ledger can't be read, written or changed as asked. During a run it becomes a warning."""
