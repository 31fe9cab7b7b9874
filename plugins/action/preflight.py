# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of fleet.kexec.preflight; documented in C(plugins/modules/preflight.py)."""

from __future__ import annotations

import os
from typing import Any

from ansible import constants as C
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._console.output import Output
from ansible_collections.fleet.kexec.plugins.plugin_utils._console.preflight import preflight_text
from ansible_collections.fleet.kexec.plugins.plugin_utils._console.screen import screen_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._host_facts import facts_by_host
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_store import RunStore
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.samples import RUNS_REMEMBERED, remembered
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.facts import look_at_facts
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.file import default_path
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.fold import RunFold
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.judge import ClassJudge
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.samples import outages_of_ledger
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.standing import PROVEN_AFTER
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.update import read_with_journals
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.words import warning_text
from ansible_collections.fleet.kexec.plugins.plugin_utils._preflight import Preflight, totals_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.path_outages import PathOutages

display = Display()


class ActionModule(ActionBase):
    """Show how the play's hosts would reboot."""

    TRANSFERS_FILES = False
    BYPASS_HOST_LOOP = True
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(
            {
                **{name: {"type": "path"} for name in ("ledger", "run_directory")},
                "proven_after": {"type": "int", "default": PROVEN_AFTER},
            }
        )
        variables = task_vars or {}
        store = RunStore.at(args["run_directory"], os.environ)
        reading = read_with_journals(args["ledger"] or default_path(store.directory), store, RUNS_REMEMBERED)
        for why in reading.warnings:
            display.warning(warning_text(why))
        judge = ClassJudge(reading.ledger, RunFold(), proven_after=args["proven_after"])
        # Journals know more than the ledger, which has no soft reboots.
        outages = PathOutages({**outages_of_ledger(reading.ledger), **remembered(store).outages_s})
        hosts = {name: look_at_facts(name, facts, judge, outages.saved_s) for name, facts in facts_by_host(variables).items()}
        totals = totals_of(list(hosts.values()))
        screen = screen_of(os.getppid(), os.environ)
        columns = screen.size()[0] if screen.terminal is not None else None
        output = Output(display, os.getppid(), C.DEFAULT_STDOUT_CALLBACK)
        for line in preflight_text(hosts, totals, columns=columns, glyphs=screen.glyphs):
            output.say(line)
        values = {name: dict(found.values) if isinstance(found, Preflight) else None for name, found in hosts.items()}
        unread = {name: found.as_dict() for name, found in hosts.items() if isinstance(found, Reason)}
        return dict(result, changed=False, totals=totals, hosts=values, unread=unread)
