# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of fleet.kexec.check_variables; documented in C(plugins/modules/check_variables.py)."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError
from ansible_collections.fleet.kexec.plugins.plugin_utils._variables import VariableNames

display = Display()


class ActionModule(ActionBase):
    """Fail a host that has variables which mean nothing."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(
            {
                "prefix": {"type": "str", "required": True},
                "known": {"type": "list", "elements": "str", "required": True},
                "shared": {"type": "bool", "default": False},
            }
        )
        names = VariableNames(args["prefix"], frozenset(args["known"]), args["shared"])
        try:
            for sentence in names.check(task_vars or {}):
                display.warning(sentence)
        except CodedError as error:
            return dict(result, **error.as_result(), failed=True)
        return dict(result, changed=False)
