# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""A fleet that is rebooted by two controllers while harm is done, from the first host to the last."""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.harm import TO_GUESTS, Missed, full
from chaos.judge import Span, ended, failed, spared, told
from chaos.plan import AWAY, DISK, Harm, Kind, harms, shares
from shared.guests import guests
from shared.notes import Noted, noted
from shared.rollouts import DIRECTORY, HOOK_LOG, RUNS, Rollout, kill, workers_of
from shared.watch import Watch

PLAYBOOK = Path(__file__).with_name("roll.yml")
ROOT = Path(__file__).resolve().parents[2]
# Tests of the collection are no package of Molecule's.
EtcdServer = runpy.run_path(str(ROOT / "tests/unit/plugins/plugin_utils/etcd_server.py"))["EtcdServer"]

CONTROLLERS = ("one", "other")
#: Harm is begun until then. Rollouts of nine guests on two cores take about as long.
HARM_UNTIL_S = 900.0
#: All of it, to the end of the last controller.
ALL_S = 3000.0
#: A controller that has ended with hosts left is run again, by the same command as a person would.
AGAIN_AFTER_S = 10.0
RUNS_MAX = 40
#: Room for the journals, and to spare.
DISK_SIZE = "32m"
POLL_S = 0.2


class Controller:
    """A run of a part of the fleet, which is run again until none of its hosts is left.

    :ivar starts: how often it was run.
    """

    def __init__(self, name: str, hosts: Sequence[str], etcd: str) -> None:
        self.name = name
        self.hosts = list(hosts)
        self.rollout = Rollout(name, PLAYBOOK)
        self.starts = 0
        self._etcd = etcd
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._next_at = 0.0

    def records(self) -> list[dict[str, Any]]:
        """Journal so far."""
        return self.rollout.journal()

    def left(self) -> set[str]:
        """Hosts that have not ended. Those that failed before they were told to reboot are begun with again."""
        records = self.records()
        return set(self.hosts) - ended(records) | failed(records).keys() - told(records)

    def over(self) -> bool:
        """Whether nothing is left of it; runs it, or runs it again, when it is time to."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                return False
            if self._process is not None:
                self._process = None
                self._next_at = max(self._next_at, time.monotonic() + AGAIN_AFTER_S)
            if self.starts and (not self.left() or spared(self.hosts, self.records())):
                return True
            if self.starts >= RUNS_MAX:
                raise AssertionError(f"{self.name} has hosts left after {self.starts} runs: {sorted(self.left())}")
            if time.monotonic() >= self._next_at:
                self._start()
            return False

    def _start(self) -> None:
        self.starts += 1
        records = self.records()
        # Whoever has failed after its reboot is left to a person.
        spent = failed(records).keys() & told(records)
        variables = {"rolled": ":".join(host for host in self.hosts if host not in spent), "etcd": self._etcd}
        if not records:
            self._process = self.rollout.begin(**variables)
            return
        retry = str(bool(failed(records).keys() - spent)).lower()
        self._process = self.rollout.start(
            rolling_reboot_resume=self.name, rolling_reboot_retry_failed=retry, **variables
        )  # fmt: skip

    @contextlib.contextmanager
    def killed(self) -> Iterator[None]:
        """Killed with all that it has begun, and run again afterwards."""
        with self._lock:
            if self._process is None or self._process.poll() is not None or not workers_of(self._process):
                raise Missed
            try:
                kill(self._process)
            except AssertionError:
                # It has ended by itself meanwhile.
                raise Missed from None
            self._process = None
            self._next_at = float("inf")
        try:
            yield
        finally:
            self._next_at = 0.0

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Stopped with all that it has begun, and then going on as if nothing had been."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                raise Missed
            pids = [self._process.pid, *workers_of(self._process)]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def end(self) -> None:
        """Kill what runs."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                with contextlib.suppress(AssertionError):
                    kill(self._process)


@dataclass
class Seen:
    """What came of it.

    :ivar harmed: harm that was done, when it was, in seconds since 1970.
    :ivar journals: records of each controller's run.
    :ivar slots: slots that are still taken in etcd.
    :ivar slots_most: how many were ever taken at once.
    """

    shares: dict[str, list[str]]
    ended_at: float = 0.0
    harmed: list[tuple[Harm, Span]] = field(default_factory=list)
    missed: list[Harm] = field(default_factory=list)
    absences: list[Span] = field(default_factory=list)
    notes: list[Noted] = field(default_factory=list)
    journals: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    starts: dict[str, int] = field(default_factory=dict)
    slots: dict[str, str] = field(default_factory=dict)
    slots_most: int = 0

    def away(self) -> list[Span]:
        """Times in which harm kept guests from answering."""
        return [span for harm, span in self.harmed if harm.kind in AWAY]


class Chaos:
    """Does harm in threads of its own, each thing at its time."""

    def __init__(self, drawn: Sequence[Harm], controllers: Sequence[Controller], seen: Seen) -> None:
        self._controllers = {controller.name: controller for controller in controllers}
        self._seen = seen
        self._over = threading.Event()
        self._began = time.monotonic()
        self.problems: list[str] = []
        self._threads = [threading.Thread(target=self._do, args=(harm,), daemon=True) for harm in drawn]
        for thread in self._threads:
            thread.start()

    def _manager(self, harm: Harm) -> contextlib.AbstractContextManager[None]:
        if harm.target == DISK:
            return full(RUNS)
        if harm.kind is Kind.KILL_CONTROLLER:
            return self._controllers[harm.target].killed()
        if harm.kind is Kind.STOP_CONTROLLER:
            return self._controllers[harm.target].stopped()
        return TO_GUESTS[harm.kind](harm.target)

    def _do(self, harm: Harm) -> None:
        if self._over.wait(max(0.0, self._began + harm.at_s - time.monotonic())):
            return
        since = time.time()
        try:
            with self._manager(harm):
                self._over.wait(harm.for_s)
        except Missed:
            self._seen.missed.append(harm)
        except Exception as error:
            self.problems.append(f"{harm}: {error!r}")
        else:
            self._seen.harmed.append((harm, Span(harm.target, since, time.time())))
            print(f"{time.strftime('%H:%M:%S')} {harm.kind}, {harm.target}, for {harm.for_s:.0f} s", flush=True)

    def end(self) -> None:
        """Undo what there is, and do no more."""
        self._over.set()
        for thread in self._threads:
            thread.join()


@contextlib.contextmanager
def disk() -> Iterator[None]:
    """A small file system for the journals, which nobody else sees; what they are stays afterwards."""
    RUNS.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE},mode=0700", "tmpfs", str(RUNS)], check=True)
    try:
        yield
    finally:
        kept = DIRECTORY / "runs.kept"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(RUNS, kept)
        subprocess.run(["umount", "--lazy", str(RUNS)], check=True)
        shutil.rmtree(RUNS)
        kept.rename(RUNS)


@contextlib.contextmanager
def etcd_server() -> Iterator[Any]:
    """The lock's server. Its own disk is none of those that get full."""
    with tempfile.TemporaryDirectory(dir=DIRECTORY) as directory:
        server = EtcdServer(Path(directory))
        try:
            server.start()
            yield server
        finally:
            server.stop()


def slots_most(server: Any) -> int:
    """How many slots were ever taken at once, by the history of the server."""
    slots = "/fleet.kexec/chaos/slots/"
    return max(len(server.keys(slots, revision)) for revision in range(1, int(server.revision()) + 1))


def run(seed: int) -> Seen:
    """Reboot the whole fleet while harm is done, and undo all of that; what was seen of it."""
    names = sorted(guests())
    seen = Seen(shares(names, CONTROLLERS))
    of_ops = [name for name in names if int(guests()[name]["lab_id"]) % 2 == 0]
    drawn = harms(seed, names, of_ops, CONTROLLERS, HARM_UNTIL_S)
    with disk(), etcd_server() as server:
        watch = Watch()
        controllers = [Controller(name, hosts, server.url) for name, hosts in seen.shares.items() if hosts]
        chaos = Chaos(drawn, controllers, seen)
        end = time.monotonic() + ALL_S
        try:
            # Each is asked every time, so that all go on.
            while len([controller for controller in controllers if controller.over()]) < len(controllers):
                assert time.monotonic() < end, f"not over after {ALL_S:.0f} s"
                time.sleep(POLL_S)
        finally:
            chaos.end()
            for controller in controllers:
                controller.end()
            watch.end()
        assert not chaos.problems, chaos.problems
        seen.ended_at = time.time()
        seen.absences = [Span(name, *absence) for name, found in watch.absences.items() for absence in found]
        seen.notes = noted(HOOK_LOG)
        seen.journals = {controller.name: controller.records() for controller in controllers}
        seen.starts = {controller.name: controller.starts for controller in controllers}
        seen.slots = server.keys("/fleet.kexec/chaos/slots/")
        seen.slots_most = slots_most(server)
    return seen


def keep(seen: Seen, reported: Sequence[str]) -> None:
    """Keep for the summary of a night what was seen."""
    done = sum(record["event"] == "host_released" for records in seen.journals.values() for record in records)
    lines = [
        "%d guests" % sum(map(len, seen.shares.values())),
        "%d harms" % len(seen.harmed),
        "%d runs" % sum(seen.starts.values()),
        "%d done" % done,
        "%d reported" % len(reported),
        "at most %d slots" % seen.slots_most,
    ]
    (DIRECTORY / "fleet.night_chaos.json").write_text(json.dumps({"seen": lines}))
