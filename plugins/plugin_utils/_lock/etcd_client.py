# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Client for etcd's JSON gateway, with time limits. Proxies play no part here."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .._transport.http.client import ask
from .._transport.http.errors import HttpError, NoConnection
from .._transport.http.message import HttpRequest
from .etcd_messages import TransactionAnswer, key_range
from .model import LockError

# Enough for more than ten thousand slots and their records.
MAX_ANSWER_BYTES = 16 << 20

# google/rpc/code.proto.
_INVALID_ARGUMENT = 3
_UNAUTHENTICATED = 16
# Codes that concern this member at this moment: cancelled, unknown, deadline exceeded, resource exhausted, unimplemented,
# internal, unavailable. Another member may do better.
_OF_THE_MEMBER = frozenset((1, 2, 4, 8, 12, 13, 14))
# The user's permissions changed after the token was issued.
_TOKEN_OLD = "revision of auth store is old"

# Pause after which the members are asked again if none takes a connection, as while the only one is restarted.
_AGAIN_S = 0.5


class _TokenRefused(Exception):
    """Raised when a token has expired, or the member was restarted."""


@dataclass(frozen=True)
class EtcdEndpoint:
    """Address of an etcd member; C(path) is a prefix without a slash at the end, mostly empty."""

    tls: bool
    host: str
    port: int
    path: str

    def __str__(self) -> str:
        host = "[%s]" % self.host if ":" in self.host else self.host
        return "%s://%s:%d%s" % ("https" if self.tls else "http", host, self.port, self.path)


@dataclass(frozen=True)
class EtcdAccess:
    """Endpoints of an etcd cluster, and how to authenticate.

    :ivar timeout_s: per endpoint.
    :ivar context: None if no endpoint uses TLS.
    :ivar username: None, like the password, without authentication.
    """

    endpoints: tuple[EtcdEndpoint, ...]
    timeout_s: float
    context: ssl.SSLContext | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class _Request:
    # The content may hold a password.
    path: str
    content: bytes = field(repr=False)
    deadline: float
    timeout_s: float


class EtcdClient:
    """Send requests to whichever member answers."""

    def __init__(self, access: EtcdAccess, clock: Callable[[], float]) -> None:
        self._access = access
        self._clock = clock
        self._preferred = 0
        self._token: str | None = None

    def deadline(self) -> float:
        """Deadline for requests that begin now: the timeout of every endpoint, plus one."""
        return self._clock() + self._access.timeout_s * (len(self._access.endpoints) + 1)

    @property
    def endpoints(self) -> int:
        return len(self._access.endpoints)

    async def transact(
        self,
        deadline: float,
        compare: Sequence[Mapping[str, Any]],
        success: Sequence[Mapping[str, Any]],
        failure: Sequence[Mapping[str, Any]] = (),
    ) -> TransactionAnswer:
        """Run a transaction.

        :raises LockError: C(LOCK_UNAVAILABLE); the transaction may or may not have taken effect.
        """
        body = {"compare": list(compare), "success": list(success), "failure": list(failure)}
        answer = await self.call("/v3/kv/txn", body, deadline)
        try:
            found = tuple(key_range(response.get("response_range", {})) for response in answer.get("responses", ()))
            return TransactionAnswer(bool(answer.get("succeeded")), found, int(answer["header"]["revision"]))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise LockError("LOCK_UNAVAILABLE", "etcd answered a transaction with nonsense") from error

    async def call(self, path: str, body: Mapping[str, Any], deadline: float, timeout_s: float | None = None) -> dict[str, Any]:
        """Send a request, authenticated if a user is configured.

        :param timeout_s: per endpoint, instead of the configured one.
        :raises LockError: C(LOCK_UNAVAILABLE).
        """
        request = _Request(path, json.dumps(body).encode(), deadline, timeout_s or self._access.timeout_s)
        if self._access.username is None:
            return await self._ask(request)
        try:
            return await self._ask(request, self._token or await self._authenticate(request))
        except _TokenRefused:
            pass
        try:
            return await self._ask(request, await self._authenticate(request))
        except _TokenRefused as refused:
            raise LockError("LOCK_UNAVAILABLE", "etcd rejects the token that it issued: %s" % refused) from refused

    async def _authenticate(self, request: _Request) -> str:
        content = json.dumps({"name": self._access.username, "password": self._access.password}).encode()
        token = (await self._ask(replace(request, path="/v3/auth/authenticate", content=content))).get("token")
        if not isinstance(token, str):
            raise LockError("LOCK_UNAVAILABLE", "etcd issued no token to user %s" % self._access.username)
        self._token = token
        return token

    def _in_turn(self) -> Iterator[tuple[int, EtcdEndpoint]]:
        # Begin with the member that answered last, so that a dead one costs its timeout only once.
        start = self._preferred
        for step in range(self.endpoints):
            index = (start + step) % self.endpoints
            yield index, self._access.endpoints[index]

    async def _ask(self, request: _Request, token: str | None = None) -> dict[str, Any]:
        """Ask the members; again and again while there is time, if none of them takes a connection.

        :raises LockError: C(LOCK_UNAVAILABLE).
        """
        while True:
            try:
                return await self._ask_each(request, token)
            except NoConnection as error:
                if self._clock() + _AGAIN_S >= request.deadline:
                    raise _unreached(str(error)) from error
            await asyncio.sleep(_AGAIN_S)

    async def _ask_each(self, request: _Request, token: str | None) -> dict[str, Any]:
        """Ask the members in turn until one answers.

        :raises NoConnection: none of them takes a connection.
        :raises LockError: C(LOCK_UNAVAILABLE): they fail otherwise, or refuse.
        """
        connected = False
        failures = []
        for index, endpoint in self._in_turn():
            left_s = min(request.timeout_s, request.deadline - self._clock())
            if left_s <= 0:
                connected = True
                failures.append("%s: no time left" % endpoint)
                break
            try:
                status, answer = await self._exchange(endpoint, request, token, left_s)
            except HttpError as error:
                connected = connected or not isinstance(error, NoConnection)
                failures.append("%s: %s" % (endpoint, error))
                continue
            connected = True
            # A stream that fails has status 200 too.
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
        said = "; ".join(failures)
        raise _unreached(said) if connected else NoConnection(said)

    async def _exchange(
        self, endpoint: EtcdEndpoint, request: _Request, token: str | None, timeout_s: float
    ) -> tuple[int, dict[str, Any]]:
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = token
        response = await ask(
            HttpRequest(str(endpoint) + request.path, "POST", headers, request.content),
            context=self._access.context,
            timeout_s=timeout_s,
            body_max_bytes=MAX_ANSWER_BYTES,
        )
        if not response.complete:
            raise HttpError("an answer of more than %d MiB" % (MAX_ANSWER_BYTES >> 20))
        try:
            parsed = json.loads(response.body)
        except ValueError:
            parsed = None
        if isinstance(parsed, dict):
            return response.status, parsed
        if response.status == 200:
            raise HttpError("an answer that is not JSON")
        # A proxy, another service, or an etcd without its gateway.
        return response.status, {}


def _unreached(said: str) -> LockError:
    return LockError("LOCK_UNAVAILABLE", "etcd can't be reached: %s" % said)
