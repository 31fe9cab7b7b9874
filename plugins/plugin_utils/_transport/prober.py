# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notice within a fraction of a second that a host's sshd went away or came back.

A probe is a TCP connection that reads the start of the SSH banner: tens of microseconds, against milliseconds for starting ssh.
One thread probes many hosts, beside whatever else its event loop does.

Whatever counts connections without a login (OpenSSH's PerSourcePenalties, fail2ban, C(ufw limit)) counts those that reach a host
that is up. So the connection that the banner came over is kept, and there is no other until it ends: with the sshd at its other
end, after a moment of silence, or because sshd has waited long enough for a login. A host that is down is probed at the full
rate, as long as nothing seems to limit connections to it; see :mod:`pace`.

A service that the user names is probed at the full rate whether it answers or not. Its answer is the connection itself, or the
outcome of what is then said over it.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Hashable, Sequence

from .observation import Tell
from .probing import CONNECT_TIMEOUT_S, NEVER, Probing, Target
from .service_target import Converse, ServiceTarget
from .sshd import SockAddr, Sshd
from .sshd_target import SshdTarget

# Limit for a banner: sshd may be slow.
BANNER_TIMEOUT_S = 20.0


def _told_nobody(why: str) -> None:
    """Take no interest in why probes are few."""


class Prober:
    """Probe hosts and services in the running event loop until told to stop.

    :param sockets: limit on open sockets; see :class:`Probing`.
    """

    def __init__(self, sockets: int | None = None, banner_timeout_s: float = BANNER_TIMEOUT_S) -> None:
        self._probing = Probing(sockets)
        self._banner_timeout_s = banner_timeout_s

    def watch(
        self,
        key: Hashable,
        sshd: Sshd,
        tell: Tell,
        *,
        slowed: Callable[[str], object] = _told_nobody,
        checks_after_s: Sequence[float] = (),
    ) -> None:
        """Start watching a host, on the connection of C(sshd) if there is one, which belongs to the prober from here on.

        :param tell: called with each observation; may call :meth:`watch` and :meth:`forget`.
        :param slowed: called with the reason when probes become few.
        :param checks_after_s: make probes after these times even if that connection has not ended.
        """
        self.forget(key)
        self._add(
            SshdTarget(
                self._probing,
                key,
                sshd,
                tell,
                slowed=slowed,
                banner_timeout_s=self._banner_timeout_s,
                checks_after_s=checks_after_s,
            )
        )

    def watch_service(
        self,
        key: Hashable,
        address: SockAddr,
        tell: Tell,
        converse: Converse | None = None,
        timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> None:
        """Start probing a service.

        :param tell: called with each observation; may call :meth:`forget`.
        :param converse: conversation over a connection; None if the connection is the answer.
        :param timeout_s: limit for a conversation.
        """
        self.forget(key)
        self._add(ServiceTarget(self._probing, key, address, tell, converse=converse, timeout_s=timeout_s))

    def _add(self, target: Target) -> None:
        self._probing.targets[target.key] = target
        if target.next_at < NEVER:
            self._probing.schedule(target.next_at, target)

    def check(self, key: Hashable) -> None:
        """Make one probe of a host that was up when it was last heard of."""
        target = self._probing.targets.get(key)
        if isinstance(target, SshdTarget):
            target.check()

    def forget(self, key: Hashable) -> None:
        """Stop watching a host or service."""
        target = self._probing.targets.pop(key, None)
        if target is not None:
            target.end()

    def close(self) -> None:
        """Stop everything."""
        self._probing.close()


def service_sockets() -> int:
    """Socket limit of a prober of services beside one of hosts: a quarter of the process's limit."""
    return max(1, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)
