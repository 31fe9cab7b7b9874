# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of fleet.kexec.report; documented in C(plugins/modules/report.py)."""

from __future__ import annotations

import os
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_store import LATEST, RunStore
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.standing import PROVEN_AFTER
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.options import (
    FORMATS,
    ReportRequest,
    parse_mode,
    parse_runs,
    parse_ways,
)
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.report import make_report


class ActionModule(ActionBase):
    """Make a report of a run."""

    TRANSFERS_FILES = False
    BYPASS_HOST_LOOP = True
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(
            mutually_exclusive=[("ways", "compare", "runs"), ("ways", "metrics"), ("runs", "metrics")],
            argument_spec={
                "run_id": {"type": "str", "default": LATEST},
                "compare": {"type": "str"},
                "ways": {"type": "dict"},
                "runs": {"type": "raw"},
                "title": {"type": "str"},
                "reason": {"type": "str"},
                "ticket": {"type": "str"},
                "redact": {"type": "bool", "default": False},
                "run_directory": {"type": "path"},
                "ledger": {"type": "path"},
                "proven_after": {"type": "int", "default": PROVEN_AFTER},
                "mode": {"type": "raw"},
                **{name: {"type": "path"} for name in FORMATS},
            },
        )
        store = RunStore.at(args["run_directory"], os.environ)
        try:
            request = ReportRequest(
                run_id=args["run_id"],
                compare=args["compare"],
                ways=parse_ways(args["ways"]),
                paths={name: args[name] for name in FORMATS if args[name]},
                runs=parse_runs(args["runs"]),
                title=args["title"],
                reason=args["reason"],
                ticket=args["ticket"],
                redact=args["redact"],
                ledger=args["ledger"],
                proven_after=args["proven_after"],
                mode=parse_mode(args["mode"]),
                check=self._task.check_mode,
            )
            result.update(make_report(store, request))
        except CodedError as error:
            result.update(error.as_result(), failed=True)
        return result
