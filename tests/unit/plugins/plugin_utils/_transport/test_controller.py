# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import getpass
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.controller import operator_of


@pytest.mark.parametrize(
    ("variables", "environ", "name"),
    [
        ({"awx_user_name": "alice", "tower_user_name": "bob"}, {"SUDO_USER": "carol"}, "alice"),
        ({"tower_user_name": "bob"}, {}, "bob"),
        ({"awx_user_name": ["alice"]}, {"SUDO_USER": "carol"}, "carol"),
        ({}, {"SUDO_USER": ""}, getpass.getuser()),
    ],
)
def test_who_runs_the_playbook(variables: dict[str, Any], environ: dict[str, str], name: str) -> None:
    assert operator_of(variables, environ) == name


def test_a_user_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise KeyError("uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", fail)
    assert operator_of({}, {}) == ""
