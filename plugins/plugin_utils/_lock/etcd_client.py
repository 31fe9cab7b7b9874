# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""etcd by its JSON gateway, bounded in time.

The gateway (etcd 3.4 and later, C(/v3/…)) takes and gives the messages of
etcd's gRPC interface (api/etcdserverpb/rpc.proto) as JSON: keys and values in
base64, 64-bit numbers as strings, and what has its default value left out.

Not by C(open_url) of Ansible: that sets the whole process's opener for each
request, so with several threads a request may go out with the certificates
of another. Only its TLS context is used. Proxies, redirects and C(.netrc) have no
part in this.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import queue
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .model import LockError
from .options import Endpoint, EtcdOptions

# More than ten thousand slots and their records.
MAX_ANSWER_BYTES = 16 << 20

# google/rpc/code.proto.
_INVALID_ARGUMENT = 3
_UNAUTHENTICATED = 16
# Of this member at this moment: cancelled, unknown, deadline exceeded, resource exhausted, unimplemented,
# internal, unavailable. Another may do better.
_OF_THE_MEMBER = frozenset((1, 2, 4, 8, 12, 13, 14))
# The user's rights changed since the token was given.
_TOKEN_OLD = "revision of auth store is old"


class _TokenRefused(Exception):
    """The token has run out, or the member was started anew."""


@dataclass(frozen=True)
class _Request:
    # The content may have a password in it.
    path: str
    content: bytes = field(repr=False)
    deadline: float
    timeout_s: float


@dataclass(frozen=True)
class KeyValue:
    """One key of etcd.

    :ivar mod_revision: of its last change; no two changes have the same.
    :ivar lease: 0 for none.
    """

    key: str
    value: str
    mod_revision: int
    lease: int

    def parsed(self) -> Any:
        """The value as JSON; None if it is none."""
        try:
            return json.loads(self.value)
        except ValueError:
            return None


@dataclass(frozen=True)
class Found:
    """What a range of keys holds.

    :ivar count: of all, also where only the count was asked for.
    """

    count: int
    keys: tuple[KeyValue, ...]

    @property
    def first(self) -> KeyValue | None:
        """The key, where one was asked for."""
        return self.keys[0] if self.keys else None


@dataclass(frozen=True)
class Answer:
    """What a transaction did.

    :ivar found: one for each operation of the branch that was taken; empty for those that write.
    :ivar revision: of the store after it; the C(mod_revision) of what it wrote.
    """

    succeeded: bool
    found: tuple[Found, ...]
    revision: int


class EtcdClient:
    """Requests to whichever member answers.

    :param clock: seconds.
    """

    def __init__(self, options: EtcdOptions, clock: Callable[[], float]) -> None:
        self._options = options
        self._clock = clock
        self._preferred = 0
        self._token: str | None = None

    def deadline(self) -> float:
        """When something that begins now has to end: time for every endpoint, and once more."""
        return self._clock() + self._options.timeout_s * (len(self._options.endpoints) + 1)

    @property
    def endpoints(self) -> int:
        """How many there are."""
        return len(self._options.endpoints)

    def transact(
        self,
        deadline: float,
        compare: Sequence[Mapping[str, Any]],
        success: Sequence[Mapping[str, Any]],
        failure: Sequence[Mapping[str, Any]] = (),
    ) -> Answer:
        """One transaction.

        :raises LockError: C(LOCK_UNAVAILABLE); it may or may not have been done.
        """
        body = {"compare": list(compare), "success": list(success), "failure": list(failure)}
        answer = self.call("/v3/kv/txn", body, deadline)
        try:
            found = tuple(_found(response.get("response_range", {})) for response in answer.get("responses", ()))
            return Answer(bool(answer.get("succeeded")), found, int(answer["header"]["revision"]))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise LockError("LOCK_UNAVAILABLE", "etcd gave an answer to a transaction that makes no sense") from error

    def call(self, path: str, body: Mapping[str, Any], deadline: float, timeout_s: float | None = None) -> dict[str, Any]:
        """One request, authenticated where a user is given.

        :param timeout_s: for each endpoint, instead of the option's.
        :raises LockError: C(LOCK_UNAVAILABLE).
        """
        request = _Request(path, json.dumps(body).encode(), deadline, timeout_s or self._options.timeout_s)
        if self._options.username is None:
            return self._ask(request)
        try:
            return self._ask(request, self._token or self._authenticate(request))
        except _TokenRefused:
            pass
        try:
            return self._ask(request, self._authenticate(request))
        except _TokenRefused as refused:
            raise LockError("LOCK_UNAVAILABLE", "etcd refuses the token that it gave: %s" % refused) from refused

    def _authenticate(self, request: _Request) -> str:
        content = json.dumps({"name": self._options.username, "password": self._options.password}).encode()
        token = self._ask(replace(request, path="/v3/auth/authenticate", content=content)).get("token")
        if not isinstance(token, str):
            raise LockError("LOCK_UNAVAILABLE", "etcd gave no token to user %s" % self._options.username)
        self._token = token
        return token

    def _in_turn(self) -> Iterator[tuple[int, Endpoint]]:
        # The one that answered last comes first, so that one that is dead costs its timeout once only.
        start = self._preferred
        for step in range(self.endpoints):
            index = (start + step) % self.endpoints
            yield index, self._options.endpoints[index]

    def _ask(self, request: _Request, token: str | None = None) -> dict[str, Any]:
        failures = []
        for index, endpoint in self._in_turn():
            left_s = min(request.timeout_s, request.deadline - self._clock())
            if left_s <= 0:
                failures.append("%s: no time left" % endpoint)
                break
            try:
                status, answer = self._exchange(endpoint, request, token, left_s)
            except (OSError, http.client.HTTPException, ValueError) as error:
                failures.append("%s: %s" % (endpoint, error or type(error).__name__))
                continue
            # A stream that fails has status 200, too.
            if status == 200 and not answer.get("error"):
                self._preferred = index
                return answer
            message = str(answer.get("message") or answer.get("error") or "HTTP status %d" % status)
            code = answer.get("code")
            if token is not None and (code == _UNAUTHENTICATED or (code == _INVALID_ARGUMENT and _TOKEN_OLD in message)):
                raise _TokenRefused(message)
            if isinstance(code, int) and code not in _OF_THE_MEMBER:
                raise LockError("LOCK_UNAVAILABLE", "etcd at %s refuses: %s" % (endpoint, message))
            failures.append("%s: %s" % (endpoint, message))
        raise LockError("LOCK_UNAVAILABLE", "etcd can't be reached: " + "; ".join(failures))

    def _exchange(self, endpoint: Endpoint, request: _Request, token: str | None, timeout_s: float) -> tuple[int, dict[str, Any]]:
        connection: http.client.HTTPConnection
        if endpoint.tls:
            connection = http.client.HTTPSConnection(
                endpoint.host, endpoint.port, timeout=timeout_s, context=self._options.context
            )
        else:
            connection = http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=timeout_s)
        headers = {"Content-Type": "application/json", "Connection": "close"}
        if token is not None:
            headers["Authorization"] = token

        def roundtrip() -> tuple[int, bytes]:
            with contextlib.closing(connection):
                connection.request("POST", endpoint.path + request.path, request.content, headers)
                response = connection.getresponse()
                return response.status, response.read(MAX_ANSWER_BYTES + 1)

        def give_up() -> None:
            if connection.sock is not None:
                connection.sock.shutdown(socket.SHUT_RDWR)

        status, answer = _within(timeout_s, roundtrip, give_up)
        if len(answer) > MAX_ANSWER_BYTES:
            raise ValueError("an answer of more than %d MiB" % (MAX_ANSWER_BYTES >> 20))
        try:
            parsed = json.loads(answer)
        except ValueError:
            parsed = None
        if isinstance(parsed, dict):
            return status, parsed
        if status == 200:
            raise ValueError("an answer that is no JSON")
        # A proxy, another service, or an etcd without its gateway.
        return status, {}


def _within(timeout_s: float, function: Callable[[], tuple[int, bytes]], give_up: Callable[[], None]) -> tuple[int, bytes]:
    # A socket's timeout covers neither looking up a name nor an answer that trickles in. What takes
    # too long is left behind in a daemon thread, with its socket shut.
    outcome: queue.SimpleQueue[tuple[int, bytes] | BaseException] = queue.SimpleQueue()

    def work() -> None:
        try:
            outcome.put(function())
        except BaseException as error:  # it belongs to whoever waits
            outcome.put(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        result = outcome.get(timeout=timeout_s)
    except queue.Empty:
        with contextlib.suppress(OSError):
            give_up()
        result = TimeoutError()
    if isinstance(result, TimeoutError):
        raise TimeoutError("no answer within %.1f s" % timeout_s)
    if isinstance(result, BaseException):
        raise result
    return result


# --- messages of etcd --------------------------------------------------------------------


def lives(key: str, lease: int) -> dict[str, Any]:
    """True if the key is there with this lease."""
    return {"key": _b64(key), "target": "LEASE", "result": "EQUAL", "lease": str(lease)}


def unchanged(key: str, mod_revision: int) -> dict[str, Any]:
    """True if the key is as it was at this revision; 0 for not there."""
    return {"key": _b64(key), "target": "MOD", "result": "EQUAL", "mod_revision": str(mod_revision)}


def get(key: str) -> dict[str, Any]:
    """Read one key."""
    return {"request_range": {"key": _b64(key)}}


def get_below(prefix: str, count_only: bool = False) -> dict[str, Any]:
    """Read all keys that begin so."""
    return {"request_range": {"key": _b64(prefix), "range_end": _b64(_end(prefix)), "count_only": count_only}}


def put(key: str, value: str, lease: int = 0) -> dict[str, Any]:
    """Write one key."""
    return {"request_put": {"key": _b64(key), "value": _b64(value), "lease": str(lease)}}


def delete(key: str) -> dict[str, Any]:
    """Remove one key."""
    return {"request_delete_range": {"key": _b64(key)}}


def _end(prefix: str) -> str:
    # The first key that does not begin so; prefixes end with a slash here.
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _text(data: str) -> str:
    return base64.b64decode(data).decode("utf-8", "replace")


def _found(answer: Mapping[str, Any]) -> Found:
    keys = tuple(
        KeyValue(_text(item["key"]), _text(item.get("value", "")), int(item["mod_revision"]), int(item.get("lease", 0)))
        for item in answer.get("kvs", ())
    )
    return Found(int(answer.get("count", 0)), keys)
