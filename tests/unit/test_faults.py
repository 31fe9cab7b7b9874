# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that scenarios cause on virtual machines are those that the documentation lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FAULTS: dict[str, Any] = yaml.safe_load((ROOT / "molecule/shared/faults.yml").read_text())
#: First cells of the table.
FAILURES = [line.split("|")[1].strip() for line in (ROOT / "docs/failures.md").read_text().splitlines() if line.startswith("| ")]


def failure_of(fault: Any) -> str:
    """How the row begins that a fault is of. Where guards make up a fault, it is the one that they have in common."""
    return str(FAULTS["turned_away"] if isinstance(fault, str) else fault["failure"])


def test_each_fault_says_what_it_needs() -> None:
    assert FAULTS["fault_needs"].keys() == FAULTS["all_faults"].keys()


@pytest.mark.parametrize("name", FAULTS["all_faults"])
def test_each_fault_has_its_row(name: str) -> None:
    begin = failure_of(FAULTS["all_faults"][name])
    assert len([failure for failure in FAILURES if failure.startswith(begin)]) == 1


@pytest.mark.parametrize("name", [name for name, fault in FAULTS["all_faults"].items() if isinstance(fault, dict)])
def test_each_fault_has_an_end(name: str) -> None:
    assert FAULTS["all_faults"][name]["end"]["status"] in {"done", "failed", "refused"}
