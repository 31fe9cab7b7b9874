# SPDX-License-Identifier: GPL-3.0-or-later
"""Each host is connected to as itself, and nothing stays behind on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .playing import Played, play

HOSTS: dict[str, dict[str, Any]] = {
    **{"own%d" % n: {"login": "user%d" % n, "boss": "boss%d" % n, "door": 2200 + n, "mark": "mark%d" % n} for n in (1, 2)},
    "leak1": {"ansible_user": "first", "ansible_port": 2201, "ansible_password": "secret", "ansible_become_password": "secret"},
    "leak2": {},
    "here1": {"ansible_connection": "local"},
    "here2": {},
    **{"files%d" % n: {"ansible_pipelining": False} for n in (1, 2)},
    **{"check%d" % n: {"ansible_pipelining": False} for n in (1, 2)},
    "refuse1": {"ansible_pipelining": False, "pretended_refuses": "ping"},
    **{"play%d" % n: {"ansible_connection": None, "ways": "pretended"} for n in (1, 2)},
}

PLAYBOOK = """
- name: own
  hosts: own
  gather_facts: false
  remote_user: "{{ login }}"
  port: "{{ door }}"
  become: true
  become_user: "{{ boss }}"
  environment:
    MARK: "{{ mark }}"
  vars:
    # No such value for localhost, where hooks run.
    ansible_private_key_file: "{{ login }}.pem"
    ansible_python_interpreter: "{{ '/usr/bin/python3' if mark else '' }}"
  tasks:
    - name: Reboot
      fleet.kexec.rolling_reboot:
        window: 2
        before:
          - module: {name: ansible.builtin.ping}
          - {module: {name: ansible.builtin.ping}, run_on: controller}
- name: leak
  hosts: leak
  gather_facts: false
  check_mode: true
  become: true
  tasks:
    - name: Reboot
      fleet.kexec.rolling_reboot:
- name: here
  hosts: here
  gather_facts: false
  tasks:
    - name: Reboot
      fleet.kexec.rolling_reboot:
        failures: report
- name: play
  hosts: play
  gather_facts: false
  check_mode: true
  connection: "{{ ways }}"
  tasks:
    - name: Reboot
      fleet.kexec.rolling_reboot:
- name: files
  hosts: files
  gather_facts: false
  tasks:
    - name: Reboot
      fleet.kexec.rolling_reboot:
        window: 2
        before:
          - module: {name: ansible.builtin.command, args: {cmd: secret}}
- name: refuse
  hosts: refuse
  gather_facts: false
  tasks:
    - name: Reboot
      fleet.kexec.rolling_reboot:
        before:
          - module: {name: ansible.builtin.ping, args: {data: secret}}
        failures: report
- name: check
  hosts: check
  gather_facts: false
  check_mode: true
  tasks:
    - name: Reboot
      fleet.kexec.rolling_reboot:
"""


@pytest.fixture(scope="module")
def played(core: Path, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play(core, tmp_path_factory.mktemp("connections"), PLAYBOOK, HOSTS)


def hows(played: Played, host: str, kind: str, key: str) -> set[Any]:
    return {each.how[key] for each in played.done if (each.host, each.kind) == (host, kind)}


def test_the_playbook_ends_well(played: Played) -> None:
    assert played.rc == 0, played.output


@pytest.mark.parametrize("number", [1, 2])
def test_keywords_are_each_host_s_own(played: Played, number: int) -> None:
    host = "own%d" % number
    assert played.rebooted(host) == {host: 1}
    for kind in ("module", "script"):
        assert hows(played, host, kind, "user") == {"user%d" % number}
        assert hows(played, host, kind, "port") == {2200 + number}
    assert hows(played, host, "module", "become") == {"boss%d" % number}
    assert hows(played, host, "module", "mark") == {"mark%d" % number}


def test_the_first_host_s_variables_stay_with_it(played: Played) -> None:
    assert hows(played, "leak1", "module", "user") == {"first"}
    assert hows(played, "leak1", "module", "password") == {"secret"}
    for key in ("user", "port", "password", "become_pass"):
        assert hows(played, "leak2", "module", key) == {None}, key


def test_a_first_host_that_is_the_controller(played: Played) -> None:
    hosts = played.result("here", "Reboot")["hosts"]
    assert (hosts["here1"]["code"], hosts["here2"]["status"]) == ("CONTROL_NODE", "done")
    assert [each.what for each in played.done if each.host == "here2" and each.kind == "module"][:2] == ["boot_facts", "stage"]


def test_the_play_s_connection(played: Played) -> None:
    assert played.planned("play") == {"play1": 1, "play2": 1}


@pytest.mark.parametrize("host", ["files1", "files2", "check1", "check2", "refuse1"])
def test_nothing_is_left_behind(played: Played, host: str) -> None:
    put = [each for each in played.done if each.host == host and "ansible-tmp-" in each.what]
    assert put, "nothing was put there in the first place"
    assert [path for path in played.left_behind(host) if "ansible-tmp-" in path] == []
