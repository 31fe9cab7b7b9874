# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions are evaluated for each host, wherever they are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .playing import Played, play

HOSTS: dict[str, dict[str, Any]] = {
    # The names of a play's hosts begin with the play's name; `needs` is what conditions are about.
    **{"task%d" % number: {"needs": number != 2} for number in (1, 2, 3)},
    **{"first%d" % number: {"needs": number != 1} for number in (1, 2, 3)},
    **{"role%d" % number: {"needs": number == 2} for number in (1, 2, 3)},
    **{"include%d" % number: {"needs": number == 2} for number in (1, 2, 3)},
    **{"usual%d" % number: {} for number in (1, 2)},
    **{"nobody%d" % number: {"needs": False} for number in (1, 2)},
    **{"outer%d" % number: {"block": number != 2, "needs": number != 3, "also": number != 4} for number in (1, 2, 3, 4, 5)},
    **{"loop%d" % number: {"parts": ["x"] if number == 2 else ["x", "y"], "needs": True} for number in (1, 2)},
    **{"handler%d" % number: {"needs": number == 2} for number in (1, 2, 3)},
    **{"missing%d" % number: {"needs": True} if number == 1 else {} for number in (1, 2)},
}

PLAYBOOK = """
- name: task
  hosts: task
  gather_facts: false
  tasks:
    - name: Reboot
      fleet.kexec.rolling_reboot:
        run_id: task
        window: 2
      when: needs
      run_once: true
      register: rollout
    - name: Outcome
      fleet.kexec.outcome:
        run_id: "{{ rollout.run_id }}"
- name: first
  hosts: first
  gather_facts: false
  roles:
    - role: fleet.kexec.rolling_reboot
      when: needs
- name: role
  hosts: role
  gather_facts: false
  check_mode: true
  roles:
    - role: fleet.kexec.rolling_reboot
      when: needs
- name: usual
  hosts: usual
  gather_facts: false
  check_mode: true
  roles:
    - fleet.kexec.rolling_reboot
- name: include
  hosts: include
  gather_facts: false
  check_mode: true
  tasks:
    - name: Include
      ansible.builtin.include_role:
        name: fleet.kexec.rolling_reboot
      when: needs
- name: nobody
  hosts: nobody
  gather_facts: false
  tasks:
    - name: Reboot
      fleet.kexec.rolling_reboot:
      when: needs
    - name: Include
      ansible.builtin.include_role:
        name: fleet.kexec.rolling_reboot
      when: needs
- name: outer
  hosts: outer
  gather_facts: false
  check_mode: true
  tasks:
    - name: Block
      when: block is true
      block:
        - name: Include
          ansible.builtin.include_tasks:
            file: reboot.yml
            apply: {when: also}
          when: [needs is defined, needs]
- name: loop
  hosts: loop
  gather_facts: false
  check_mode: true
  tasks:
    - name: Include
      ansible.builtin.include_tasks: part.yml
      loop: "{{ parts }}"
      loop_control: {loop_var: part}
    - name: Include by lookup
      ansible.builtin.include_tasks: part.yml
      with_items: "{{ parts }}"
      loop_control: {loop_var: part}
- name: handler
  hosts: handler
  gather_facts: false
  check_mode: true
  tasks:
    - name: Notify
      check_mode: false
      ansible.builtin.command: "true"
      changed_when: needs
      notify: Reboot
  handlers:
    - name: Reboot
      fleet.kexec.rolling_reboot:
- name: missing
  hosts: missing
  gather_facts: false
  tasks:
    - name: Reboot
      fleet.kexec.rolling_reboot:
      when: needs
      ignore_errors: true
"""

FILES = {
    "reboot.yml": "- name: Reboot\n  fleet.kexec.rolling_reboot:\n    window: 4\n",
    "part.yml": "- name: Reboot {{ part }}\n  fleet.kexec.rolling_reboot:\n    window: 4\n",
}


@pytest.fixture(scope="module")
def played(core: Path, tmp_path_factory: pytest.TempPathFactory) -> Played:
    directory = tmp_path_factory.mktemp("when")
    for name, text in FILES.items():
        (directory / name).write_text(text)
    return play(core, directory, PLAYBOOK, HOSTS)


def test_the_playbook_ends_well(played: Played) -> None:
    assert played.rc == 0, played.output


def test_a_task(played: Played) -> None:
    assert played.rebooted("task") == {"task1": 1, "task3": 1}
    assert played.touched("task") == {"task1", "task3"}


def test_hosts_that_are_left_out_are_named(played: Played) -> None:
    left_out = played.result("task", "Reboot")["hosts"]["task2"]
    assert (left_out["status"], left_out["code"]) == ("not_selected", "HOST_NOT_IN_RUN")
    assert "when: needs" in left_out["msg"]
    started, selected, *_later = next(records for records in played.journals() if records[0]["run_id"] == "task")
    assert started["hosts"] == ["task1", "task3"]
    assert started["bystanders"] == ["task2"]
    assert selected["left_out"] == {"task2": "when: needs"}
    assert played.ended("task", "Outcome") == {"task1": "ok", "task2": "skipped", "task3": "ok"}


def test_a_role_that_is_not_for_the_first_host(played: Played) -> None:
    assert played.rebooted("first") == {"first2": 1, "first3": 1}


def test_a_role(played: Played) -> None:
    assert played.planned("role") == {"role2": 1}


def test_a_role_without_conditions(played: Played) -> None:
    assert played.planned("usual") == {"usual1": 1, "usual2": 1}
    # It would take a process for each host.
    assert not [each for each in played.results if each.play == "usual" and each.task.startswith("Come to the task")]


def test_a_role_that_is_included(played: Played) -> None:
    assert played.planned("include") == {"include2": 1}


def test_nobody(played: Played) -> None:
    assert played.touched("nobody") == set()


def test_blocks_and_includes_around_the_task(played: Played) -> None:
    assert played.planned("outer") == {"outer1": 1, "outer5": 1}


def test_turns_of_a_loop_around_the_task(played: Played) -> None:
    assert played.planned("loop") == {"loop1": 4, "loop2": 2}


def test_a_handler(played: Played) -> None:
    assert played.planned("handler") == {"handler2": 1}


def test_a_condition_that_can_not_be_evaluated_for_one_host(played: Played) -> None:
    result = played.result("missing", "Reboot")
    assert result["code"] == "SETTINGS_INVALID" and "missing2" in result["msg"] and "needs" in result["msg"]
    assert played.touched("missing") == set()
