# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Every failed test on a guest shows the end of that guest's console."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

CONSOLE_TAIL_BYTES = 6000


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the console to the report."""
    report = yield
    host = getattr(item, "funcargs", {}).get("host")
    if report.failed and host is not None:
        log = Path(host.ansible.get_variables()["lab_console_log"])
        tail = log.read_bytes()[-CONSOLE_TAIL_BYTES:].decode("utf-8", "replace")
        report.sections.append((f"end of {log}", tail))
    return report
