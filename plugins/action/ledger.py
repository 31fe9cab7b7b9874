# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of fleet.kexec.ledger; documented in C(plugins/modules/ledger.py)."""

from __future__ import annotations

import os
import time
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError
from ansible_collections.fleet.kexec.plugins.plugin_utils._host_facts import facts_by_host
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.file import utc
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_store import RunStore
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.boots import boot_sources
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.file import default_path
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.request import (
    STATE_CLEARED,
    STATE_EXPORTED,
    STATE_UPDATED,
    STATES,
    LedgerRequest,
    carry_out,
)
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.standing import PROVEN_AFTER
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.words import warning_text
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.controller import operator_of

display = Display()


class ActionModule(ActionBase):
    """Keep the ledger of reboots."""

    TRANSFERS_FILES = False
    BYPASS_HOST_LOOP = True
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        _validation, args = self.validate_argument_spec(
            required_if=[("state", STATE_EXPORTED, ("dest",)), ("state", STATE_CLEARED, ("host_class", "reason"))],
            argument_spec={
                "state": {"type": "str", "choices": list(STATES), "default": STATE_UPDATED},
                **{name: {"type": "path"} for name in ("ledger", "run_directory", "dest")},
                "merge": {"type": "list", "elements": "path", "default": []},
                "histories": {"type": "bool", "default": False},
                **{name: {"type": "str"} for name in ("host_class", "before", "after", "reason")},
                "proven_after": {"type": "int", "default": PROVEN_AFTER},
                "names": {"type": "bool", "default": False},
            },
        )
        store = RunStore.at(args["run_directory"], os.environ)
        boots, unreadable = boot_sources(facts_by_host(variables) if args["histories"] else {})
        request = LedgerRequest(
            state=args["state"],
            path=args["ledger"] or default_path(store.directory),
            merge=args["merge"],
            boots=boots,
            **{name: args[name] for name in ("dest", "host_class", "before", "after", "reason", "proven_after", "names")},
            by=operator_of(variables, os.environ),
            at=utc(time.time()),
            check=self._task.check_mode,
        )
        try:
            answer, warnings = carry_out(store, request)
            result.update(answer)
        except CodedError as error:
            result.update(error.as_result(), failed=True)
        else:
            for why in (*unreadable, *warnings):
                display.warning(warning_text(why))
        return result
