# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes and action groups are documented as they are."""

from __future__ import annotations

import importlib
import re
from dataclasses import replace

import pytest

from .documentation import (
    ACTIONS,
    MODULES,
    PLUGINS,
    ROOT,
    documented_attributes,
    documented_options,
    flat,
    yaml_of,
)

GROUPS: dict[str, list[str]] = yaml_of(ROOT / "meta/runtime.yml")["action_groups"]
PAGE = ROOT / "docs/module-defaults.md"
PREFIX = "fleet.kexec."


def quoted(cell: str) -> list[str]:
    """Names in a cell of a table."""
    return re.findall(r"`([\w.]+)`", cell)


def shared_options() -> dict[str, tuple[list[str], list[str]]]:
    """Members and shared options of each group, as the page's table has them."""
    rows = re.findall(r"^\| `%s(\w+)` \| (.*) \| (.*) \|$" % re.escape(PREFIX), PAGE.read_text(), re.MULTILINE)
    return {group: (quoted(members), quoted(options)) for group, members, options in rows}


def test_the_page_has_every_group_with_its_members() -> None:
    assert {group: members for group, (members, _options) in shared_options().items()} == GROUPS


@pytest.mark.parametrize("group", GROUPS)
def test_members_of_a_group_share_its_options(group: str) -> None:
    members, options = shared_options()[group]
    assert options
    for option in options:
        # Earlier names may differ: those of fleet.kexec.reboot are those of ansible.builtin.reboot.
        meanings = [
            {
                path: replace(each, aliases=frozenset())
                for path, each in flat({option: documented_options(member)[option]}).items()
            }
            for member in members
        ]
        assert all(meaning == meanings[0] for meaning in meanings), option


@pytest.mark.parametrize("module", MODULES)
def test_a_module_names_its_groups(module: str) -> None:
    membership = documented_attributes(module).get("action_group", {}).get("membership", [])
    assert membership == sorted(PREFIX + group for group, members in GROUPS.items() if module in members)


@pytest.mark.parametrize("module", MODULES)
def test_attributes_are_those_of_the_action_plugin(module: str) -> None:
    attributes = documented_attributes(module)
    assert ("action" in attributes) == (module in ACTIONS)
    once = False
    if module in ACTIONS:
        once = importlib.import_module("%s.action.%s" % (PLUGINS, module)).ActionModule.BYPASS_HOST_LOOP
    assert attributes["bypass_host_loop"]["support"] == ("full" if once else "none")
