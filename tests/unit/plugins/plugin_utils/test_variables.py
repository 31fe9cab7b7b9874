# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._errors import RolloutError
from ansible_collections.fleet.kexec.plugins.plugin_utils._variables import VariableNames, rolling_variables

PREPARE = VariableNames("prepare_", {"prepare_state", "prepare_packages", "prepare_watchdog"}, shared=True)
ROLLING = VariableNames("rolling_reboot_", {"rolling_reboot_window", "rolling_reboot_max_unavailable"})
OTHERS = ["inventory_hostname", "ansible_host", "fleet_kexec", "prepared", "__prepare_found", "my_rolling_reboot_window"]


def refusal(names: VariableNames, *given: str) -> str:
    with pytest.raises(RolloutError) as caught:
        names.check([*OTHERS, *given])
    assert caught.value.reason.code == "VARIABLE_UNKNOWN"
    return caught.value.reason.message


@pytest.mark.parametrize("names", [PREPARE, ROLLING])
def test_known_names_and_those_of_others_are_left_alone(names: VariableNames) -> None:
    assert names.check([*OTHERS, *names.known, "fleet_kexec_policy", "fleet_kexec_hosts", "fleet_kexec_become"]) == []


@pytest.mark.parametrize(
    ("given", "meant"),
    [("sate", "state"), ("States", "state"), ("wacthdog", "watchdog"), ("package", "packages")],
)
def test_a_misspelt_name_is_refused_with_the_one_that_is_meant(given: str, meant: str) -> None:
    assert refusal(PREPARE, "prepare_" + given) == "prepare_%s means nothing here, but prepare_%s does" % (given, meant)


def test_a_prefix_that_others_may_use_is_theirs_unless_the_name_is_like_ours() -> None:
    assert PREPARE.check(["prepare_disks"]) == ["prepare_disks means nothing here"]
    assert PREPARE.check(["prepare_packages_extra"]) == ["prepare_packages_extra means nothing here"]
    assert refusal(PREPARE, "prepare_disks", "prepare_sate").startswith("prepare_sate means nothing here")


def test_a_prefix_of_our_own_is_ours_alone() -> None:
    assert refusal(ROLLING, "rolling_reboot_most_hosts") == "rolling_reboot_most_hosts means nothing here"


@pytest.mark.parametrize("names", [PREPARE, ROLLING])
def test_names_of_the_collection_are_ours_everywhere(names: VariableNames) -> None:
    assert refusal(names, "fleet_kexec_polcy").endswith(", but fleet_kexec_policy does")
    assert refusal(names, "fleet_kexec_x") == "fleet_kexec_x means nothing here"


def test_a_name_can_not_play_tricks_on_a_terminal() -> None:
    assert "\x1b" not in refusal(ROLLING, "rolling_reboot_\x1b[2J")


def test_variables_are_checked_in_the_role_only() -> None:
    specs: dict[str, Any] = {"argument_specs": {"main": {"options": {"rolling_reboot_window": {}}}}}
    in_role = {"ansible_role_name": "fleet.kexec.rolling_reboot", "role_path": "/roles/it"}
    found = rolling_variables(in_role, {"/roles/it/meta/argument_specs.yml": specs}.__getitem__)
    assert found is not None and found.check(["rolling_reboot_window", "rolling_reboot_result"]) == []
    nothing: dict[str, Any] = {}
    assert rolling_variables({"ansible_role_name": "mine", "role_path": "/"}, nothing.__getitem__) is None
    assert rolling_variables({}, nothing.__getitem__) is None
