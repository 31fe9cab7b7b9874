# SPDX-License-Identifier: GPL-3.0-or-later
"""What is secret in hooks and locks is in nothing that anybody else can read, with a real ansible-playbook at -vvv."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# As base64 and in JSON, it would look like this, too.
SECRET = "t0p-s3cret"
AS_BASIC_AUTHENTICATION = "b3BzOnQwcC1zM2NyZXQ"

ROOT = Path(__file__).resolve().parents[4]
LIMIT_S = 100.0


class CommandLines:
    """All that is in the process list while it is looked at: what was said there, and how often it was read."""

    def __init__(self) -> None:
        self.text = ""
        self.looks = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> CommandLines:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        seen: set[str] = set()
        while not self._over.wait(0.05):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    seen.add(path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
            self.looks += 1
        self.text = "\n".join(seen)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens at."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


def play(tmp_path: Path, options: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """Run a rollout of one host.

    :returns: what it printed, the process list meanwhile, and the task's result.
    """
    (tmp_path / "plugins").mkdir()
    (tmp_path / "state").mkdir()
    (tmp_path / "collections/ansible_collections/fleet").mkdir(parents=True)
    (tmp_path / "collections/ansible_collections/fleet/kexec").symlink_to(ROOT)
    shutil.copy(Path(__file__).with_name("puppet.py"), tmp_path / "plugins" / "puppet.py")
    tasks = [
        {"fleet.kexec.rolling_reboot": options, "register": "rollout", "ignore_errors": True},
        {
            "ansible.builtin.copy": {"content": "{{ rollout | to_json }}", "dest": str(tmp_path / "result.json"), "mode": "0600"},
            "delegate_to": "localhost",
            "vars": {"ansible_connection": "local"},
        },
    ]
    variables = {"ansible_connection": "puppet", "puppet_state": str(tmp_path / "state"), "vault": SECRET}
    (tmp_path / "play.yml").write_text(json.dumps([{"hosts": "web1", "gather_facts": False, "vars": variables, "tasks": tasks}]))
    environment = dict(
        os.environ,
        ANSIBLE_CONNECTION_PLUGINS=str(tmp_path / "plugins"),
        ANSIBLE_COLLECTIONS_PATH=str(tmp_path / "collections"),
        ANSIBLE_LOCAL_TEMP=str(tmp_path / "temporary"),
        ANSIBLE_PIPELINING="1",
        ANSIBLE_NOCOLOR="1",
    )
    with CommandLines() as command_lines:
        done = subprocess.run(
            ["ansible-playbook", "-vvv", "--inventory", "web1,", str(tmp_path / "play.yml")],
            env=environment,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert command_lines.looks > 5
    assert "ansible-playbook -vvv" in command_lines.text
    return done.stdout + done.stderr, command_lines.text, json.loads((tmp_path / "result.json").read_text())


def assert_no_secret(text: str) -> None:
    for line in text.splitlines():
        assert SECRET not in line
        assert AS_BASIC_AUTHENTICATION not in line


def test_of_hooks(tmp_path: Path, closed_port: int) -> None:
    url = "http://127.0.0.1:%d/" % closed_port
    secret_hooks = [
        {"http": {"url": url, "method": "POST", "headers": {"X-Token": "{{ vault }}"}, "body": {"password": "{{ vault }}"}}},
        {"http": {"url": url, "username": "ops", "password": "{{ vault }}"}},
        {"module": {"name": "ansible.builtin.debug", "args": {"msg": "{{ vault }}"}}},
        {
            "module": {
                "name": "ansible.builtin.command",
                "args": {"stdin": "{{ vault }}", "argv": ["cat"]},
            },
            "run_on": "controller",
        },
    ]
    output, command_lines, result = play(
        tmp_path,
        {
            "method": "kexec",
            # What is said there is seen.
            "before": [{"controller_command": ["sleep", "0.567"]}, {"command": ["true"]}],
            # The first fails, and so the host, for which all of the others run.
            "after": secret_hooks[:1],
            "on_failure": secret_hooks,
            "run_before": secret_hooks[-1:],
            "run_after": [*secret_hooks[:2], secret_hooks[-1]],
            "run_directory": str(tmp_path / "runs"),
        },
    )
    assert "sleep 0.567" in command_lines
    assert result["hosts"]["web1"]["code"] == "HOOK_FAILED"
    assert result["hosts"]["web1"]["proof"]["proven"]
    journal = Path(result["journal"])
    ended = [json.loads(line) for line in journal.read_text().splitlines() if '"hook_ended"' in line]
    assert [(each["phase"], each["ok"]) for each in ended if each["phase"] == "on_failure"] == [
        ("on_failure", False),
        ("on_failure", False),
        ("on_failure", False),
        ("on_failure", True),
    ]
    of_run = [(each["phase"], each["ok"]) for each in result["run_hooks"]]
    assert of_run == [("run_before", True), ("run_after", False), ("run_after", False), ("run_after", True)]
    for text in (output, command_lines, json.dumps(result), journal.read_text()):
        assert_no_secret(text)
    for path in (journal, journal.parent, journal.parent.parent):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_of_the_lock(tmp_path: Path, closed_port: int) -> None:
    lock = {
        "backend": "etcd",
        "name": "web",
        "slots": 2,
        "endpoints": ["http://127.0.0.1:%d" % closed_port],
        "username": "ops",
        "password": "{{ vault }}",
    }
    output, command_lines, result = play(tmp_path, {"lock": lock, "run_directory": str(tmp_path / "runs")})
    assert result["code"] == "LOCK_UNAVAILABLE"
    journals = "".join(path.read_text() for path in (tmp_path / "runs").rglob("*") if path.is_file())
    for text in (output, command_lines, json.dumps(result), journals):
        assert_no_secret(text)
