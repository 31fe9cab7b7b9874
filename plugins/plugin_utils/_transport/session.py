# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run commands and modules on one host through the play's own connection, with time limits."""

from __future__ import annotations

import contextlib
import copy
import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

from ansible.errors import AnsibleAuthenticationFailure, AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError

from .._text import clipped
from .bounded import CallAbandoned, bounded_call
from .endpoint import SSH_CONFIG_TIMEOUT_S, Endpoint, routes, ssh_endpoint
from .ssh_sharing import stop_sharing
from .sshd import Sshd, first_banner

# An ssh that hears nothing for that long exits: it may be connected to a system that has gone.
WARY_SSH_ARGS = "-o ServerAliveInterval=2 -o ServerAliveCountMax=3"
# For a shared connection that can't be left.
UNSHARED_SSH_ARGS = "-o ControlPath=none " + WARY_SSH_ARGS
# The ssh that holds a shared connection answers at once, unless it is stopped.
CONTROL_TIMEOUT_S = 5.0
# ssh's own message at the end of a session with a terminal.
_FAREWELL = re.compile(r"^(?:Shared c|C)onnection to \S+ closed\.\r?\n?", re.MULTILINE)

BANNER_TIMEOUT_S = 5.0
# A name may have an address in each family, one of them without a route.
SSHD_TIMEOUT_S = SSH_CONFIG_TIMEOUT_S + 4 * BANNER_TIMEOUT_S
LEAVE_TIMEOUT_S = 30.0

Result = TypeVar("Result")


# The first thing each script prints, so that a script that never began is known from one that failed. What comes before it is a
# login's noise.
_BEGUN = "fleet-kexec: begun"
_UP_TO_BEGUN = re.compile(r"\A(?:.*?^)?%s\r?\n" % re.escape(_BEGUN), re.MULTILINE | re.DOTALL)

# ssh's own words. A key that changed may be that of an initrd, or of somebody else's machine.
_FRAME = re.compile(r"@{3,}\s*")
_KEY_CHANGED = re.compile("HOST IDENTIFICATION HAS CHANGED|host key mismatch")
_LOGIN_REFUSED = re.compile(r"Permission denied \(|Host key verification failed|No supported authentication methods")
# Ansible's own words. Without output the host may be hanging as well as its sudo.
_BECOME_REFUSED = re.compile(
    r"(?:Incorrect|Missing) \S+ password|waiting for privilege escalation prompt: *\S|password is required"
)
_NO_TMP = re.compile("Failed to create temporary directory|No space left on device")

_SENTENCES = {
    "UNREACHABLE": "the host could not be reached: %s",
    "CONNECTION_FAILED": "the host can't be connected to as configured: %s",
    "HOST_KEY_CHANGED": "something answers in the host's place, with another host key: %s",
    "BECOME_FAILED": "the host grants no privileges: %s",
    "MODULE_FAILED": "the host can't run the module %s",
}


class SessionError(CodedError):
    """Raised when a host gives no usable answer; a session raises nothing else.

    C(UNREACHABLE), as :class:`SessionLost`: no connection, or no answer in time. With any other code the host is there and
    refuses, and no script was begun. C(CONNECTION_FAILED): the login, as configured. C(HOST_KEY_CHANGED): it may be another
    machine. C(BECOME_FAILED): privileges. C(MODULE_FAILED): a module gave no result; it may have done part of its work.

    :ivar said: the error in the words of the connection or the host, as it is.
    """

    def __init__(self, code: str, said: str) -> None:
        super().__init__(code, _SENTENCES[code] % (clipped(said) or "no output"))
        self.said = said


class SessionLost(SessionError):
    """Raised when a host could not be reached, or did not answer in time; what was asked for may have been carried out."""

    def __init__(self, said: str) -> None:
        super().__init__("UNREACHABLE", said)


def _session_error(error: AnsibleError) -> SessionError:
    """Tell by its words what an error of Ansible, or of a connection plugin, means."""
    said = str(error)
    if _KEY_CHANGED.search(said):
        return SessionError("HOST_KEY_CHANGED", _FRAME.sub("", said))
    if _BECOME_REFUSED.search(said):
        return SessionError("BECOME_FAILED", said)
    refused = isinstance(error, AnsibleAuthenticationFailure) or _LOGIN_REFUSED.search(said) or _NO_TMP.search(said)
    if refused or not isinstance(error, AnsibleConnectionFailure):
        return SessionError("CONNECTION_FAILED", said or "the login was refused")
    return SessionLost(said)


class Session(Protocol):
    """Connection to one host."""

    async def run(self, script: str, args: Sequence[str], become: bool, timeout_s: float) -> CommandResult:
        """Run a shell script with arguments. Its output begins with the script's own; what a login prints is left out.

        :raises SessionError: no connection, no result in time, or the script could not be begun.
        """

    async def module(self, name: str, args: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        """Run a module, in the task's check mode.

        :raises SessionError: no connection, no result in time, or no result at all.
        """

    async def sshd(self) -> Sshd | None:
        """The host's sshd as it answers now; None if it does not answer, or can't be reached from here."""

    async def leave(self) -> None:
        """Leave the connection that calls have shared so far, for the system that it leads to goes away, or may have gone.

        The next call makes a new one, which is shared again if that is configured.
        """

    def restore(self) -> None:
        """Restore the connection's options for later tasks."""


class ActionSession:
    """:class:`Session` over an action plugin's connection, with its become settings.

    :param connect_timeout_s: for new connections; None for the connection's own.
    :param at_once: held during each call; limits concurrent calls over all hosts.
    """

    def __init__(
        self,
        action: ActionBase,
        task_vars: dict[str, Any],
        connect_timeout_s: int | None = None,
        at_once: AbstractAsyncContextManager[Any] | None = None,
    ) -> None:
        self._action = action
        self._connection = action._connection
        self._task_vars = task_vars
        self._is_ssh = self._connection.transport == "ssh"
        self._at_once = at_once or contextlib.nullcontext()
        self._endpoint: Endpoint | None = None
        # Original values, for later tasks.
        self._own_options: dict[str, Any] = {}
        if connect_timeout_s is not None:
            self._override("timeout", connect_timeout_s)

    def _override(self, option: str, value: object) -> None:
        """Set an option of the connection, if it has that option."""
        with contextlib.suppress(AnsibleError, KeyError):
            own = self._connection.get_option(option)
            self._connection.set_option(option, value)
            self._own_options.setdefault(option, own)

    async def _call(self, work: Callable[[], Result], timeout_s: float) -> Result:
        """Call a function that uses the connection.

        :raises SessionError: any error of it. One that is neither Ansible's nor known is that of a host that is not there.
        """
        try:
            async with self._at_once:
                return await bounded_call(work, timeout_s)
        except CallAbandoned as error:
            raise SessionLost(str(error)) from error
        except AnsibleError as error:
            raise _session_error(error) from error
        except Exception as error:
            raise SessionLost("%s: %s" % (type(error).__name__, error)) from error

    async def run(self, script: str, args: Sequence[str], become: bool, timeout_s: float) -> CommandResult:
        command = shlex.join(["/bin/sh", "-c", "echo '%s'\n%s" % (_BEGUN, script), "fleet-kexec", *args])

        def work() -> CommandResult:
            if not self._is_ssh:
                self._connection.reset()
            result = self._action._low_level_execute_command(command, sudoable=become)
            return CommandResult(int(result["rc"]), result["stdout"], _FAREWELL.sub("", result["stderr"]))

        return self._begun(await self._call(work, timeout_s), become)

    def _begun(self, result: CommandResult, become: bool) -> CommandResult:
        """Output of a script that began.

        :raises SessionError: it did not.
        """
        output, begun = _UP_TO_BEGUN.subn("", result.stdout)
        if begun:
            return CommandResult(result.rc, output, result.stderr)
        if result.rc == 0:
            # Its output got lost, or it was never run.
            raise SessionLost("the script's answer is missing")
        refused = become and self._connection.become is not None
        raise SessionError("BECOME_FAILED" if refused else "CONNECTION_FAILED", result.last_words())

    async def module(self, name: str, args: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        def work() -> dict[str, Any]:
            action = _with_own_files(self._action)
            answer: dict[str, Any] = {}
            with contextlib.ExitStack() as ending:
                ending.callback(_remove_files, action)
                try:
                    answer = action._execute_module(module_name=name, module_args=dict(args), task_vars=self._task_vars)
                except AnsibleConnectionFailure:
                    # Nothing can be removed there now, and another attempt would take as long again.
                    ending.pop_all()
                    raise
            return answer

        result = await self._call(work, timeout_s)
        if result.get("unreachable"):
            raise SessionLost(str(result.get("msg", "unreachable")))
        # Ansible's, for output that is no result.
        if result.get("failed") and "module_stdout" in result:
            raise self._no_result(name, result)
        return result

    def _no_result(self, name: str, result: Mapping[str, Any]) -> SessionError:
        output = CommandResult(1, str(result["module_stdout"]), str(result.get("module_stderr", "")))
        become = self._connection.become
        if become is not None and re.search(
            r"^%s: " % re.escape(become.name), output.stdout + "\n" + output.stderr, re.MULTILINE
        ):
            return SessionError("BECOME_FAILED", output.last_words())
        summary = str(result.get("msg", "")).partition("\n")[0].rstrip(".")
        return SessionError("MODULE_FAILED", "%s (%s): %s" % (name, summary or "no result", output.last_words()))

    async def sshd(self) -> Sshd | None:
        def work() -> Sshd | None:
            endpoint = self._ssh_endpoint()
            return first_banner(routes(endpoint), BANNER_TIMEOUT_S) if endpoint and endpoint.direct else None

        if self._is_ssh:
            with contextlib.suppress(SessionError):
                return await self._call(work, SSHD_TIMEOUT_S)
        return None

    async def leave(self) -> None:
        if not self._is_ssh:
            # Each script resets the connection before it runs.
            return
        ssh_args = self._connection.get_option("ssh_args") or ""
        if ssh_args.startswith(UNSHARED_SSH_ARGS):
            # Nothing has been shared since.
            return
        left = False
        with contextlib.suppress(SessionError):
            left = await self._call(self._stop_sharing, LEAVE_TIMEOUT_S)
        ssh_args = self._own_options.get("ssh_args", ssh_args) or ""
        # ssh uses the first value of an option that is given twice.
        self._override("ssh_args", ("%s %s" % (WARY_SSH_ARGS if left else UNSHARED_SSH_ARGS, ssh_args)).strip())

    def _stop_sharing(self) -> bool:
        endpoint = self._ssh_endpoint()
        return endpoint is not None and (not endpoint.control_path or stop_sharing(endpoint.control_path, CONTROL_TIMEOUT_S))

    def _ssh_endpoint(self) -> Endpoint | None:
        """Where ssh would connect to, as it says once a session; None if it does not say."""
        if self._endpoint is None:
            self._endpoint = ssh_endpoint(self._ssh_command("-G"))
        return self._endpoint

    def _ssh_command(self, option: str) -> list[str]:
        """Command line that asks ssh something about the connection, as the connection plugin would make one."""
        connection = copy.copy(self._connection)
        connection.host, connection.sshpass_pipe = connection.get_option("host"), None
        ssh = str(connection.get_option("ssh_executable"))
        command = [os.fsdecode(each) for each in connection._build_command(ssh, "ssh", option, connection.host)]
        # Made for a password that nothing asks for.
        for descriptor in connection.sshpass_pipe or ():
            os.close(descriptor)
        return command[command.index(ssh) :]

    def restore(self) -> None:
        for option, own in self._own_options.items():
            self._connection.set_option(option, own)
        self._own_options.clear()


def _with_own_files(action: ActionBase) -> ActionBase:
    """The action with a directory of temporary files of its own on the host, so that calls of modules may overlap."""
    alone = copy.copy(action)
    alone._connection = copy.copy(action._connection)
    alone._connection._shell = copy.copy(action._connection._shell)
    alone._connection._shell.tmpdir = None
    return alone


def _remove_files(action: ActionBase) -> None:
    """Remove a module's files from the host: without pipelining they have its arguments, and so its secrets."""
    with contextlib.suppress(Exception):
        action._remove_tmp_path(None)
