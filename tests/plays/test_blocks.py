# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that do not come to the task, because they failed or ended before, are not rebooted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .playing import Played, play

PLAYS = ("failed", "earlier", "rescue", "always", "unclear", "gone", "role", "include")
HOSTS: dict[str, dict[str, Any]] = {"%s%d" % (play, n): {"number": n} for play in PLAYS for n in (1, 2, 3, 4)}
HOSTS["gone3"]["pretended_down"] = True

PLAYBOOK = """
- name: failed
  hosts: failed
  gather_facts: false
  check_mode: true
  tasks:
    - name: Block
      block:
        - name: Inner
          block:
            - name: Patch
              ansible.builtin.assert: {that: number != 2, quiet: true}
        - name: Reboot
          fleet.kexec.rolling_reboot:
      rescue:
        - name: Go on
          ansible.builtin.meta: noop
- name: earlier
  hosts: earlier
  gather_facts: false
  check_mode: true
  tasks:
    - name: First block
      block:
        - name: Patch
          ansible.builtin.assert: {that: number != 2, quiet: true}
      rescue:
        - name: Go on
          ansible.builtin.meta: noop
    - name: Block
      block:
        - name: Reboot
          fleet.kexec.rolling_reboot:
      rescue:
        - name: Go on
          ansible.builtin.meta: noop
- name: unclear
  hosts: unclear
  gather_facts: false
  tasks:
    - name: Block
      block:
        - name: Patch
          ansible.builtin.include_tasks: patch.yml
        - name: Reboot
          fleet.kexec.rolling_reboot:
          ignore_errors: true
      rescue:
        - name: Go on
          ansible.builtin.meta: noop
- name: rescue
  hosts: rescue
  gather_facts: false
  tasks:
    - name: Block
      block:
        - name: Patch
          ansible.builtin.assert: {that: number != 2, quiet: true}
      rescue:
        - name: Reboot
          fleet.kexec.rolling_reboot:
          ignore_errors: true
- name: always
  hosts: always
  gather_facts: false
  check_mode: true
  tasks:
    - name: Block
      block:
        - name: Patch
          ansible.builtin.assert: {that: number != 2, quiet: true}
      rescue:
        - name: Go on
          ansible.builtin.meta: noop
      always:
        - name: Reboot
          fleet.kexec.rolling_reboot:
- name: gone
  hosts: gone
  gather_facts: false
  check_mode: true
  tasks:
    - name: Fail
      ansible.builtin.assert: {that: number != 1, quiet: true}
    - name: Be reached
      ansible.builtin.ping:
    - name: End
      ansible.builtin.meta: end_host
      when: number == 4
    - name: Reboot
      fleet.kexec.rolling_reboot:
- name: role
  hosts: role
  gather_facts: false
  check_mode: true
  roles:
    - part
- name: include
  hosts: include
  gather_facts: false
  check_mode: true
  tasks:
    - name: Include
      ansible.builtin.include_role: {name: whole}
      when: number != 3
"""

ENDED = """
- name: End
  ansible.builtin.meta: end_role
  when: number == 2
"""
FILES = {
    "patch.yml": "- name: Patch\n  ansible.builtin.assert: {that: number != 2, quiet: true}\n",
    "roles/part/tasks/main.yml": ENDED + "- name: Reboot\n  fleet.kexec.rolling_reboot:\n" + ENDED.replace("2", "4"),
    "roles/whole/tasks/main.yml": ENDED + "- name: Include\n  ansible.builtin.include_role: {name: fleet.kexec.rolling_reboot}\n",
}


@pytest.fixture(scope="module")
def played(core: Path, tmp_path_factory: pytest.TempPathFactory) -> Played:
    directory = tmp_path_factory.mktemp("blocks")
    for name, text in FILES.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    return play(core, directory, PLAYBOOK, HOSTS)


def planned(played: Played, name: str) -> str:
    """Numbers of the hosts that the task plans to reboot."""
    return "".join(host[-1] for host, times in sorted(played.planned(name).items()) if times == 1)


def test_a_host_that_failed_in_the_block(played: Played) -> None:
    assert planned(played, "failed") == "134"
    left_out = played.result("failed", "Reboot")["hosts"]["failed2"]
    assert left_out["status"] == "not_selected" and "it failed before, in task 'Patch'" in left_out["msg"]


def test_a_host_that_failed_in_an_earlier_block(played: Played) -> None:
    assert planned(played, "earlier") == "1234"


def test_a_host_that_may_have_failed_in_the_block(played: Played) -> None:
    result = played.result("unclear", "Reboot")
    assert result["code"] == "SETTINGS_INVALID" and "unclear2" in result["msg"] and "a block of its own" in result["msg"]
    assert not played.planned("unclear")


def test_rescue(played: Played) -> None:
    assert played.result("rescue", "Reboot")["code"] == "KEYWORD_UNSUPPORTED"
    assert played.touched("rescue") == set()


def test_always(played: Played) -> None:
    assert planned(played, "always") == "1234"


def test_hosts_that_the_play_does_not_have_any_more(played: Played) -> None:
    assert planned(played, "gone") == "2"


def test_hosts_for_which_the_role_has_ended(played: Played) -> None:
    assert planned(played, "role") == "134"


def test_hosts_for_which_the_role_around_has_ended(played: Played) -> None:
    assert planned(played, "include") == "14"
