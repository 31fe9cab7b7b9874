# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Argument specification of M(fleet.kexec.rolling_reboot), without the options that are templated for each host."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._options import image_argument_spec

from .._ledger.standing import PROVEN_AFTER
from .._lock.interface import lock_argument_spec
from .._reboot.methods import AUTO, REQUESTS
from .._reboot.request import ONLY, ONLY_ALL, RebootRequest
from .._schedule.settings import ORDER_INVENTORY, ORDERS
from .fallbacks import FALLBACK_NONE, FALLBACKS
from .run_hooks import RUN_HOOKS

FAILURES_FAIL = "fail"
FAILURES_REPORT = "report"

# Commands, modules and hooks that run at once; each takes one or two processes on the controller.
CONNECTIONS = 64


def rolling_argument_spec() -> dict[str, Any]:
    """Types and choices. What depends on several options is checked where the options are read, so that errors carry a code."""
    return {
        **image_argument_spec(),
        **lock_argument_spec(),
        "method": {"type": "str", "choices": list(REQUESTS), "default": AUTO},
        "only": {"type": "str", "choices": list(ONLY), "default": ONLY_ALL},
        "fallback": {"type": "str", "choices": list(FALLBACKS), "default": FALLBACK_NONE},
        "reboot_timeout": {"type": "int", "default": 600, "aliases": ["reboot_timeout_sec"]},
        "connect_timeout": {"type": "int", "aliases": ["connect_timeout_sec"]},
        "connections": {"type": "int", "default": CONNECTIONS},
        "reason": {"type": "str"},
        "ticket": {"type": "str"},
        "msg": {"type": "str", "default": "Reboot initiated by Ansible"},
        "window": {"type": "raw", "default": 1},
        "max_unavailable": {"type": "raw"},
        "min_available": {"type": "dict"},
        "canaries": {"type": "dict"},
        "waves": {"type": "list", "elements": "raw"},
        "wave_soak": {"type": "float", "default": 0},
        "failure_budget": {"type": "raw", "default": 0},
        "order": {"type": "str", "choices": list(ORDERS), "default": ORDER_INVENTORY},
        "deadline": {"type": "str"},
        "stop_on_regression": {"type": "dict"},
        # Read later, because Ansible's messages about suboptions would show secrets.
        **{option: {"type": "raw"} for option in RUN_HOOKS},
        "stall_timeout": {"type": "float", "default": 600},
        "ledger": {"type": "path"},
        "proven_after": {"type": "int", "default": PROVEN_AFTER},
        "failures": {"type": "str", "choices": [FAILURES_FAIL, FAILURES_REPORT], "default": FAILURES_FAIL},
        "run_id": {"type": "str"},
        "run_directory": {"type": "path"},
        "resume": {"type": "str"},
        "retry_failed": {"type": "bool", "default": False},
    }


def request_of(options: Mapping[str, Any], given: Container[str]) -> RebootRequest:
    """Request for each host's reboot.

    :param options: of the task, valid.
    :param given: names of the options that the task has; of the others about images, the host's own defaults apply.
    """
    return RebootRequest(
        method=options["method"],
        only=options["only"],
        reboot_timeout_s=options["reboot_timeout"],
        test_command="",
        message=options["msg"],
        image={name: options[name] for name in image_argument_spec() if name in given},
    )
