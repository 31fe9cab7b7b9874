# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated firewalls that limit new connections, and a host behind them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.pace import Outcome

#: Size of a list of xt_recent (ip_pkt_list_tot).
STAMPS = 20


@dataclass
class Recent:
    """Two rules of iptables' module recent: C(--set), and C(--update --seconds S --hitcount N) with a target.

    C(ufw limit) is this with 30 seconds, 6 hits and REJECT; what matches C(--update) is stamped once more.

    :ivar says: what who is not admitted gets.
    """

    says: Outcome
    seconds: float = 30.0
    hits: int = 6
    _stamps: deque[float] = field(default_factory=lambda: deque(maxlen=STAMPS))

    def admits(self, now: float) -> bool:
        self._stamps.append(now)
        if sum(stamp >= now - self.seconds for stamp in self._stamps) < self.hits:
            return True
        self._stamps.append(now)
        return False


@dataclass
class Machine:
    """A machine that boots.

    :ivar network_at: when its network is up, and its firewall with it.
    :ivar listens_at: when its sshd listens.
    """

    network_at: float
    listens_at: float
    limit: Recent | None = None
    connections: int = 0

    def answer(self, now: float) -> Outcome:
        """Answer a SYN."""
        if now < self.network_at:
            return Outcome.SILENT
        self.connections += 1
        if self.limit is not None and not self.limit.admits(now):
            return self.limit.says
        return Outcome.BANNER if now >= self.listens_at else Outcome.CLOSED
