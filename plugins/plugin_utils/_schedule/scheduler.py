# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scheduler of a rollout: decides which host does what next. Pure, driven by events and by the clock.

The conductor reports events and asks what to do after each. The cost of an answer does not depend on the size of the fleet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason, reason

from .capacity import Capacity
from .failures import Failures
from .hosts import HostSpec, Status
from .limits import Limit
from .plan import CANARY, Plan, Wave
from .queue import HostQueue
from .regression import Measured, Outages, nothing_measured
from .settings import Settings

#: Code for a reason that passes by itself, in contrast to one that stops the rollout.
WAITING = "WAITING"


@dataclass(frozen=True)
class Past:
    """Part of a rollout that earlier processes have been through.

    :ivar ended: final statuses of hosts, in the order in which they ended. Failures among them count. All other hosts start over;
        report those that are in flight by :meth:`Scheduler.adopt`, and those that are down by :meth:`Scheduler.seen`.
    :ivar left_out: hosts that will not be rebooted, and are over, too.
    :ivar wave: index of the wave that began last; -1 before the first.
    :ivar last_end: time at which the last host ended; None if it is unknown, and a pause after a wave has to be repeated.
    """

    ended: Mapping[str, Status] = field(default_factory=dict)
    left_out: Collection[str] = ()
    wave: int = -1
    last_end: float | None = None


@dataclass(frozen=True)
class Prepare:
    """Decision to gather facts and stage, which can be undone."""

    host: HostSpec


@dataclass(frozen=True)
class Go:
    """Decision to drain, ask :meth:`Scheduler.may_trigger`, and reboot. The host is in flight from here on."""

    host: HostSpec


@dataclass(frozen=True)
class Discard:
    """Decision to undo what was prepared, and report :meth:`Scheduler.discarded`."""

    host: HostSpec
    reason: Reason


Decision = Prepare | Go | Discard


class Scheduler:
    """Scheduler of one rollout.

    Hosts are prepared while others are in flight, up to the size of the window and, for each limit, up to that limit. Ready
    hosts that a limit holds up don't count towards the window, so they block no other hosts.

    A failed host frees its place in the window, but while it is down it stays unavailable until :meth:`seen` reports it up.
    A refused host does not count, unless :meth:`seen` reports it down.

    :param start: monotonic seconds, like every time here.
    :param measured: outages of earlier runs, for C(stop_on_regression).
    """

    def __init__(
        self,
        plan: Plan,
        settings: Settings,
        start: float,
        measured: Measured = nothing_measured,
        past: Past | None = None,
    ) -> None:
        self._plan = plan
        self._hosts = plan.hosts
        self._position = {host.name: position for position, host in enumerate(self._hosts)}
        self._wave_of = {host.name: number for number, wave in enumerate(plan.waves) for host in wave.hosts}
        self._status = {host.name: Status.WAITING for host in self._hosts}
        self._counts = Counter(dict.fromkeys(Status, 0))
        self._counts[Status.WAITING] = len(self._hosts)

        self._capacity = Capacity(plan.limits)
        self._failures = Failures(settings.failure_budget, len(self._hosts))
        self._outages = Outages(settings.regression, measured) if settings.regression else None

        # Hosts of the waves that have begun: those to prepare, and those that are ready.
        self._waiting = HostQueue()
        self._ready = HostQueue()
        # Number of hosts prepared ahead for each limit.
        self._ahead: Counter[Limit] = Counter()

        self._wave = -1
        self._left = [len(wave.hosts) for wave in plan.waves]
        self._last_end = start
        self._soak_until: float | None = None

        # Hosts that wait for capacity before their trigger, or for something outside of the rollout, and those with why.
        self._gated: set[str] = set()
        self._held_up: dict[str, Reason] = {}
        # Hosts whose preparation is being undone, and those among them that :meth:`next` has yet to name.
        self._discarding: dict[str, Reason] = {}
        self._to_discard: list[str] = []

        self._deadline = start + settings.deadline_s if settings.deadline_s is not None else None
        shortest_s = min((host.predicted.p95.from_go_s for host in self._hosts), default=0.0)
        self._last_go = self._deadline - shortest_s if self._deadline is not None else None
        # Set once the deadline leaves out a host.
        self._late: Reason | None = None

        self._stall_s = settings.stall_s
        self._stalled_since: float | None = None
        self._stopped: Reason | None = None
        self._wave_before = -1
        if past is not None:
            self._resume(past, start)

    def _resume(self, past: Past, start: float) -> None:
        self._wave_before = past.wave
        for name, status in [*past.ended.items(), *((name, Status.SKIPPED) for name in past.left_out)]:
            self._end(name, status, start)
        if past.last_end is not None:
            self._last_end = past.last_end
        for name, status in past.ended.items():
            if status == Status.DONE:
                self._failures.succeeded()
            elif status == Status.FAILED:
                self._charge(name, "before the rollout was resumed", start)

    # Events.

    def prepared(self, host: str, now: float) -> None:
        """Take in that a host is ready for its Go."""
        self._expect(host, Status.PREPARING)
        self._set(host, Status.READY)
        if self._stopped:
            self._discard(host, self._stopped)
        else:
            self._ready.add(self._position[host])

    def refused(self, host: str, reason: Reason, now: float) -> None:
        """Take in that a host is not rebooted and was not changed, which does not count as a failure."""
        # One that an earlier process had drained is in flight while it is prepared again.
        self._expect(host, Status.PREPARING, Status.IN_FLIGHT)
        self._end(host, Status.REFUSED, now)
        self._freed(self._capacity.give_back(host))

    def not_needed(self, host: str, now: float) -> None:
        """Take in that a host needs no reboot."""
        self._expect(host, Status.PREPARING)
        self._end(host, Status.NOT_NEEDED, now)

    def released(self, host: str, now: float, outage_s: float | None) -> None:
        """Take in that a host is proven rebooted, healthy and in service; C(outage_s) is None if it was not measured."""
        self._expect(host, Status.IN_FLIGHT)
        self._end(host, Status.DONE, now)
        self._freed(self._capacity.give_back(host, down=False))
        self._failures.succeeded()
        verdict = self._outages.judge(self._spec(host), outage_s) if self._outages and outage_s is not None else None
        if verdict:
            self.stop(verdict, now)

    def failed(self, host: str, now: float, reason: Reason, down: bool) -> None:
        """Take in that a host failed, in flight or during its preparation; C(down) if it is unavailable until seen up."""
        self._expect_busy(host)
        self._end(host, Status.FAILED, now)
        self._freed(self._capacity.give_back(host, down))
        self._charge(host, "%s: %s" % (reason.code, reason.message), now)

    def seen(self, host: str, up: bool, now: float) -> None:
        """Take in that a host or bystander was seen up or down, for any reason."""
        self._freed(self._capacity.seen(host, up))

    def withheld(self, host: str) -> None:
        """Take in that a host is not back in service, although it may be up: it is unavailable until :meth:`restored`."""
        self._capacity.withhold(host)

    def restored(self, host: str) -> None:
        """Take in that a host is no longer withheld."""
        self._freed(self._capacity.restore(host))

    def held_up(self, host: str, why: Reason, now: float, moved: bool) -> None:
        """Take in that a host in flight waits for something outside of the rollout, until :meth:`goes_on`.

        :param moved: whether that has come nearer since, so that it is no stall.
        """
        self._expect(host, Status.IN_FLIGHT)
        self._gated.add(host)
        self._held_up[host] = why
        if moved:
            self._stalled_since = None
        self._look_for_stall(now)

    def goes_on(self, host: str) -> None:
        """Take in that a host no longer waits for anything outside."""
        self._held_up.pop(host, None)
        self._gated.discard(host)

    def discarded(self, host: str) -> None:
        """Take in that everything prepared on a host was undone."""
        self._expect_busy(host)
        self._end(host, Status.DISCARDED, self._last_end)
        self._freed(self._capacity.give_back(host))

    def returned(self, host: str, now: float) -> None:
        """Take in that an adopted host, for which the limits have no room, was undone; its turn comes later."""
        if self._stopped:
            self.discarded(host)
            return
        self._expect(host, Status.IN_FLIGHT)
        self._set(host, Status.WAITING)
        self._gated.discard(host)
        if self._wave_of[host] <= self._wave:
            self._waiting.add(self._position[host])
        self._freed(self._capacity.give_back(host))

    def adopt(self, host: str, now: float) -> None:
        """Take in that a host is unavailable from the run that is resumed: in flight or drained, even if the rollout has been
        stopped.
        """
        self._expect(host, Status.WAITING, Status.SKIPPED)
        self._set(host, Status.IN_FLIGHT)
        self._capacity.take(host)

    def stop(self, reason: Reason, now: float) -> None:
        """Start no more hosts. Those in flight continue; the first reason stands."""
        if self._stopped:
            return
        self._stopped = reason
        for host in self._hosts:
            status = self._status[host.name]
            if status == Status.WAITING:
                self._end(host.name, Status.SKIPPED, now)
            elif status == Status.READY and host.name not in self._discarding:
                self._discard(host.name, reason)

    # Decisions.

    def next(self, now: float) -> list[Decision]:
        """Decide what to do now, in order. Call it after every event and at :meth:`wake_at`; each decision is given once."""
        decisions: list[Decision] = []
        if self._last_go is not None and now >= self._last_go and not self.finished(now):
            self.stop(self._too_late("no host is predicted to be released before"), now)
        while not self._stopped:
            self._let_go(decisions, now)
            self._prepare(decisions, now)
            if not self._begin_wave(now):
                break
        self._look_for_stall(now)
        if self._late and self.finished(now):
            self.stop(self._late, now)
        decisions += [Discard(self._spec(name), self._discarding[name]) for name in self._to_discard]
        self._to_discard.clear()
        return decisions

    def may_trigger(self, host: str, now: float) -> Reason | None:
        """Check again before the trigger: capacity may have been lost while the host was drained.

        :return: None to go on; a reason with code :data:`WAITING` to keep the host drained and ask again after every call of
            :meth:`next`; any other reason to undrain it and report :meth:`discarded`.
        """
        self._expect(host, Status.IN_FLIGHT)
        if host not in self._held_up:
            self._gated.discard(host)
        if self._stopped:
            self._discarding[host] = self._stopped
        elif not self._in_time(now, self._spec(host).predicted.p95.from_trigger_s):
            self._discarding[host] = self._too_late("%s would not be released before" % host)
        if host in self._discarding:
            return self._discarding[host]
        limit = self._capacity.blocked(host)
        if limit:
            self._gated.add(host)
            # This host may have been the last one that was not waiting.
            self._look_for_stall(now)
            return reason("WAITING", limit.reached(self._capacity.unavailable(limit)))
        return None

    # State.

    @property
    def stopped(self) -> Reason | None:
        """Reason why no more hosts start; None while they may."""
        return self._stopped

    def status(self, host: str) -> Status:
        return self._status[host]

    def counts(self) -> Mapping[Status, int]:
        return dict(self._counts)

    def finished(self, now: float) -> bool:
        """Whether every host has ended. Cheap, because it is asked after every event."""
        counts = self._counts
        return not (counts[Status.WAITING] or counts[Status.PREPARING] or counts[Status.READY] or counts[Status.IN_FLIGHT])

    def wake_at(self, now: float) -> float | None:
        """Time at which to call :meth:`next` even without an event; None if there is none."""
        if self._stopped or self.finished(now):
            return None
        stall_over = self._stalled_since + self._stall_s if self._stalled_since is not None else None
        return min((at for at in (self._soak_until, stall_over, self._last_go) if at is not None), default=None)

    def waiting(self, now: float) -> Reason | None:
        """Reason why no more hosts go now; None if there are none to go."""
        if not (self._counts[Status.WAITING] or self._counts[Status.READY] or self._gated):
            return None
        if self._stopped:
            return self._stopped
        return reason("WAITING", self._what_for(now))

    def _let_go(self, decisions: list[Decision], now: float) -> None:
        while self._ready and self._capacity.in_flight < self._plan.window:
            position = self._ready.pop()
            host = self._hosts[position]
            if not self._in_time(now, host.predicted.p95.from_go_s):
                self._ready.leave(position)
                self._discard(host.name, self._too_late("%s would not be released before" % host.name))
                continue
            limit = self._capacity.blocked(host.name)
            if limit:
                self._ready.hold(position, limit)
                continue
            self._capacity.take(host.name)
            self._set(host.name, Status.IN_FLIGHT)
            self._ready.leave(position)
            decisions.append(Go(host))

    def _prepare(self, decisions: list[Decision], now: float) -> None:
        while self._waiting and self._counts_for_window() < self._plan.window:
            position = self._waiting.pop()
            host = self._hosts[position]
            limit = next((each for each in self._plan.limits[host.name] if self._ahead[each] >= each.most), None)
            if self._status[host.name] != Status.WAITING:
                self._waiting.leave(position)
            elif not self._in_time(now, host.predicted.p95.total_s):
                self._too_late("%s would not be released before" % host.name)
                self._waiting.leave(position)
                self._end(host.name, Status.SKIPPED, now)
            elif limit:
                self._waiting.hold(position, limit)
            else:
                self._set(host.name, Status.PREPARING)
                self._waiting.leave(position)
                decisions.append(Prepare(host))

    def _counts_for_window(self) -> int:
        """Number of hosts that were prepared ahead and are not held up by a limit."""
        return self._counts[Status.PREPARING] + self._counts[Status.READY] - self._ready.held

    def _begin_wave(self, now: float) -> bool:
        """Begin the next wave if there is one and it is due."""
        if self._wave + 1 == len(self._plan.waves) or (self._wave >= 0 and self._left[self._wave]):
            return False
        if self._wave >= 0 and self._plan.waves[self._wave].name == CANARY and not self._proven(self._plan.waves[self._wave]):
            self.stop(
                self._late or reason("CANARY_FAILED", "no canary was rebooted, so nothing is known about the hosts after them"),
                now,
            )
            return False
        hosts = self._plan.waves[self._wave + 1].hosts
        if self._soak_until is None:
            soaks = self._wave >= 0 and self._wave >= self._wave_before
            soak_s = self._plan.waves[self._wave].soak_s if soaks else 0.0
            self._soak_until = self._last_end + soak_s
        if now < self._soak_until:
            return False
        self._soak_until = None
        self._wave += 1
        for host in hosts:
            if self._status[host.name] == Status.WAITING:
                self._waiting.add(self._position[host.name])
        return True

    def _proven(self, wave: Wave) -> bool:
        return any(self._status[host.name] == Status.DONE for host in wave.hosts)

    def _look_for_stall(self, now: float) -> None:
        """Stop if only outside help can free capacity, and that for too long."""
        moving = (
            self._stopped
            or self._soak_until is not None
            or self._discarding
            or self._counts[Status.PREPARING]
            or self._counts[Status.IN_FLIGHT] > len(self._gated)
            or self.finished(now)
        )
        if moving:
            self._stalled_since = None
        elif self._stalled_since is None:
            self._stalled_since = now
        elif now >= self._stalled_since + self._stall_s:
            code = "SLOTS_TAKEN" if self._held_up else "CAPACITY_SPENT"
            self.stop(reason(code, "nothing could go for %.0f s: %s" % (self._stall_s, self._what_for(now))), now)

    def _what_for(self, now: float) -> str:
        name = self._plan.waves[max(0, self._wave)].name
        limit = self._ready.held_by() or next(filter(None, map(self._capacity.blocked, self._gated)), None)
        if self._soak_until is not None:
            return "%s is over; the next wave begins in %.0f s" % (name, max(0.0, self._soak_until - now))
        if self._held_up:
            return next(iter(self._held_up.values())).message
        if self._capacity.in_flight >= self._plan.window and self._capacity.in_flight > len(self._gated):
            return "all %d hosts of the window are in flight" % self._plan.window
        if limit:
            return limit.reached(self._capacity.unavailable(limit))
        if self._counts[Status.PREPARING]:
            return "hosts of %s are being prepared" % name
        return "the last hosts of %s are in flight" % name

    def _in_time(self, now: float, needed_s: float) -> bool:
        return self._deadline is None or now + needed_s < self._deadline

    def _too_late(self, message: str) -> Reason:
        verdict = reason("DEADLINE", message + " the deadline")
        self._late = self._late or verdict
        return verdict

    def _charge(self, host: str, why: str, now: float) -> None:
        spent = self._failures.failed(self._spec(host))
        if self._plan.waves[self._wave_of[host]].name == CANARY:
            spent = reason("CANARY_FAILED", "canary %s failed: %s" % (host, why))
        if spent:
            self.stop(spent, now)

    def _discard(self, host: str, why: Reason) -> None:
        self._discarding[host] = why
        self._to_discard.append(host)

    def _end(self, host: str, status: Status, now: float) -> None:
        self._set(host, status)
        self._left[self._wave_of[host]] -= 1
        self._last_end = now
        self.goes_on(host)
        self._discarding.pop(host, None)

    def _set(self, host: str, status: Status) -> None:
        """Set the status of a host, and count the hosts that are prepared ahead."""
        before = self._status[host]
        self._status[host] = status
        self._counts[before] -= 1
        self._counts[status] += 1
        was_ahead = before in (Status.PREPARING, Status.READY)
        is_ahead = status in (Status.PREPARING, Status.READY)
        if was_ahead != is_ahead:
            for limit in self._plan.limits[host]:
                self._ahead[limit] += 1 if is_ahead else -1
                if was_ahead:
                    self._waiting.freed(limit)

    def _freed(self, limits: Sequence[Limit]) -> None:
        for limit in limits:
            self._ready.freed(limit)

    def _spec(self, host: str) -> HostSpec:
        return self._hosts[self._position[host]]

    def _expect_busy(self, host: str) -> None:
        if host not in self._discarding:
            self._expect(host, Status.PREPARING, Status.IN_FLIGHT)

    def _expect(self, host: str, *statuses: Status) -> None:
        if self._status[host] not in statuses:
            raise ValueError("%s is %s" % (host, self._status[host].value))
