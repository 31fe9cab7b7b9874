# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter fleet.kexec.query; see C(query.yml) beside it for the documentation."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_store import default_directory
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.query import query


def _query(source: Any, expression: Any, run_directory: str | None = None) -> Any:
    try:
        return query(source, expression, os.path.expanduser(run_directory) if run_directory else default_directory(os.environ))
    except CodedError as error:
        why = error.reason
        raise AnsibleFilterError("%s: %s. %s" % (why.code, why.message, why.hint)) from error


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"query": _query}
