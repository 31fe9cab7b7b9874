# SPDX-License-Identifier: GPL-3.0-or-later
"""The role with conditions, hosts that need no reboot, hooks, resumes and loops, all at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from .playing import Played, play

HOSTILE = ("{{ lookup('pipe', 'touch harm') }}1", "x; touch harm;2", "-oProxyCommand=touch harm 3", "../../up4")

HOSTS: dict[str, dict[str, Any]] = {
    "pending1": {"needs": False},
    "pending2": {"needs": True, "pretended_current": True},
    **{"pending%d" % number: {"needs": True} for number in (3, 4, 5)},
    "later1": {"needs": True},
    **{"loop%d" % number: {} for number in (1, 2)},
    # Directories of the hosts' own are not needed, and a path with this name would be a template.
    **{name: {"ansible_remote_tmp": "/nonexistent"} for name in HOSTILE},
}

PLAYBOOK = """
- name: plan
  hosts: pending
  gather_facts: false
  check_mode: true
  roles:
    - role: fleet.kexec.rolling_reboot
      rolling_reboot_only: pending
      when: needs
      tags: [reboot]
- name: begin
  hosts: pending:!pending5
  gather_facts: false
  tags: [reboot]
  tasks:
    - name: Include
      ansible.builtin.include_role:
        name: fleet.kexec.rolling_reboot
        apply: {ignore_errors: true, tags: [reboot]}
      when: needs
      vars:
        rolling_reboot_only: pending
        rolling_reboot_run_id: pending
        rolling_reboot_run_before:
          - controller_command: [sh, -c, 'echo "$FLEET_KEXEC_PHASE $FLEET_KEXEC_HOST" > run_before']
        rolling_reboot_run_after:
          - controller_command: [sh, -c, 'echo "$FLEET_KEXEC_PHASE $FLEET_KEXEC_CODE" > run_after']
          - {command: ["true"], run_on: loop1}
        rolling_reboot_before:
          - controller_command: [test, "{{ inventory_hostname }}", "!=", pending3]
- name: resume
  hosts: pending:later
  gather_facts: false
  tags: [reboot]
  roles:
    - role: fleet.kexec.rolling_reboot
      rolling_reboot_resume: pending
      rolling_reboot_retry_failed: true
      when: needs
- name: nothing
  hosts: pending:later
  gather_facts: false
  tags: [reboot]
  roles:
    - role: fleet.kexec.rolling_reboot
      rolling_reboot_resume: pending
- name: loop
  hosts: loop
  gather_facts: false
  tags: [reboot]
  tasks:
    - name: Include
      ansible.builtin.include_role:
        name: fleet.kexec.rolling_reboot
        apply: {tags: [reboot]}
      loop: [1, 2]
      when: inventory_hostname == 'loop2'
- name: hostile
  hosts: all:!pending:!later:!loop
  gather_facts: false
  tags: [reboot]
  roles:
    - role: fleet.kexec.rolling_reboot
      rolling_reboot_window: 4
      rolling_reboot_msg: "'; touch harm; '"
      rolling_reboot_domains: {rack: "{{ inventory_hostname }}"}
      rolling_reboot_before:
        - controller_command: [sh, -c, 'test "$FLEET_KEXEC_HOST" = "$1"', x, "{{ inventory_hostname }}"]
- name: other
  hosts: all
  gather_facts: false
  roles:
    - fleet.kexec.rolling_reboot
"""

ROLLOUT, OUTCOME = "Reboot the hosts", "Fail the hosts that were not rebooted as asked"


@pytest.fixture(scope="module")
def played(core: Path, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play(core, tmp_path_factory.mktemp("role"), PLAYBOOK, HOSTS, arguments=["--tags", "reboot"])


def rollout(played: Played, name: str) -> dict[str, Any]:
    """Result of a rollout; it may have been skipped for the first host before."""
    (result,) = [dict(each.result) for each in played.results if (each.play, each.task) == (name, ROLLOUT) and each.ended == "ok"]
    return result


def statuses(played: Played, name: str) -> dict[str, str]:
    return {host: told["status"] for host, told in rollout(played, name)["hosts"].items()}


def outcomes(played: Played, name: str) -> dict[str, str]:
    """How the last outcome task of a play ended, by host."""
    return {each.host: each.ended for each in played.results if (each.play, each.task) == (name, OUTCOME)}


def test_the_playbook_ends_well(played: Played) -> None:
    assert played.rc == 0, played.output


def test_a_plan_of_hosts_that_need_it(played: Played) -> None:
    planned = dict.fromkeys(("pending3", "pending4", "pending5"), "planned")
    assert statuses(played, "plan") == {"pending1": "not_selected", "pending2": "not_needed", **planned}
    # However fast each of them answers.
    assert re.findall(r"pending\d(?=  the default entry boots 2)", played.output)[:3] == list(planned)


def test_a_run_that_stops(played: Played) -> None:
    told = statuses(played, "begin")
    # Whether it was prepared by then depends on the machine.
    assert told.pop("pending4") in ("skipped", "discarded")
    assert told == {"pending1": "not_selected", "pending2": "not_needed", "pending3": "failed"}
    assert outcomes(played, "begin") == {"pending2": "ok", "pending3": "failed", "pending4": "failed"}
    assert (played.directory / "run_before").read_text() == "run_before \n"
    assert (played.directory / "run_after").read_text() == "run_after FAILURE_BUDGET_SPENT\n"


def test_a_resume_leaves_hosts_alone_that_the_run_does_not_have(played: Played) -> None:
    assert statuses(played, "resume") == {
        "pending2": "not_needed",
        **dict.fromkeys(("pending3", "pending4"), "done"),
        **dict.fromkeys(("pending1", "pending5", "later1"), "not_selected"),
    }
    assert outcomes(played, "resume") == {
        **dict.fromkeys(("pending2", "pending3", "pending4"), "ok"),
        **dict.fromkeys(("pending1", "pending5", "later1"), "skipped"),
    }
    assert played.rebooted("pending") == {"pending3": 1, "pending4": 1} and not played.rebooted("later")


def test_a_resume_with_nothing_left_to_do(played: Played) -> None:
    assert rollout(played, "nothing")["changed"] is False
    assert set(outcomes(played, "nothing").values()) == {"ok", "skipped"}
    _before, told = played.output.split("run pending: nothing is left to do")
    assert "run pending does not have these hosts of the play, which are left as they are: pending1" in told


def test_each_turn_of_a_loop_is_a_rollout(played: Played) -> None:
    assert played.rebooted("loop") == {"loop2": 2}


def test_names_are_only_names(played: Played) -> None:
    assert set(statuses(played, "hostile")) == set(HOSTILE) and set(statuses(played, "hostile").values()) == {"done"}
    assert not list(played.directory.rglob("harm"))


def test_tags(played: Played) -> None:
    assert {each.task for each in played.results if each.play == "other"}.isdisjoint({ROLLOUT, OUTCOME})
