# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds of findings: the table, the analysis and the documentation name the same ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._finding_kinds import KINDS, explained

ROOT = Path(__file__).resolve().parents[4]


def test_every_kind_is_found_and_every_finding_has_its_kind() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "plugins/module_utils/_findings").glob("*.py"))
    assert set(KINDS) <= set(re.findall(r'"([A-Z_]{3,})"', sources))
    assert set(re.findall(r'Finding\(\s*"([A-Z_]+)"', sources)) <= set(KINDS)


def test_documentation_lists_every_kind() -> None:
    text = (ROOT / "docs/shorter-outages.md").read_text()
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", text, re.MULTILINE)
    assert {code: rest for code, *rest in rows} == {
        code: [kind.hint, kind.risk, "`%s`" % kind.part if kind.part else ""] for code, kind in KINDS.items()
    }


def test_findings_are_explained() -> None:
    assert explained([{"code": "DHCP", "gain_ms": 7.0}]) == [
        {
            "code": "DHCP",
            "gain_ms": 7.0,
            "title": KINDS["DHCP"].title,
            "hint": KINDS["DHCP"].hint,
            "risk": KINDS["DHCP"].risk,
            "prepare_boot": None,
        }
    ]


@pytest.mark.parametrize("stored", [None, 7, "DHCP", {}, [7], [{}], [{"code": "LATER"}], [{"code": 7}], [{"code": ["DHCP"]}]])
def test_what_a_file_may_hold_instead(stored: Any) -> None:
    assert explained(stored) == []
