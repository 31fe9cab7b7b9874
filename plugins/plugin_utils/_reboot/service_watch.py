# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watch a service of the user's while its host reboots. The host's own reboot never waits for it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason, reason

from .._transport.bounded import CallAbandoned, bounded_call
from .._transport.endpoint import Endpoint, addresses
from .._transport.http.client import ask
from .._transport.http.errors import HttpError
from .._transport.http.message import HttpRequest
from .._transport.observation import Observation
from .._transport.prober import Prober
from .._transport.probing import CONNECT_TIMEOUT_S
from .._transport.sshd import SockAddr
from .._transport.tls import tls_context
from .service_track import ServiceOutage, ServiceTrack

# A slower resolver is of no use to a probe.
RESOLVE_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Service:
    """Service to probe, and what a good answer is.

    :ivar address: name or address to connect to; None for that of the host's sshd.
    :ivar get: request to send; None if a connection is enough.
    :ivar statuses: responses to it that are good.
    :ivar timeout_s: limit for an answer.
    """

    port: int
    address: str | None = None
    get: HttpRequest | None = None
    validate_certs: bool = True
    statuses: frozenset[int] = frozenset()
    timeout_s: float = CONNECT_TIMEOUT_S

    @property
    def seen_by(self) -> str:
        """Name of the probe in results, free of secrets."""
        return "http %s" % self.get.shown if self.get is not None else "tcp %d" % self.port


@dataclass(frozen=True)
class Probed:
    """Outcome of watching a service; without an outage, C(note) may say why."""

    seen_by: str
    outage: ServiceOutage | None
    note: Reason | None


class ServiceWatch:
    """Watch of one service, from before a reboot until it answers again or nobody waits any longer.

    :param ended: called once for each watch that was begun; may begin the next one.
    """

    def __init__(self, service: Service, prober: Prober, ended: Callable[[Probed], None] = lambda probed: None) -> None:
        self._service = service
        self._prober = prober
        self.ended = ended
        self._now = asyncio.get_running_loop().time
        self._track: ServiceTrack | None = None
        self._found: list[_Address] = []
        self._looking: asyncio.Task[None] | None = None
        self._said = ""

    @property
    def port(self) -> int:
        """TCP port of the service."""
        return self._service.port

    def begin(self, sshd: SockAddr | None) -> None:
        """Start watching, unless begun already, before the trigger. C(sshd) is None if it can't be reached from here."""
        if self._track is not None:
            return
        self._track = ServiceTrack()
        self._said = ""
        if self._service.address is None:
            if sshd is None:
                self._said = "the host can't be connected to from here, and no address is given"
                return
            family, where = sshd
            self._probe([(family, (where[0], self._service.port, *where[2:]))])
        else:
            self._looking = asyncio.create_task(self._resolve(self._service.address))

    def host_goes(self) -> None:
        """Record that the host no longer answers, or will not in a moment."""
        if self._track is not None:
            self._track.host_goes()
            self._look_at(self._track)

    def host_is_back(self, since: float) -> None:
        """Record that the host has rebooted; see :meth:`ServiceTrack.host_is_back`."""
        if self._track is not None:
            self._track.host_is_back(since)
            self._look_at(self._track)

    def end(self) -> None:
        """Stop watching, whatever was observed."""
        if self._track is None:
            return
        track, self._track = self._track, None
        self._stop()
        self.ended(Probed(self._service.seen_by, track.outage if track.is_over and track.was_up else None, self._note(track)))

    def _note(self, track: ServiceTrack) -> Reason | None:
        seen_by = self._service.seen_by
        if track.last_good is None:
            said = ": %s" % self._said if self._said else ""
            return reason("PROBE_NOT_UP", "%s gave no good answer before the reboot%s" % (seen_by, said))
        if not track.was_up:
            # There was no reboot.
            return None
        if track.is_over or not (track.is_failing or track.is_host_back):
            return None
        message = "%s gave no good answer for %.1f s, and was not waited for any longer"
        return reason("PROBE_STILL_DOWN", message % (seen_by, self._now() - track.last_good))

    async def _resolve(self, name: str) -> None:
        endpoint = Endpoint(name, self._service.port, direct=True)
        try:
            found = await bounded_call(lambda: addresses(endpoint), RESOLVE_TIMEOUT_S)
        except (CallAbandoned, RuntimeError):
            # Too late, or no thread could be started.
            found = []
        if not found:
            self._said = "its address is not known to the resolver"
        self._probe(found)

    def _probe(self, found: list[SockAddr]) -> None:
        self._found = [_Address(self, each) for each in found]
        for each in list(self._found):
            get = self._service.get
            converse = None if get is None else partial(self._asked, get)
            self._prober.watch_service(each, each.address, each.tell, converse, self._service.timeout_s)

    async def _asked(self, get: HttpRequest, sock: socket.socket) -> bool:
        context = tls_context(self._service.validate_certs) if get.uses_tls else None
        try:
            # The prober limits the time.
            response = await ask(get, context=context, sock=sock)
        except HttpError as error:
            self._said = str(error)
            return False
        self._said = "it answered %d" % response.status
        return response.status in self._service.statuses

    def seen(self, address: _Address, observation: Observation) -> None:
        if self._track is None:
            return
        if observation.up and len(self._found) > 1:
            # Settle on the first address with a good answer.
            for other in self._found:
                if other is not address:
                    self._prober.forget(other)
            self._found = [address]
        self._track.observe(observation)
        self._look_at(self._track)

    def _look_at(self, track: ServiceTrack) -> None:
        if track.is_over:
            self.end()

    def _stop(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        for each in self._found:
            self._prober.forget(each)
        self._found = []


class _Address:
    """One address of a service, as the prober's key."""

    def __init__(self, watch: ServiceWatch, address: SockAddr) -> None:
        self._watch = watch
        self.address = address

    def tell(self, observation: Observation) -> None:
        self._watch.seen(self, observation)
