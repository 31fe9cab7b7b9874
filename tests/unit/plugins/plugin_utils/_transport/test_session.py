# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions: what they raise for each way in which a host, Ansible or a connection plugin can fail."""

from __future__ import annotations

import asyncio
import getpass
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleAuthenticationFailure, AnsibleConnectionFailure, AnsibleError
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import connection_loader

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.session import ActionSession, SessionError, SessionLost
from ansible_collections.fleet.kexec.tests.sshd import SSH_ARGS, sshd_path, sshds

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


def test_a_connection_that_can_t_be_left_is_not_shared_any_more() -> None:
    it = ActionSession(Action(), {}, connect_timeout_s=3)
    options = it._connection.options
    options["ssh_args"] = "-C"
    asyncio.run(it.leave())
    assert options["ssh_args"].startswith("-o ControlPath=none") and options["ssh_args"].endswith(" -C")
    before = options["ssh_args"]
    asyncio.run(it.leave())
    assert options["ssh_args"] == before
    it.restore()
    assert (options["ssh_args"], options["timeout"]) == ("-C", 10)


def test_a_connection_that_could_not_be_left_is_never_shared_again(tmp_path: Path) -> None:
    it = session()
    connection: Any = it._connection
    asyncio.run(it.leave())
    # From here on ssh says where it would connect to, and that it shares nothing: as it has been told.
    ssh = tmp_path / "ssh"
    ssh.write_text("#!/bin/sh\necho hostname web1\necho port 22\n")
    ssh.chmod(0o755)
    connection.options.update(host="web1", ssh_executable=str(ssh))
    connection._build_command = lambda *command: list(command[:1])
    asyncio.run(it.leave())
    assert connection.options["ssh_args"].startswith("-o ControlPath=none ")


class OverSsh:
    """An action that is connected to an sshd of this machine by Ansible's own plugin."""

    def __init__(self, directory: Path, port: int) -> None:
        self._connection = connection_loader.get("ssh", PlayContext())
        self._connection.set_options(
            direct={
                "host": "127.0.0.1",
                "port": port,
                "remote_user": getpass.getuser(),
                "private_key_file": str(directory / "user_key"),
                "ssh_common_args": SSH_ARGS,
                "ssh_args": "-o ControlMaster=auto -o ControlPersist=60s",
                "control_path_dir": str(directory),
                "timeout": 60,
            }
        )

    def _low_level_execute_command(self, command: str, sudoable: bool) -> dict[str, Any]:
        rc, stdout, stderr = self._connection.exec_command(command, sudoable=sudoable)
        return {"rc": rc, "stdout": stdout.decode(), "stderr": stderr.decode()}


@pytest.fixture
def over_ssh() -> Iterator[tuple[ActionSession, Path]]:
    """A session, and the directory of its control socket."""
    if sshd_path() is None:
        pytest.skip("sshd is missing: install openssh-server")
    # A path short enough for sockets.
    with tempfile.TemporaryDirectory(prefix="ssh") as name, sshds(Path(name), ["127.0.0.1"]) as port:
        yield ActionSession(OverSsh(Path(name), port), {}), Path(name)


def test_a_new_connection_is_made_after_leaving_and_shared_again(over_ssh: tuple[ActionSession, Path]) -> None:
    it, directory = over_ssh

    async def work() -> None:
        async def connection() -> str:
            """Tell connections apart by the port that they come from."""
            return (await it.run("echo $SSH_CONNECTION", [], become=False, timeout_s=60.0)).stdout

        def sockets() -> list[Path]:
            return [each for each in directory.iterdir() if each.is_socket()]

        await it.leave()
        first = await connection()
        assert await connection() == first and len(sockets()) == 1
        under_way = asyncio.create_task(it.run("sleep 1; echo done", [], become=False, timeout_s=60.0))
        await asyncio.sleep(0.5)
        await it.leave()
        assert not sockets()
        second = await connection()
        assert second != first and await connection() == second, "and it is shared again"
        assert (await under_way).stdout == "done\n", "what was under way on the old one is not cut off"
        sshd = await it.sshd()
        assert sshd is not None and sshd.banner.startswith("SSH-2.0-")
        sshd.close()
        await it.leave()
        assert not sockets()

    asyncio.run(work())
