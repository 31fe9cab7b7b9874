# SPDX-License-Identifier: GPL-3.0-or-later
"""Keywords that can't mean what they mean for other tasks are refused before anything is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .playing import Played, play

# Task → its keywords, and what the message begins with.
REFUSED = {
    "loop": ("loop: [1, 2]", "loop"),
    "with": ("with_items: [1, 2]", "with_items"),
    # Ansible would wait a minute, and then try again.
    "until": ("until: refused is success\n      delay: 60", "until"),
    "retries": ("retries: 2\n      delay: 60", "retries"),
    "timeout": ("timeout: 60", "timeout"),
    "timeout of each host": ('timeout: "{{ limit }}"', "timeout"),
    "async": ("async: 600\n      poll: 5", "async"),
    "delegate": ("delegate_to: localhost", "delegate_to"),
}

TASK = """
    - name: %s
      fleet.kexec.rolling_reboot:
      %s
      ignore_errors: true
      register: refused
"""

PLAYBOOK = """
- name: keywords
  hosts: keywords
  gather_facts: false
  tasks:
%s
    - name: Block
      timeout: 60
      ignore_errors: true
      block:
        - name: Inherited
          fleet.kexec.rolling_reboot:
- name: shared
  hosts: shared
  gather_facts: false
  tasks:
    - name: Method
      fleet.kexec.rolling_reboot:
        method: "{{ method }}"
      ignore_errors: true
    - name: Check mode
      fleet.kexec.rolling_reboot:
      check_mode: "{{ method == 'kexec' }}"
      ignore_errors: true
- name: role
  hosts: role
  gather_facts: false
  timeout: 60
  tasks:
    - name: Include
      ansible.builtin.include_role:
        name: fleet.kexec.rolling_reboot
        apply: {ignore_errors: true}
- name: harmless
  hosts: harmless
  gather_facts: false
  check_mode: true
  order: reverse_sorted
  any_errors_fatal: true
  timeout: 60
  tasks:
    - name: Reboot
      fleet.kexec.rolling_reboot:
      timeout: 0
      throttle: 1
      delay: 3
      diff: true
      ignore_unreachable: true
      failed_when: plan is failed
      changed_when: false
      debugger: never
      tags: [reboot]
      register: plan
- name: single
  hosts: single
  gather_facts: false
  tasks:
    - name: Reboot
      fleet.kexec.reboot:
      timeout: 60
      ignore_errors: true
""" % "".join(TASK % (name, keywords) for name, (keywords, _keyword) in REFUSED.items())

HOSTS: dict[str, dict[str, Any]] = {
    "%s%d" % (play, number): {"limit": 60} for play in ("keywords", "role", "harmless", "single") for number in (1, 2)
}

HOSTS["shared1"], HOSTS["shared2"] = {"method": "kexec"}, {"method": "firmware"}


@pytest.fixture(scope="module")
def played(core: Path, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play(core, tmp_path_factory.mktemp("keywords"), PLAYBOOK, HOSTS)


def test_the_playbook_ends_well(played: Played) -> None:
    assert played.rc == 0, played.output


@pytest.mark.parametrize(
    ("task", "keyword"), [*((task, keyword) for task, (_keywords, keyword) in REFUSED.items()), ("Inherited", "timeout")]
)
def test_refused(played: Played, task: str, keyword: str) -> None:
    result = played.result("keywords", task)
    for each in result.get("results", [result]):
        assert each["code"] == "KEYWORD_UNSUPPORTED", each
        assert "%s is not supported here" % keyword in each["msg"] and each["hint"]
    assert result.get("attempts", 1) == 1


def test_refused_by_the_role(played: Played) -> None:
    assert played.result("role", "Reboot the hosts")["code"] == "KEYWORD_UNSUPPORTED"
    # No run was made, and none of an earlier time is taken for it.
    outcomes = [
        each for each in played.results if (each.play, each.task) == ("role", "Fail the hosts that were not rebooted as asked")
    ]
    assert {each.host: (each.ended, each.result["code"]) for each in outcomes} == {
        "role1": ("failed", "NO_RUN"),
        "role2": ("failed", "NO_RUN"),
    }


def test_nothing_was_done(played: Played) -> None:
    assert played.touched("keywords") == played.touched("role") == played.touched("single") == set()
    assert played.journals() == []


@pytest.mark.parametrize(("task", "option"), [("Method", "method"), ("Check mode", "check_mode")])
def test_what_holds_for_all_hosts(played: Played, task: str, option: str) -> None:
    result = played.result("shared", task)
    assert result["code"] == "SETTINGS_INVALID"
    assert result["msg"].startswith("%s holds for all hosts" % option) and "shared2" in result["msg"]
    assert played.touched("shared") == set()


def test_harmless(played: Played) -> None:
    assert played.rc == 0
    ((wave,),) = [played.result("harmless", "Reboot")["waves"]]
    assert wave["hosts"] == ["harmless2", "harmless1"]
    assert played.planned("harmless") == {"harmless1": 1, "harmless2": 1}


def test_reboot_of_each_host(played: Played) -> None:
    results = [each.result for each in played.results if each.play == "single"]
    assert [(each["code"], "timeout" in each["msg"]) for each in results] == [("KEYWORD_UNSUPPORTED", True)] * 2
