# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run commands and modules on one host through the play's own connection, with time limits."""

from __future__ import annotations

import contextlib
import copy
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult

from .bounded import CallAbandoned, bounded_call
from .endpoint import SSH_CONFIG_TIMEOUT_S, addresses, ssh_endpoint
from .prober import Sshd, first_banner

# No shared master: it would stay connected to the system that has gone. And an ssh that hears nothing for that long exits.
UNSHARED_SSH_ARGS = "-o ControlPath=none -o ServerAliveInterval=2 -o ServerAliveCountMax=3"
# ssh's own message at the end of a session with a terminal.
_FAREWELL = re.compile(r"^(?:Shared c|C)onnection to \S+ closed\.\r?\n?", re.MULTILINE)

BANNER_TIMEOUT_S = 5.0
# A name may have an address in each family, one of them without a route.
SSHD_TIMEOUT_S = SSH_CONFIG_TIMEOUT_S + 4 * BANNER_TIMEOUT_S

Result = TypeVar("Result")


class SessionLost(Exception):
    """Raised when a host could not be reached, or did not answer in time."""


class Session(Protocol):
    """Connection to one host."""

    async def run(self, script: str, args: Sequence[str], become: bool, timeout_s: float) -> CommandResult:
        """Run a shell script with arguments.

        :raises SessionLost: no connection, or no result in time.
        """

    async def module(self, name: str, args: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        """Run a module, in the task's check mode.

        :raises SessionLost: no connection, or no result in time.
        """

    async def sshd(self) -> Sshd | None:
        """The host's sshd as it answers now; None if it does not answer, or can't be reached from here."""

    async def unshare(self) -> None:
        """Leave connections shared with other tasks, before the system they lead to goes away."""

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

        :raises SessionLost: any error of a connection plugin whose host is not there. A host that is there and refuses (a wrong
            become password) stays an AnsibleError.
        """
        try:
            async with self._at_once:
                return await bounded_call(work, timeout_s)
        except (AnsibleConnectionFailure, CallAbandoned) as error:
            raise SessionLost(str(error)) from error
        except AnsibleError:
            raise
        except Exception as error:
            raise SessionLost("%s: %s" % (type(error).__name__, error)) from error

    async def run(self, script: str, args: Sequence[str], become: bool, timeout_s: float) -> CommandResult:
        command = shlex.join(["/bin/sh", "-c", script, "fleet-kexec", *args])

        def work() -> CommandResult:
            if not self._is_ssh:
                self._connection.reset()
            result = self._action._low_level_execute_command(command, sudoable=become)
            return CommandResult(int(result["rc"]), result["stdout"], _FAREWELL.sub("", result["stderr"]))

        return await self._call(work, timeout_s)

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
        return result

    async def sshd(self) -> Sshd | None:
        if not self._is_ssh:
            return None
        options = self._connection.get_option
        ssh = [options("ssh_executable")]
        for name in ("ssh_args", "ssh_common_args", "ssh_extra_args"):
            ssh.extend(shlex.split(options(name) or ""))
        if options("port") is not None:
            ssh.extend(["-o", "Port=%s" % options("port")])
        host = options("host")

        def work() -> Sshd | None:
            endpoint = ssh_endpoint(ssh, host)
            return first_banner(addresses(endpoint), BANNER_TIMEOUT_S) if endpoint and endpoint.direct else None

        with contextlib.suppress(SessionLost):
            return await self._call(work, SSHD_TIMEOUT_S)
        return None

    async def unshare(self) -> None:
        with contextlib.suppress(SessionLost, AnsibleError):
            await self._call(self._connection.reset, 30.0)
        if self._is_ssh:
            # ssh uses the first value of an option that is given twice.
            self._override("ssh_args", ("%s %s" % (UNSHARED_SSH_ARGS, self._connection.get_option("ssh_args") or "")).strip())

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
