# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time

from ansible_collections.fleet.kexec.plugins.module_utils._command import run_command


def test_output_and_exit_code() -> None:
    result = run_command(["sh", "-c", "echo out; echo err >&2; exit 3"], 10)
    assert (result.rc, result.stdout, result.stderr, result.last_words()) == (3, "out\n", "err\n", "err")


def test_missing_command() -> None:
    assert run_command(["no-such-command-here"], 10).rc == 127


def test_timeout_is_kept() -> None:
    began = time.monotonic()
    result = run_command(["sleep", "30"], 0.1)
    assert result.rc == 124
    assert time.monotonic() - began < 5
