# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Keeps, for the tests of a scenario, which tasks of its plays changed something."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible import context
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: lab_changes
type: aggregate
short_description: Keeps which tasks changed something
description:
  - Adds a line of JSON for each play to C(changes.jsonl) in Molecule's directory of the scenario.
requirements:
  - enable in configuration
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Writes to the directory that Molecule names in the environment."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "lab_changes"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._directory = os.environ.get("MOLECULE_EPHEMERAL_DIRECTORY")
        self._play = ""
        self._changed: dict[str, list[str]] = {}

    def _keep(self) -> None:
        if self._directory and self._play:
            line = {"play": self._play, "check": context.CLIARGS["check"], "changed": self._changed}
            with (Path(self._directory) / "changes.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")
        self._changed = {}

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """A play begins; the one before has ended."""
        self._keep()
        self._play = play.get_name()

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """The last play has ended."""
        self._keep()

    def v2_runner_on_ok(self, result: Any) -> None:
        """A task is done on a host."""
        if result._result.get("changed"):
            self._changed.setdefault(result._host.get_name(), []).append(result._task.name)
