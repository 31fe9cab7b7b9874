# SPDX-License-Identifier: GPL-3.0-or-later
"""Codes: the catalogue, the sources and the documentation name the same ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CATALOGUE, CodedError, reason

ROOT = Path(__file__).resolve().parents[4]


def test_every_code_is_used_and_every_used_code_is_known() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "plugins").rglob("*.py") if path.name != "_reasons.py")
    patterns = (r'(?:Error|reason|not_begun)[(,]\s*"([A-Z0-9_]{4,})"', r'get\("code", "([A-Z0-9_]+)"')
    assert {code for pattern in patterns for code in re.findall(pattern, sources)} <= set(CATALOGUE)
    # Some are chosen before they are raised.
    assert set(CATALOGUE) <= set(re.findall(r'"([A-Z0-9_]{4,})"', sources))


def test_documentation_lists_every_code_with_its_hint() -> None:
    listed = dict(re.findall(r"^\| `([A-Z0-9_]+)` \| .* \| (.*) \|$", (ROOT / "docs/codes.md").read_text(), re.MULTILINE))
    assert listed == CATALOGUE


def test_a_coded_error_becomes_a_result() -> None:
    result = CodedError("NOT_ROOT", "this is uid 1000", rebooted=False).as_result()
    assert result == {"msg": "this is uid 1000", "code": "NOT_ROOT", "hint": "Set become: true.", "rebooted": False}


def test_an_unknown_code_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        reason("NO_SUCH_CODE", "")
