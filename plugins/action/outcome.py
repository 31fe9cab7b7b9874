# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of fleet.kexec.outcome; documented in C(plugins/modules/outcome.py)."""

from __future__ import annotations

import os
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError
from ansible_collections.fleet.kexec.plugins.plugin_utils._errors import RolloutError
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.outcome import (
    NotSelected,
    outcome_of,
    outcome_result,
    read_host,
)
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_store import LATEST, RunStore
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.result import NOT_SELECTED


class ActionModule(ActionBase):
    """Give each host the outcome that it had in a rolling reboot."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _validation, args = self.validate_argument_spec(
            {"run_id": {"type": "str", "default": LATEST}, "run_directory": {"type": "path"}}
        )
        if self._task.check_mode:
            return dict(result, changed=False)
        store = RunStore.at(args["run_directory"], os.environ)
        try:
            if not args["run_id"]:
                raise RolloutError("NO_RUN", "run_id is empty: the task before has made no run")
            host = read_host(store.open(args["run_id"]).journal, task_vars["inventory_hostname"])
        except NotSelected as error:
            # Shown as skipped, like the task that it was not meant for.
            return dict(result, **error.as_result(), changed=False, skipped=True, status=NOT_SELECTED)
        except CodedError as error:
            return dict(result, **error.as_result(), failed=True)
        return dict(result, **outcome_result(outcome_of(host), task_vars))
