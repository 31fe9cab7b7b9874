# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Connections to the web servers of all guests (web.yml), all the time.

Not to their sshds, which penalise whoever connects without a login; such a refusal looks like an outage.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import NamedTuple

from .guests import guests

WEB_PORT = 8000
# A guest that is only busy answers within that time.
CONNECT_TIMEOUT_S = 2.0
PAUSE_S = 0.5


class Absence(NamedTuple):
    """Time, in seconds since 1970, from the first to the last of several connections in a row that failed."""

    since: float
    until: float


class Watch:
    """Connections to the web server of each guest."""

    def __init__(self) -> None:
        self.absences: dict[str, list[Absence]] = {name: [] for name in guests()}
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._watch, args=(name, variables["lab_ipv4"]), daemon=True)
            for name, variables in guests().items()
        ]
        for thread in self._threads:
            thread.start()

    def _watch(self, name: str, address: str) -> None:
        failed: list[float] = []
        while not self._over.wait(PAUSE_S):
            began = time.time()
            if self._answers(address):
                failed.clear()
                continue
            failed.append(began)
            # One alone may be lost.
            if len(failed) == 2:
                self.absences[name].append(Absence(failed[0], began))
            elif len(failed) > 2:
                self.absences[name][-1] = Absence(failed[0], began)

    @staticmethod
    def _answers(address: str) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((address, WEB_PORT), timeout=CONNECT_TIMEOUT_S):
            return True
        return False

    def end(self) -> None:
        """Stop."""
        self._over.set()
        for thread in self._threads:
            thread.join()
