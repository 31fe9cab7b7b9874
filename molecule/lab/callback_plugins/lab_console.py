# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Every task that fails on a guest shows the end of that guest's console."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

LAB = Path(__file__).resolve().parent.parent / "lab.py"

DOCUMENTATION = """
name: lab_console
type: aggregate
short_description: Shows the end of a guest's serial console when a task fails on it
description:
  - Reads the inventory variable C(lab_dir).
requirements:
  - enable in configuration
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Reads the inventory variable `lab_dir`."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "lab_console"
    CALLBACK_NEEDS_ENABLED = True

    def _show(self, result: Any) -> None:
        variables = result._host.get_vars()
        guest = variables.get("lab_dir") or variables.get("lab_guest_vars", {}).get("lab_dir")
        # Some commands of the lab say it themselves.
        if guest and "--- end of " not in result._result.get("stderr", ""):
            # Ansible loads plugins by their path, and so is the lab to a plugin.
            console_tail = runpy.run_path(str(LAB))["console_tail"]
            self._display.display(console_tail(Path(guest)), color="dark gray")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """A task failed."""
        if not ignore_errors:
            self._show(result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """A host could not be reached."""
        self._show(result)
