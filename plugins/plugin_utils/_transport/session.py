# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands and modules on one host, through the play's own connection, and bounded in time."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult

from .bounded import BoundedCall, CallAbandoned
from .endpoint import Endpoint, ssh_endpoint

# Not through a shared master, which would stay connected to the system that
# is gone; and an ssh that hears nothing for so long ends by itself.
UNSHARED_SSH_ARGS = "-o ControlPath=none -o ServerAliveInterval=2 -o ServerAliveCountMax=3"


Result = TypeVar("Result")


class SessionLost(Exception):
    """The host could not be reached, or did not answer in time."""


class PendingAnswer(Protocol):
    """A script that still runs."""

    def done(self) -> bool:
        """Whether it ended, one way or the other."""

    def result(self, timeout_s: float) -> CommandResult:
        """Its answer; see :meth:`Session.run`."""

    def abandon(self) -> None:
        """Give it up."""


class Session(Protocol):
    """One host, as those who use it see it."""

    def start(self, script: str, args: Sequence[str], become: bool) -> PendingAnswer:
        """Start a shell script with arguments."""

    def run(self, script: str, args: Sequence[str], become: bool, timeout_s: float) -> CommandResult:
        """Run a shell script with arguments.

        :raises SessionLost: no connection, or no end in time.
        """

    def module(self, name: str, args: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        """Run a module, in the task's check mode.

        :raises SessionLost: no connection, or no end in time.
        """

    def endpoint(self) -> Endpoint | None:
        """Where its sshd listens; None if that can't be told."""

    def unshare(self) -> None:
        """Leave connections shared with other tasks behind, before the system they lead to goes away."""

    def restore(self) -> None:
        """Let later tasks connect as they did before."""


class _Pending:
    def __init__(self, call: BoundedCall[CommandResult]) -> None:
        self._call = call

    def done(self) -> bool:
        return self._call.done()

    def result(self, timeout_s: float) -> CommandResult:
        return _reached(self._call, timeout_s)

    def abandon(self) -> None:
        self._call.abandon()


def _reached(call: BoundedCall[Result], timeout_s: float) -> Result:
    """The result of a call over a connection.

    :raises SessionLost: whatever a connection plugin makes of a host that is
        not there. A host that is there and refuses (a wrong become password)
        stays an AnsibleError.
    """
    try:
        return call.result(timeout_s)
    except (AnsibleConnectionFailure, CallAbandoned) as error:
        raise SessionLost(str(error)) from error
    except AnsibleError:
        raise
    except Exception as error:
        raise SessionLost("%s: %s" % (type(error).__name__, error)) from error


class ActionSession:
    """A :class:`Session` over an action plugin's connection, with its become settings.

    :param connect_timeout_s: for new connections; None for the connection's own.
    """

    def __init__(self, action: ActionBase, task_vars: dict[str, Any], connect_timeout_s: int | None = None) -> None:
        self._action = action
        self._connection = action._connection
        self._task_vars = task_vars
        self._is_ssh = self._connection.transport == "ssh"
        # What later tasks get back: options as they were.
        self._own_options: dict[str, Any] = {}
        if connect_timeout_s is not None:
            self._override("timeout", connect_timeout_s)

    def _override(self, option: str, value: object) -> None:
        """Set an option of the connection, if it has it."""
        with contextlib.suppress(AnsibleError, KeyError):
            own = self._connection.get_option(option)
            self._connection.set_option(option, value)
            self._own_options.setdefault(option, own)

    def start(self, script: str, args: Sequence[str], become: bool) -> PendingAnswer:
        command = shlex.join(["/bin/sh", "-c", script, "fleet-kexec", *args])

        def work() -> CommandResult:
            if not self._is_ssh:
                self._connection.reset()
            result = self._action._low_level_execute_command(command, sudoable=become)
            return CommandResult(int(result["rc"]), result["stdout"], result["stderr"])

        return _Pending(BoundedCall(work))

    def run(self, script: str, args: Sequence[str], become: bool, timeout_s: float) -> CommandResult:
        return self.start(script, args, become).result(timeout_s)

    def module(self, name: str, args: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        def work() -> dict[str, Any]:
            answer: dict[str, Any] = self._action._execute_module(
                module_name=name, module_args=dict(args), task_vars=self._task_vars
            )
            return answer

        result = _reached(BoundedCall(work), timeout_s)
        if result.get("unreachable"):
            raise SessionLost(str(result.get("msg", "unreachable")))
        return result

    def endpoint(self) -> Endpoint | None:
        if not self._is_ssh:
            return None
        options = self._connection.get_option
        ssh = [options("ssh_executable")]
        for name in ("ssh_args", "ssh_common_args", "ssh_extra_args"):
            ssh.extend(shlex.split(options(name) or ""))
        if options("port") is not None:
            ssh.extend(["-o", "Port=%s" % options("port")])
        return ssh_endpoint(ssh, options("host"))

    def unshare(self) -> None:
        with contextlib.suppress(CallAbandoned, AnsibleError):
            # Temporary files of modules would be looked for, and removed, after the reboot.
            BoundedCall(lambda: self._action._remove_tmp_path(None)).result(30.0)
        with contextlib.suppress(CallAbandoned, AnsibleError):
            BoundedCall(self._connection.reset).result(30.0)
        if self._is_ssh:
            # Of an option given twice, ssh takes the first.
            self._override("ssh_args", ("%s %s" % (UNSHARED_SSH_ARGS, self._connection.get_option("ssh_args") or "")).strip())

    def restore(self) -> None:
        for option, own in self._own_options.items():
            self._connection.set_option(option, own)
        self._own_options.clear()
