# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time

import pytest

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


def test_tools_get_the_proxies_of_the_task_and_nothing_else_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://user:secret@proxy.example.org")
    monkeypatch.setenv("LD_PRELOAD_OF_A_TEST", "1")
    said = run_command(["env"], 30.0).stdout.splitlines()
    assert "https_proxy=http://user:secret@proxy.example.org" in said
    assert not any(line.startswith("LD_PRELOAD_OF_A_TEST") for line in said)
