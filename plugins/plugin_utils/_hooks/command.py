# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks that run a command on the host or the controller, without a shell; any exit code but 0 is a failure."""

from __future__ import annotations

import asyncio
import contextlib
import os
import posixpath
import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError

from .._transport.session import SessionError
from .._values import Value
from .hook import ON_CONTROLLER, ON_HOST, HookAttempt, HookSessions

# Exports the arguments up to "--", and replaces the shell with the others, so that no shell parses any of them.
HOST_SCRIPT = 'while [ "$1" != -- ]; do export "$1"; shift; done; shift; exec "$@"'

# Kept of a command's output, on the controller.
_OUTPUT_MAX_BYTES = 16 * 1024
# Capacity of a pipe.
_PIPE_BYTES = 64 * 1024
# A killed process is gone at once, or hangs in the kernel.
_KILLED_S = 1.0


@dataclass(frozen=True)
class CommandOnHost:
    """Command on a host of the inventory; see :class:`HookAction`."""

    argv: tuple[str, ...] = field(repr=False)
    run_on: str = ON_HOST

    @classmethod
    def parse(cls, value: Value, run_on: Value) -> CommandOnHost:
        """Parse the options C(command) and C(run_on)."""
        if run_on.raw == ON_CONTROLLER:
            raise run_on.wrong("the name of a host; controller_command runs on the controller")
        return cls(_argv(value), run_on.text())

    @property
    def label(self) -> str:
        """See :class:`HookAction`; names only the program."""
        return "command " + _program(self.argv)

    async def attempt(self, sessions: HookSessions, environment: Mapping[str, str], timeout_s: float) -> HookAttempt:
        """See :class:`HookAction`. A command that the connection plugin leaves running on the host can't be stopped from here."""
        args = ["%s=%s" % variable for variable in environment.items()] + ["--", *self.argv]
        try:
            result = await sessions.to(self.run_on).run(HOST_SCRIPT, args, True, timeout_s)
        except SessionError as error:
            return HookAttempt(False, error.said)
        except CodedError as error:
            return HookAttempt(False, str(error))
        return _judged(result)


@dataclass(frozen=True)
class CommandOnController:
    """Command on the controller; see :class:`HookAction`."""

    argv: tuple[str, ...] = field(repr=False)
    run_on: ClassVar[str] = ON_CONTROLLER

    @classmethod
    def parse(cls, value: Value) -> CommandOnController:
        """Parse the option C(controller_command)."""
        return cls(_argv(value))

    @property
    def label(self) -> str:
        """See :class:`HookAction`; names only the program."""
        return "controller_command " + _program(self.argv)

    async def attempt(self, sessions: HookSessions, environment: Mapping[str, str], timeout_s: float) -> HookAttempt:
        """See :class:`HookAction`. On timeout or cancellation, the process is killed with its children."""
        async with sessions.at_once:
            return await self._attempt(environment, timeout_s)

    async def _attempt(self, environment: Mapping[str, str], timeout_s: float) -> HookAttempt:
        try:
            with _Output() as output:
                process = await _started(self.argv, environment, output.sink)
                output.close_sink()
                try:
                    async with asyncio.timeout(timeout_s):
                        rc = await process.wait()
                except TimeoutError:
                    await _end(process)
                    return HookAttempt(False, "no end within %g s: %s" % (timeout_s, _said(0, output).last_words()))
                except asyncio.CancelledError:
                    await _end(process)
                    raise
                return _judged(_said(rc, output))
        # Missing, not executable, arguments too long, or out of file descriptors.
        except (OSError, ValueError) as error:
            return HookAttempt(False, str(error))


def _argv(value: Value) -> tuple[str, ...]:
    words = value.items("a list of a program and its arguments")
    argv = tuple(word.text() for word in words)
    if not argv or not argv[0]:
        raise value.wrong("a list that begins with a program")
    for word, text in zip(words, argv, strict=True):
        if "\0" in text:
            raise word.wrong("without null characters")
    return argv


def _program(argv: tuple[str, ...]) -> str:
    return posixpath.basename(argv[0]) or argv[0]


def _judged(result: CommandResult) -> HookAttempt:
    words = result.last_words()
    if result.rc == 0:
        return HookAttempt(True, words)
    ended = "signal %d" % -result.rc if result.rc < 0 else "exit code %d" % result.rc
    return HookAttempt(False, "%s: %s" % (ended, words))


# Processes on the controller.


async def _started(argv: Iterable[str], environment: Mapping[str, str], sink: int) -> asyncio.subprocess.Process:
    """Start a process in its own session, so that it can be killed with all its children and no Ctrl-C reaches it."""
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *argv,
            env={**os.environ, **environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        # The process may already run and have children.
        with contextlib.suppress(OSError, ValueError):
            await _end(await starting)
        raise


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill a running process and its children."""
    # Processes of another user, started by sudo, are not ours to kill.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_KILLED_S):
            await process.wait()


class _Output:
    """Tail of a process's output, read through our own pipe.

    With asyncio's pipes, waiting for the process would also wait for whatever it left in the background.
    """

    def __init__(self) -> None:
        self._source, self.sink = os.pipe()
        os.set_blocking(self._source, False)
        self._kept = bytearray()
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> _Output:
        self._loop.add_reader(self._source, self._read)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._loop.remove_reader(self._source)
        os.close(self._source)
        self.close_sink()

    def close_sink(self) -> None:
        """Close our copy of the pipe's write end."""
        if self.sink >= 0:
            os.close(self.sink)
            self.sink = -1

    def _read(self) -> None:
        try:
            data = os.read(self._source, _PIPE_BYTES)
        except BlockingIOError:
            return
        if not data:
            self._loop.remove_reader(self._source)
            return
        self._kept += data
        del self._kept[:-_OUTPUT_MAX_BYTES]

    def text(self) -> str:
        # Read what the process wrote right before it ended, and no more: what it left in the background may keep writing.
        self._read()
        return self._kept.decode("utf-8", "replace")


def _said(rc: int, output: _Output) -> CommandResult:
    return CommandResult(rc, output.text(), "")
