# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Group variables in docs/recipes, read as the role and the module read them, up to the plan."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleValueOmittedError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.fleet.kexec.plugins.plugin_utils._errors import RolloutError
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.interrupt import Interrupt
from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.interface import lock_options
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.arguments import request_of, rolling_argument_spec
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.combinations import (
    options_without_effect,
    refuse_contradictions,
)
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.fleet import PlayFleet
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.host_options import check_places, take_per_host
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.planning import Planner
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.run_hooks import RUN_HOOKS, RunHookLists
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.terms import terms_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.history import History
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.plan import Plan
from ansible_collections.fleet.kexec.plugins.plugin_utils._variables import ROLLING_ROLE, rolling_variables

from .plugins.plugin_utils._rollout.inventory import Inventory, trusted

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "roles/rolling_reboot"
RECIPES = {path.stem: path for path in sorted((ROOT / "docs/recipes").glob("*.md")) if path.name != "README.md"}
SECTIONS = ("The file", "What each hook does", "Try it")

NOON = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
NUMBERS = (1, 2, 3)

# Instead of what is looked up while the playbook runs.
LOOKED_UP: Mapping[str, Mapping[str, Any]] = {
    "patroni": {
        "patroni_cluster": {
            "members": [
                {"name": "patroni1", "role": "replica"},
                {"name": "patroni2", "role": "leader"},
                {"name": "patroni3", "role": "sync_standby"},
            ]
        }
    },
    "elasticsearch": {"vault_es_password": "secret"},
}


class RecipeInventory(Inventory):
    """A group with the recipe's variables, and the hosts that its hooks run on.

    :param others: those hosts.
    """

    def __init__(self, group: str, variables: Mapping[str, Any], others: Sequence[str]) -> None:
        self.group = group
        self.names = ["%s%d" % (group, number) for number in NUMBERS]
        of_host = {
            name: {**variables, "inventory_hostname_short": name, "group_names": [group], "groups": {group: self.names}}
            for name in self.names
        }
        super().__init__({**of_host, **{name: {} for name in others}})

    def groups(self, name: str) -> frozenset[str]:
        return frozenset({"all", self.group} if name in self.names else {"all"})

    def members(self, groups: Any) -> list[str]:
        return self.names if self.group in groups else super().members(groups)


def recipe(text: str) -> tuple[str, dict[str, Any]]:
    """Group and variables of the one block that is a file of group variables."""
    ((group, block),) = re.findall(r"^```yaml\n# group_vars/(\w+)\.yml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return group, yaml.safe_load(block)


def planned(group: str, variables: Mapping[str, Any], looked_up: Mapping[str, Any]) -> tuple[Plan, PlayFleet, list[str]]:
    """Plan of three hosts of the group, made as by the role, and sentences about options without effect."""
    variables = {**yaml.safe_load((ROLE / "defaults/main.yml").read_text()), **variables, **looked_up}
    inventory: Any = RecipeInventory(group, variables, sorted(set(places(variables))))
    of_first = inventory.variables(inventory.names[0])
    known = rolling_variables({"ansible_role_name": ROLLING_ROLE, "role_path": str(ROLE)}, _yaml)
    raw, options = task_options(inventory, of_first)
    refuse_contradictions(options)
    run_hooks = RunHookLists.parse(options)
    for option, hooks in run_hooks.by_option().items():
        check_places(inventory, option, hooks)
    options = {name: value for name, value in options.items() if name not in RUN_HOOKS}
    request = request_of(options, {name for name, value in options.items() if value is not None})
    request.check()
    terms = terms_of(options, request, NOON)
    lock_options(options["lock"] or {})
    fleet = PlayFleet(
        inventory,
        raw,
        prober=None,  # type: ignore[arg-type]  # nobody connects
        service_prober=None,  # type: ignore[arg-type]
        request=request,
        fallback=options["fallback"],
        connect_timeout_s=None,
        connections=1,
        own_boot_id="mine",
        random=lambda count: "ab" * count,
        progress=lambda host, text: None,
        interrupt=Interrupt(),
        names=known,
    )
    planner = Planner(inventory, inventory.names, left_out=(), unavailable=(), machines=(), seed=1)
    plan = planner.new(fleet, History({}), terms.settings)
    hooks_of_hosts = [fleet.options(name).hooks for name in inventory.names]
    return plan, fleet, options_without_effect(options, terms.settings, plan, hooks_of_hosts)


def task_options(inventory: RecipeInventory, variables: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options of the role's task: those that each host templates, as they are written, and the others, validated."""
    (task,) = (task for task in _yaml(ROLE / "tasks/reboot.yml") if "fleet.kexec.rolling_reboot" in task)
    written = dict(trusted(task["fleet.kexec.rolling_reboot"]))
    raw = take_per_host(written)
    templar = inventory.templar(variables)
    given = {}
    for option, value in written.items():
        try:
            given[option] = templar.template(value)
        except AnsibleValueOmittedError:
            continue
    checked = ArgumentSpecValidator(rolling_argument_spec()).validate(given)
    assert not checked.error_messages, checked.error_messages
    return raw, checked.validated_parameters


def places(value: Any) -> Iterator[str]:
    """Hosts that hooks name to run on."""
    if isinstance(value, Mapping):
        place = value.get("run_on")
        if isinstance(place, str) and place not in ("host", "controller") and "{{" not in place:
            yield place
        for each in value.values():
            yield from places(each)
    elif isinstance(value, list):
        for each in value:
            yield from places(each)


def _yaml(path: Any) -> Any:
    return yaml.safe_load(Path(path).read_text())


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_planned(name: str) -> None:
    group, variables = recipe(RECIPES[name].read_text())
    plan, fleet, without_effect = planned(group, variables, LOOKED_UP.get(name, {}))
    assert {host.name for host in plan.hosts} == {"%s%d" % (group, number) for number in NUMBERS}
    assert without_effect == []
    of_hosts = [option for option in ("before", "after", "on_failure") if "rolling_reboot_" + option in variables]
    for option in of_hosts:
        assert len(getattr(fleet.options(plan.hosts[0].name).hooks, option)) == len(variables["rolling_reboot_" + option])
    assert of_hosts


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_explains_itself(name: str) -> None:
    text = RECIPES[name].read_text()
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert [heading for heading in headings if heading in SECTIONS] == list(SECTIONS)
    _group, variables = recipe(text)
    explained = text.partition("## What each hook does")[2]
    names = [hook["name"] for value in variables.values() if isinstance(value, list) for hook in value if isinstance(hook, dict)]
    assert names and [hook for hook in names if "**%s**" % hook not in explained] == []
    assert "If it" in explained or "If one of" in explained


def test_every_recipe_is_listed() -> None:
    listed = re.findall(r"^\| \[.*?\]\((.*?)\.md\)", (ROOT / "docs/recipes/README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(RECIPES)


def test_the_leader_goes_last() -> None:
    group, variables = recipe(RECIPES["patroni"].read_text())
    plan, _fleet, _sentences = planned(group, variables, LOOKED_UP["patroni"])
    assert [(wave.name, [host.name for host in wave.hosts]) for wave in plan.waves] == [
        ("wave 1", ["patroni1", "patroni3"]),
        ("last", ["patroni2"]),
    ]


Change = Callable[[dict[str, Any]], None]


def misspell_option(variables: dict[str, Any]) -> None:
    name = next(each for each in variables if each.startswith("rolling_reboot_"))
    variables[name + "s"] = variables.pop(name)


def misspell_key_of_hook(variables: dict[str, Any]) -> None:
    option = next(
        each for each in variables if each.startswith("rolling_reboot_") and "hook" not in each and is_hooks(variables[each])
    )
    variables[option][0]["retrys"] = 1


def is_hooks(value: Any) -> bool:
    return isinstance(value, list) and isinstance(value[0], dict)


@pytest.mark.parametrize("change", [misspell_option, misspell_key_of_hook])
@pytest.mark.parametrize("name", RECIPES)
def test_a_misspelt_recipe_is_refused(name: str, change: Change) -> None:
    group, variables = recipe(RECIPES[name].read_text())
    change(variables)
    with pytest.raises(RolloutError) as caught:
        planned(group, variables, LOOKED_UP.get(name, {}))
    assert caught.value.reason.code in ("VARIABLE_UNKNOWN", "SETTINGS_INVALID")


@pytest.mark.parametrize("text", ["# A page\n", "```yaml\nrolling_reboot_window: 1\n```\n"])
def test_a_page_without_a_file_is_no_recipe(text: str) -> None:
    with pytest.raises(ValueError, match="not enough values"):
        recipe(text)
