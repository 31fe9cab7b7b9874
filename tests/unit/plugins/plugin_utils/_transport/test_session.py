# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions: what they raise for each way in which a host, Ansible or a connection plugin can fail."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleAuthenticationFailure, AnsibleConnectionFailure, AnsibleError

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.session import ActionSession, SessionError, SessionLost

KEY_CHANGED = """Failed to connect to the host via ssh: @@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
Offending ED25519 key in /home/x/.ssh/known_hosts:7
Host key verification failed."""
NO_PYTHON = {
    "failed": True,
    "msg": "Module result deserialization failed.",
    "module_stdout": "motd: welcome\r\n",
    "module_stderr": '  File "<stdin>", line 9\r\nSyntaxError: invalid \x1b[31msyntax\r\n',
    "rc": 1,
}


class Connection:
    """A connection plugin, as far as a session sees it."""

    def __init__(self, become: str | None, transport: str = "ssh") -> None:
        self.transport = transport
        self._shell = SimpleNamespace(tmpdir=None)
        self.become = SimpleNamespace(name=become) if become else None
        self.options: dict[str, Any] = {"timeout": 10, "ssh_executable": "ssh", "ssh_args": "-o 'unbalanced"}

    def get_option(self, name: str) -> Any:
        return self.options.get(name)

    def set_option(self, name: str, value: Any) -> None:
        self.options[name] = value

    def reset(self) -> None:
        raise AnsibleError("can't be reset")


class Action:
    """An action whose host is this machine, unless told otherwise."""

    def __init__(self, does: Callable[[], Any] | None = None, become: str | None = None, login: str = "") -> None:
        self._connection = Connection(become)
        self._does = does
        self._login = login

    def _low_level_execute_command(self, command: str, sudoable: bool) -> dict[str, Any]:
        if self._does is not None:
            done: dict[str, Any] = self._does()
            return done
        ran = subprocess.run(["/bin/sh", "-c", self._login + command], capture_output=True, text=True, check=False)
        return {"rc": ran.returncode, "stdout": ran.stdout, "stderr": ran.stderr}

    def _execute_module(self, **_about: Any) -> dict[str, Any]:
        assert self._does is not None
        done: dict[str, Any] = self._does()
        return done

    def _remove_tmp_path(self, _path: object) -> None:
        raise AnsibleError("no such thing")


def session(does: Callable[[], Any] | None = None, **about: Any) -> ActionSession:
    return ActionSession(Action(does, **about), {})


def raising(error: Exception) -> Callable[[], Any]:
    def does() -> Any:
        raise error

    return does


def ran(does: Callable[[], Any] | None = None, script: str = "echo $1; exit 3", **about: Any) -> CommandResult:
    return asyncio.run(session(does, **about).run(script, ["it's me"], become=True, timeout_s=5.0))


def test_a_script_and_its_arguments() -> None:
    assert ran() == CommandResult(3, "it's me\n", "")


def test_what_a_login_prints_is_left_out() -> None:
    assert ran(login="echo 'boot_id=motd'; ") == CommandResult(3, "it's me\n", "")


ERRORS = [
    (AnsibleConnectionFailure("Failed to connect to the host via ssh: Connection refused"), "UNREACHABLE"),
    (AnsibleConnectionFailure("Timeout (12s) waiting for privilege escalation prompt: "), "UNREACHABLE"),
    (AnsibleConnectionFailure("Timeout (12s) waiting for privilege escalation prompt: Salasana:"), "BECOME_FAILED"),
    (AnsibleConnectionFailure("Failed to connect: x@y: Permission denied (publickey,password)."), "CONNECTION_FAILED"),
    (AnsibleConnectionFailure("Failed to create temporary directory. In some cases"), "CONNECTION_FAILED"),
    (AnsibleConnectionFailure(KEY_CHANGED), "HOST_KEY_CHANGED"),
    (AnsibleAuthenticationFailure("Invalid/incorrect password"), "CONNECTION_FAILED"),
    (AnsibleError("Incorrect sudo password"), "BECOME_FAILED"),
    (AnsibleError("Missing sudo password"), "BECOME_FAILED"),
    (AnsibleError("to use the password_mechanism=sshpass, you must install it"), "CONNECTION_FAILED"),
    (OSError("no descriptors"), "UNREACHABLE"),
    (KeyError("ansible_user"), "UNREACHABLE"),
]


@pytest.mark.parametrize("asks", ["run", "module"])
@pytest.mark.parametrize(("error", "code"), ERRORS)
def test_each_error_is_one_of_a_session_s(error: Exception, code: str, asks: str) -> None:
    tried = session(raising(error))
    with pytest.raises(SessionError) as raised:
        asyncio.run(tried.run("true", [], True, 5.0) if asks == "run" else tried.module("ping", {}, 5.0))
    assert raised.value.reason.code == code
    assert isinstance(raised.value, SessionLost) is (code == "UNREACHABLE")
    assert "@@@" not in raised.value.reason.message


def test_a_call_that_takes_too_long() -> None:
    slow = session(lambda: time.sleep(1.0))
    with pytest.raises(SessionLost):
        asyncio.run(slow.run("true", [], become=False, timeout_s=0.05))


@pytest.mark.parametrize(("become", "code"), [("sudo", "BECOME_FAILED"), (None, "CONNECTION_FAILED")])
def test_a_script_that_never_began_is_no_script_that_failed(become: str | None, code: str) -> None:
    said = "sudo: unable to initialize policy plugin"
    with pytest.raises(SessionError, match=said) as raised:
        ran(lambda: {"rc": 1, "stdout": "", "stderr": said + "\n"}, become=become)
    assert raised.value.reason.code == code


def test_an_answer_without_the_script_s_first_words_tells_nothing() -> None:
    with pytest.raises(SessionLost):
        ran(lambda: {"rc": 0, "stdout": "", "stderr": ""})


def test_the_last_words_of_a_module_that_gives_no_result_are_told() -> None:
    with pytest.raises(SessionError) as raised:
        asyncio.run(session(lambda: NO_PYTHON, become="su").module("fleet.kexec.stage", {}, 5.0))
    assert raised.value.reason.code == "MODULE_FAILED"
    assert raised.value.reason.message.endswith("SyntaxError: invalid syntax"), "and nothing that a terminal would act on"
    assert "fleet.kexec.stage (Module result deserialization failed)" in raised.value.reason.message


def test_a_module_that_become_does_not_let_run() -> None:
    refused = dict(NO_PYTHON, module_stdout="", module_stderr="sudo: a password is required\n")
    with pytest.raises(SessionError, match="a password is required") as raised:
        asyncio.run(session(lambda: refused, become="sudo").module("ping", {}, 5.0))
    assert raised.value.reason.code == "BECOME_FAILED"


def test_a_module_that_fails_with_a_result_is_no_error() -> None:
    failed = {"failed": True, "msg": "no memory"}
    assert asyncio.run(session(lambda: failed).module("ping", {}, 5.0)) == failed


def test_options_that_ssh_could_not_parse_are_no_sshd() -> None:
    assert asyncio.run(session().sshd()) is None


def test_leaving_shared_connections_raises_nothing() -> None:
    asyncio.run(session().unshare())


def test_a_shared_connection_is_left_by_one_process(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    leaving = session()
    connection: Any = leaving._connection
    connection.options.update(host="192.0.2.1", ssh_args="-C")
    connection._build_command = lambda ssh, *arguments: ["/bin/sh", "-c", 'echo "$@" >> %s' % ran, ssh, *arguments]
    connection.close = lambda: None
    asyncio.run(leaving.unshare())
    assert ran.read_text() == "ssh -O stop 192.0.2.1\n"
    assert connection.options["ssh_args"].startswith("-o ControlPath=none ")


def test_connections_are_not_shared_between_leaving_them_and_sharing_again() -> None:
    it = ActionSession(Action(), {}, connect_timeout_s=3)
    options = it._connection.options
    options["ssh_args"] = "-C"
    asyncio.run(it.unshare())
    assert options["ssh_args"].startswith("-o ControlPath=none") and options["ssh_args"].endswith("-C")
    it.share()
    assert (options["ssh_args"], options["timeout"]) == ("-C", 3)
    it.share()
    it.restore()
    assert (options["ssh_args"], options["timeout"]) == ("-C", 10)
