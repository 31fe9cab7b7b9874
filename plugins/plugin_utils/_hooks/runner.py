# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks of one host, run as often as it takes, and bounded in time."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult

from .._transport.bounded import CallAbandoned, bounded_call
from .._transport.session import Session, SessionLost
from .._transport.tls import CasUnreadable, tls_context
from .hooks import ON_HOST, Command, Hook, HttpCheck, ModuleCall

#: Of a message, in characters. Its end is kept.
MESSAGE_MAX_CHARS = 1000

# Replaces the arguments, so that what they hold is never read by a shell.
HOST_SCRIPT = 'exec "$@"'

USER_AGENT = "fleet.kexec"

# Kept of what a command on the controller says.
_OUTPUT_MAX_BYTES = 16 * 1024
# As much as a pipe holds.
_PIPE_BYTES = 64 * 1024
# Read of what HTTP answers, to look for a text.
_BODY_MAX_BYTES = 1024 * 1024
_CHUNK_BYTES = 64 * 1024
# What is killed is gone at once, or hangs in the kernel.
_KILLED_S = 1.0
# Shorter ones are in any text.
_SECRET_MIN_CHARS = 4
_MASK = "********"


@dataclass(frozen=True)
class HookOutcome:
    """How a hook went.

    :ivar attempts: how many there were.
    :ivar duration_ms: of all attempts and the delays between them.
    :ivar message: of the last attempt, on one line and without secrets.
    """

    ok: bool
    attempts: int
    duration_ms: int
    message: str


@dataclass(frozen=True)
class _Attempt:
    ok: bool
    message: str


class HookRunner:
    """Runs hooks of one host.

    :param session: of the host. Its own bound on time, which leaves out the wait for its turn, is that of an attempt.
    :param controller: of the machine this runs on, for modules there.
    """

    def __init__(self, session: Session, controller: Session) -> None:
        self._session = session
        self._controller = controller

    async def run(self, hook: Hook) -> HookOutcome:
        """Run a hook until it succeeds or its attempts are used up. Its failure is no exception.

        Whoever waits for it may be cancelled. Processes on the controller are ended then; what a
        connection plugin left running on a host is not in its hands.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        attempts = 0
        while True:
            attempts += 1
            attempt = await self._attempt(hook)
            if attempt.ok or attempts > hook.retries:
                break
            await asyncio.sleep(hook.delay_s)
        return HookOutcome(attempt.ok, attempts, round((loop.time() - began) * 1000), _one_line(attempt.message))

    async def _attempt(self, hook: Hook) -> _Attempt:
        action = hook.action
        if isinstance(action, HttpCheck):
            return await _http_attempt(action, hook.timeout_s)
        if isinstance(action, ModuleCall):
            return await self._module_attempt(action, hook.timeout_s)
        if action.run_on == ON_HOST:
            return await self._host_attempt(action, hook.timeout_s)
        return await _controller_attempt(action, hook.timeout_s)

    async def _host_attempt(self, command: Command, timeout_s: float) -> _Attempt:
        try:
            result = await self._session.run(HOST_SCRIPT, command.argv, True, timeout_s)
        except (SessionLost, AnsibleError) as error:
            return _Attempt(False, str(error))
        return _command_attempt(result)

    async def _module_attempt(self, call: ModuleCall, timeout_s: float) -> _Attempt:
        session = self._session if call.run_on == ON_HOST else self._controller
        try:
            attempt = _module_attempt(await session.module(call.name, call.args, timeout_s))
        except (SessionLost, AnsibleError) as error:
            attempt = _Attempt(False, str(error))
        return _Attempt(attempt.ok, _masked(attempt.message, call.secrets()))


def _command_attempt(result: CommandResult) -> _Attempt:
    words = result.last_words()
    if result.rc == 0:
        return _Attempt(True, words)
    ended = "signal %d" % -result.rc if result.rc < 0 else "exit code %d" % result.rc
    return _Attempt(False, "%s: %s" % (ended, words))


def _module_attempt(result: Mapping[str, Any]) -> _Attempt:
    # As Ansible judges a task, see its task executor.
    failed = bool(result.get("failed")) or result.get("rc", 0) not in (0, "0")
    message = str(result.get("msg") or "").strip()
    if failed:
        # A module that runs a command may say no more than that it failed.
        words = CommandResult(1, str(result.get("stdout") or ""), str(result.get("stderr") or "")).last_words()
        message = "%s: %s" % (message or "the module failed", words) if result.get("rc") else message
    return _Attempt(not failed, message or ("the module failed, and did not say why" if failed else "no message"))


# Commands on the controller.


async def _controller_attempt(command: Command, timeout_s: float) -> _Attempt:
    try:
        with _Output() as output:
            process = await _started(command.argv, output.sink)
            output.close_sink()
            try:
                async with asyncio.timeout(timeout_s):
                    rc = await process.wait()
            except TimeoutError:
                await _end(process)
                return _Attempt(False, "no end within %g s: %s" % (timeout_s, _said(0, output).last_words()))
            except asyncio.CancelledError:
                await _end(process)
                raise
            return _command_attempt(_said(rc, output))
    # Not there, not to be executed, too long, or out of file descriptors.
    except (OSError, ValueError) as error:
        return _Attempt(False, str(error))


async def _started(argv: Iterable[str], sink: int) -> asyncio.subprocess.Process:
    """Start a process in a session of its own, so that it can be ended with all its children, and no Ctrl-C reaches it."""
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(*argv, stdin=asyncio.subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True)
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        # It may run already, and have children.
        with contextlib.suppress(OSError, ValueError):
            await _end(await starting)
        raise


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a process that runs, and its children."""
    # Those of another user, by sudo, are not ours to kill.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_KILLED_S):
            await process.wait()


class _Output:
    """The end of what a process says, with a pipe that is ours.

    A pipe of asyncio's makes waiting for the process wait for whatever it left
    in the background, too. Here it has ended when it has ended.
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
        """Leave the pipe to the process."""
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
        """What was said last."""
        # What the process wrote right before it ended, and no more: what it left in the background may go on writing.
        self._read()
        return self._kept.decode("utf-8", "replace")


def _said(rc: int, output: _Output) -> CommandResult:
    return CommandResult(rc, output.text(), "")


# HTTP.


class _AsAnswered(urllib.request.HTTPErrorProcessor):
    """Takes any answer for what it is: no redirect is followed, so that headers go where they were sent to."""

    def http_response(self, request: Any, response: Any) -> Any:
        """Hand it on."""
        return response

    https_response = http_response


async def _http_attempt(check: HttpCheck, timeout_s: float) -> _Attempt:
    over = threading.Event()
    try:
        return await bounded_call(lambda: _ask(check, timeout_s, over), timeout_s)
    except (CallAbandoned, TimeoutError):
        return _Attempt(False, "no complete answer within %g s" % timeout_s)
    except RuntimeError as error:
        # No thread could be started.
        return _Attempt(False, "no answer: %s" % error)
    finally:
        # For the thread, if it is left behind.
        over.set()


def _ask(check: HttpCheck, timeout_s: float, over: threading.Event) -> _Attempt:
    """Ask, and judge the answer.

    Not by C(open_url) of Ansible: it installs its opener for the whole process
    before it uses it, so that one thread's request may go out with the TLS
    settings of another's.
    """
    opener = urllib.request.OpenerDirector()
    opener.addheaders = [("User-Agent", USER_AGENT)]
    for handler in (urllib.request.ProxyHandler(), urllib.request.HTTPHandler(), _AsAnswered()):
        opener.add_handler(handler)
    # What servers and libraries say may quote the request; the exceptions whose text is shown do not.
    try:
        request = urllib.request.Request(check.url, data=check.body, headers=dict(check.headers), method=check.method)  # noqa: S310
        if request.type == "https":
            opener.add_handler(urllib.request.HTTPSHandler(context=tls_context(check.validate_certs, check.ca_path)))
        with opener.open(request, timeout=timeout_s) as response:
            return _judged(check, response, over)
    except CasUnreadable as error:
        return _Attempt(False, str(error))
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise error.reason from None
        return _Attempt(False, "no answer: %s" % error.reason)
    except TimeoutError:
        raise
    except OSError as error:
        return _Attempt(False, "no answer: %s" % error)
    except Exception as error:
        return _Attempt(False, "no answer that could be understood (%s)" % type(error).__name__)


def _judged(check: HttpCheck, response: http.client.HTTPResponse, over: threading.Event) -> _Attempt:
    answered = "answered %s" % " ".join([str(response.status), http.client.responses.get(response.status, "")]).strip()
    if response.status not in check.statuses:
        return _Attempt(False, "%s, not %s" % (answered, " or ".join(map(str, sorted(check.statuses)))))
    if check.contains is None:
        return _Attempt(True, answered)
    body = bytearray()
    while not over.is_set() and len(body) < _BODY_MAX_BYTES and (data := response.read1(_CHUNK_BYTES)):
        body += data
    found = check.contains.encode("utf-8", "surrogatepass") in body
    return _Attempt(found, "%s, with%s the text" % (answered, "" if found else "out"))


# Messages.


def _masked(text: str, secrets: Iterator[str]) -> str:
    """A text without secrets. Those of less than 4 characters stay: they would take half of any text with them."""
    # The longest first, because one may be part of another.
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) >= _SECRET_MIN_CHARS:
            text = text.replace(secret, _MASK)
    return text


def _one_line(text: str) -> str:
    """A text that a terminal shows and does not act on; the end of a long one."""
    line = "".join(each if each.isprintable() else " " for each in text).strip()
    return line if len(line) <= MESSAGE_MAX_CHARS else "…" + line[-MESSAGE_MAX_CHARS + 1 :]
