# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Playbook patch: what it updates, prepares and reboots, in check mode, by tags, and when something fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from .playing import Played, play

HOSTS: dict[str, dict[str, Any]] = {
    "web1": {"pretended_updates": True},
    "web2": {"pretended_current": True},
    "web3": {"pretended_updates": True, "pretended_fails": "apt"},
    "web4": {"pretended_updates": True, "pretended_packages": "dnf", "pretended_current": True},
    "web5": {"pretended_packages": "dnf5"},
    "web6": {"pretended_packages": "pacman"},
}
UPDATERS = ("apt", "dnf", "dnf5")
REBOOTS = "Reboot the hosts that need it"
ROLLOUT = "Reboot the hosts"


def patch(core: Path, directory: Path, hosts: Mapping[str, Mapping[str, Any]], *arguments: str) -> Played:
    extra = ("--extra-vars", "fleet_kexec_hosts=web")
    return play(core, directory, "- import_playbook: fleet.kexec.patch\n", hosts, arguments=(*extra, *arguments))


def ran(played: Played, modules: Sequence[str]) -> dict[str, list[str]]:
    """Which of these modules ran on which host, check mode apart."""
    found: dict[str, list[str]] = {}
    for each in played.done:
        if each.what in modules and not each.how["check"]:
            found.setdefault(each.host, []).append(each.what)
    return found


@pytest.fixture(scope="module")
def patched(core: Path, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return patch(core, tmp_path_factory.mktemp("patched"), HOSTS)


@pytest.fixture(scope="module")
def checked(core: Path, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return patch(core, tmp_path_factory.mktemp("checked"), HOSTS, "--check")


def test_each_host_is_updated_by_its_package_manager(patched: Played) -> None:
    assert ran(patched, UPDATERS) == {
        **{host: ["apt"] for host in ("web1", "web2", "web3")},
        "web4": ["dnf"],
        "web5": ["dnf5"],
    }


def test_hosts_that_need_it_are_rebooted_once_and_prepared_before(patched: Played) -> None:
    assert patched.rebooted("web") == {"web1": 1, "web5": 1}
    done = [each.what for each in patched.done if each.host == "web1" and not each.how["check"]]
    assert [each for each in done if each in ("apt", "fast_image", "stage", "trigger")] == [
        "apt",
        "fast_image",
        "stage",
        "trigger",
    ]
    assert set(ran(patched, ["fast_image"])) == {"web1", "web2", "web4", "web5"}


def test_a_host_whose_update_failed_is_left_alone_and_told_of(patched: Played) -> None:
    assert patched.rc == 2
    assert patched.ended("Update", "Leave the host alone") == {"web3": "failed", "web6": "failed"}
    assert "The update of this host failed, so it is not rebooted" in patched.output
    assert "This host has none of the package managers apt, dnf and dnf5" in patched.output
    assert {each.host for each in patched.results if each.play == REBOOTS}.isdisjoint({"web3", "web6"})


def test_a_host_whose_update_failed_counts_for_limits(patched: Played) -> None:
    ((started, *_later),) = patched.journals()
    assert started["bystanders"] == ["web3", "web6"]


def test_the_plan_comes_before_the_reboots_and_the_report_after_them(patched: Played) -> None:
    planned, rebooted = [each.result for each in patched.results if each.task == ROLLOUT]
    assert {host: each["status"] for host, each in planned["hosts"].items()} == {
        **dict.fromkeys(("web1", "web5"), "planned"),
        **dict.fromkeys(("web2", "web4"), "not_needed"),
    }
    assert "run_id" not in planned and rebooted["counts"] == {"done": 2, "not_needed": 2}
    assert Path(rebooted["journal"]).with_name("report.html").is_file()


def test_check_mode_changes_nothing(checked: Played) -> None:
    assert {each.what for each in checked.done if not each.how["check"]} == set()
    assert {each.what for each in checked.done if each.what in UPDATERS} == set(UPDATERS)
    assert not checked.journals() and checked.rc == 2


def test_check_mode_plans_for_the_hosts_that_may_need_a_reboot_once_they_are_updated(checked: Played) -> None:
    planned = checked.result(REBOOTS, ROLLOUT)["hosts"]
    assert {host: each["status"] for host, each in planned.items()} == {
        **dict.fromkeys(("web1", "web4", "web5"), "planned"),
        "web2": "not_selected",
    }


def test_tags_choose_the_parts_and_a_run_that_fails_is_reported(core: Path, tmp_path: Path) -> None:
    failing = {"rolling_reboot_before": [{"controller_command": ["false"]}]}
    hosts = {"web1": failing, "web2": failing}
    played = patch(core, tmp_path, hosts, "--tags", "reboot,report", "--extra-vars", "report_html=page.html")
    assert played.rc == 2
    assert not ran(played, [*UPDATERS, "setup", "preparation", "fast_image"])
    assert {each.ended for each in played.results if each.task.startswith("Fail the hosts")} == {"failed"}
    assert (tmp_path / "page.html").is_file()


@pytest.mark.parametrize(
    ("variable", "meant"), [("rolling_reboot_windwo", "rolling_reboot_window"), ("report_htlm", "report_html")]
)
def test_a_misspelt_variable_of_one_host_keeps_all_from_being_touched(
    core: Path, tmp_path: Path, variable: str, meant: str
) -> None:
    played = patch(core, tmp_path, {"web1": {}, "web2": {variable: 1}})
    assert played.rc == 2 and not played.touched("web")
    assert "%s means nothing here, but %s does" % (variable, meant) in " ".join(played.output.split())


def test_a_batch_that_fails_ends_it(core: Path, tmp_path: Path) -> None:
    hosts = {"web%d" % number: {"patch_serial": 1} for number in (1, 2, 3)}
    hosts["web2"]["pretended_fails"] = "apt"  # type: ignore[assignment]
    played = patch(core, tmp_path, hosts)
    assert played.rc == 2
    assert set(ran(played, UPDATERS)) == {"web1", "web2"} and not played.rebooted("web")
