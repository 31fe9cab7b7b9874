# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes how each task ended on each host, a line of JSON each, to the file that PLAYS_RESULTS names."""

from __future__ import annotations

DOCUMENTATION = """
name: results
type: aggregate
author: fleet.kexec contributors
short_description: results as lines of JSON
description: Writes how each task ended on each host.
"""

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    """Writes results."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "results"

    def __init__(self) -> None:
        super().__init__()
        self._play = ""

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Keep the play's name."""
        self._play = play.get_name()

    def v2_runner_on_ok(self, result: Any) -> None:
        """Write it."""
        self._write("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Write it."""
        self._write("failed", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Write it."""
        self._write("skipped", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Write it."""
        self._write("unreachable", result)

    def _write(self, ended: str, result: Any) -> None:
        line = {
            "play": self._play,
            "task": result.task_name,
            "host": result.host.get_name(),
            "ended": ended,
            "result": result.result,
        }
        with open(os.environ["PLAYS_RESULTS"], "a", encoding="utf-8") as stream:
            stream.write(json.dumps(line, default=str) + "\n")
