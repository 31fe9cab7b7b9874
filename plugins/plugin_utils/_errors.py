# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of a rollout as a whole."""

from __future__ import annotations

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError


class RolloutError(CodedError):
    """Raised when a rollout was refused or can't continue; the code says why."""
