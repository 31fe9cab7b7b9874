# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry point of modules: the only place where coded errors become failed results."""

from __future__ import annotations

from typing import Any, Callable, Dict

from ansible.module_utils.basic import AnsibleModule

from ._reasons import CodedError
from ._text import printable_values

# Characters that lay out longer texts, such as files in a diff.
_LAYOUT = "\n\t"


def run_module(module: AnsibleModule, work: Callable[[], Dict[str, Any]]) -> None:
    """Run a module's work and exit with its result, in which every text is printable: ansible-core refuses surrogates."""
    try:
        result = work()
    except CodedError as error:
        module.fail_json(**printable_values(error.as_result(), _LAYOUT))
    module.exit_json(**printable_values(result, _LAYOUT))
