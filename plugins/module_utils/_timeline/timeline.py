# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Assemble the timeline of a reboot from the host's readings and the controller's observations.

C(docs/timeline.md) defines the phases. What could not be measured is absent: the phase that would begin there is left out, and
the one before it lasts until the next moment that was measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any, Dict, List, Optional, Sequence, Tuple

from .._arch.interface import StubStamps
from .._host.addresses import FirstAddress
from .._host.boot_log import BootLog, KernelMessage
from .._host.clocks import ClockLog, CycleClock
from .._host.last_stop import BEGAN, STOPPED, LastStop, StopStamp
from .._host.running_system import SystemId
from .._host.systemd_times import ManagerTimes, UnitStop, UnitTimes
from .._kexec.proof import PATH_KEXEC, PATH_SOFT
from .axis import Moment, Now, Offset, TimeAxis, distance_error_ns

# Entry while the start of the timeline is still unknown.
_Entry = Dict[str, Any]

# Length of each list of units or initcalls.
SLOWEST = 10

NETWORK_UNITS = ("systemd-networkd.service", "NetworkManager.service", "networking.service", "wicked.service", "connman.service")
SSH_UNITS = ("ssh.service", "sshd.service", "ssh.socket", "sshd.socket")
# Init programs of an initrd; anything else belongs to the real root.
INITRD_INITS = ("/init", "/linuxrc")

# Ways to place a stamp of the old system. The kernel of a soft reboot still has that log, and that clock.
_BY_OWN_LOG = "kernel log"
_BY_CYCLES = "kernel log, by %s"
_BY_REALTIME = "host's clock"
# Error of the times that systemd records.
_US_NS = 1000


@dataclass(frozen=True)
class BootReading:
    """Readings of the running system, and what the previous one left.

    :ivar path: C(kexec), C(soft), C(firmware) or C(unknown).
    :ivar counter: name of the cycle counter; empty if there is none.
    :ivar clock: None if the kernel's clock does not run by the counter.
    :ivar messages: of the kernel, in the order of its log.
    :ivar last_stop: as found on disk; possibly of a boot before the previous one.
    :ivar old_clock: cycle clock of the kernel that left C(last_stop).
    :ivar copy_ms: predicted time that the jump spent on copying the image; None if unknown.
    :ivar previous_boot_id: according to the journal, without dashes; None if unknown.
    """

    system: SystemId
    release: str
    path: str
    token: Optional[str]
    now: Now
    counter: str
    clock: Optional[CycleClock]
    clock_log: ClockLog
    boot_log: BootLog = field(default_factory=BootLog)
    messages: List[KernelMessage] = field(default_factory=list)
    manager: ManagerTimes = field(default_factory=ManagerTimes)
    units: List[UnitTimes] = field(default_factory=list)
    address: Optional[FirstAddress] = None
    stub: Optional[StubStamps] = None
    last_stop: Optional[LastStop] = None
    old_clock: Optional[CycleClock] = None
    copy_ms: Optional[float] = None
    stops: List[UnitStop] = field(default_factory=list)
    previous_boot_id: Optional[str] = None


@dataclass(frozen=True)
class Interval:
    """Period that the controller saw or spent, in nanoseconds since 1970 by its clock.

    :ivar error_ns: for an outage, how much shorter it may have been.
    :ivar seen_by: for an outage, what was probed.
    """

    start_ns: int
    duration_ns: int
    error_ns: int = 0
    seen_by: str = ""


@dataclass(frozen=True)
class Seen:
    """Observations of the controller; any may be missing.

    :ivar before: clock offset before the reboot.
    :ivar after: clock offset in this boot.
    :ivar probe_port: TCP port of the probed service.
    :ivar healthy_ns: time of the last successful health check, by the controller's clock.
    :ivar host_class: name for its hardware.
    :ivar run_id: name of the run that rebooted it.
    """

    token: Optional[str] = None
    boot_id_before: Optional[str] = None
    release_before: Optional[str] = None
    host_class: Optional[str] = None
    run_id: Optional[str] = None
    before: Optional[Offset] = None
    after: Optional[Offset] = None
    drain: Optional[Interval] = None
    stage: Optional[Interval] = None
    outage: Optional[Interval] = None
    probe_outage: Optional[Interval] = None
    healthy_ns: Optional[int] = None
    probe_port: Optional[int] = None


@dataclass(frozen=True)
class _Mark:
    """Boundary of a phase: what begins there, when, and how that is known."""

    begins: str
    moment: Moment
    source: str


def stop_of_the_boot_before(reading: BootReading, seen: Seen) -> Optional[LastStop]:
    """Stamps of the last stop, if it is certain that the previous boot left them."""
    stop = reading.last_stop
    if stop is None or stop.system == reading.system:
        return None
    if reading.path == PATH_SOFT:
        return stop if stop.system == replace(reading.system, soft_reboots=reading.system.soft_reboots - 1) else None
    if reading.path == PATH_KEXEC:
        return stop if reading.token is not None and reading.token == stop.token else None
    known = {seen.boot_id_before, reading.previous_boot_id}
    boot_id = stop.system.boot_id
    told = seen.token == stop.token and seen.boot_id_before in (None, boot_id)
    return stop if told or not known.isdisjoint({boot_id, boot_id.replace("-", "")}) else None


def assemble(reading: BootReading, seen: Seen) -> Dict[str, Any]:
    """Assemble the timeline as plain values."""
    return _Assembly(reading, seen).value()


class _Assembly:
    def __init__(self, reading: BootReading, seen: Seen) -> None:
        self._reading = reading
        self._seen = seen
        self._axis = TimeAxis(reading.now, reading.clock, reading.clock_log, seen.before, seen.after)
        self._stop = stop_of_the_boot_before(reading, seen)
        self._softly = reading.path == PATH_SOFT
        # Source that does not depend on clocks being set.
        self._by_log = _BY_OWN_LOG if self._softly else _BY_CYCLES % reading.counter
        self._notes: List[str] = []
        self._agreement: Optional[Dict[str, float]] = None

    def value(self) -> Dict[str, Any]:
        reading, seen, stop = self._reading, self._seen, self._stop
        marks = self._in_order([*self._old_marks(), *self._new_marks()])
        phases = self._before_it() + self._between(marks)
        outage, probed = self._outage(seen.outage), self._outage(seen.probe_outage)
        starts = [phase["start_ns"] for phase in phases]
        start_ns = min(starts) if starts else self._axis.utc_ns(self._start())
        return {
            "boot_id": reading.system.boot_id,
            "soft_reboots": reading.system.soft_reboots,
            "boot_id_before": seen.boot_id_before or (stop.system.boot_id if stop else None),
            "token": (stop.token if stop else seen.token) if self._softly else reading.token or seen.token,
            "path": reading.path,
            "release": reading.release,
            "release_before": seen.release_before or (stop.release or None if stop else None),
            "host_class": seen.host_class,
            "run_id": seen.run_id or None,
            "start": _utc(start_ns),
            "clock": {"offset_ms": _ms(seen.after.offset_ns), "error_ms": _ms(seen.after.error_ns)} if seen.after else None,
            "agreement": self._agreement,
            "phases": [_relative(phase, start_ns) for phase in sorted(phases, key=lambda phase: int(phase["start_ns"]))],
            "outage": _relative(outage, start_ns) if outage else None,
            "probe_outage": _relative(probed, start_ns) if probed else None,
            "units": {"stop": self._slowest_stops(), "start": self._slowest_starts()},
            "initcalls": [
                {"name": call.name, "duration_ms": _ms(call.duration_us * 1000)}
                for call in sorted([] if self._softly else reading.boot_log.initcalls, key=lambda call: -call.duration_us)[
                    :SLOWEST
                ]
            ],
            "notes": self._notes,
        }

    # The old system.

    def _old_marks(self) -> List[_Mark]:
        stop = self._stop
        stopped = stop.stamps.get(STOPPED) if stop else None
        if stop is None or stopped is None:
            return []
        place = self._placing(stopped)
        if place is None:
            return []
        moment, source = place
        began = stop.stamps.get(BEGAN)
        began_place = self._place(began, source) if began else None
        marks = [_Mark("stop_units", began_place, source)] if began_place else []
        if self._softly:
            return [*marks, _Mark("reexec", moment, source)]
        if self._reading.path == PATH_KEXEC:
            return [*marks, _Mark("jump", moment, source)]
        return marks + self._firmware_marks(_Mark("firmware", moment, source))

    def _placing(self, stopped: StopStamp) -> Optional[Tuple[Moment, str]]:
        """Place the last stamp and name the source; of two sources that contradict each other, take the possible one."""
        by_log, by_realtime = self._place(stopped, self._by_log), self._place(stopped, _BY_REALTIME)
        start = self._start()
        if by_log and by_realtime:
            error_ns = distance_error_ns(by_log, by_realtime)
            difference_ns = by_log.at_ns - by_realtime.at_ns
            self._agreement = {"difference_ms": _ms(difference_ns), "error_ms": _ms(error_ns)}
            if abs(difference_ns) > error_ns:
                clocks = "the %s and the clocks disagree on the reboot by %.1f ms: a clock was set, or the machine was moved"
                first = _BY_OWN_LOG if self._softly else self._reading.counter
                self._notes.append(clocks % (first, _ms(difference_ns)))
                can_be = [each for each in (by_log, by_realtime) if each.at_ns <= start.at_ns + distance_error_ns(each, start)]
                if len(can_be) != 1:
                    return None
                return (by_log, self._by_log) if can_be[0] is by_log else (by_realtime, _BY_REALTIME)
        if by_log:
            return by_log, self._by_log
        return (by_realtime, _BY_REALTIME) if by_realtime else None

    def _place(self, stamp: StopStamp, source: str) -> Optional[Moment]:
        if source == _BY_REALTIME:
            return self._axis.old_by_realtime(stamp)
        if source == _BY_OWN_LOG:
            return self._axis.log(stamp.log_ns) if stamp.log_ns is not None else None
        old_clock = self._reading.old_clock
        if self._reading.path != PATH_KEXEC or old_clock is None:
            return None
        return self._axis.old_by_cycles(stamp, old_clock)

    def _firmware_marks(self, stopped: _Mark) -> List[_Mark]:
        """Marks of firmware and boot loader, if they report times that fit between the two systems.

        These times extend to the end of the loader. How long it takes from there to the zero of the kernel's clock is unknown; it
        is part of what is left over between the two systems.
        """
        zero, manager = self._axis.zero(), self._reading.manager
        if manager.firmware_us is None or manager.loader_us is None or manager.loader_us > manager.firmware_us:
            return [stopped]
        left_ns = zero.at_ns - stopped.moment.at_ns - manager.firmware_us * 1000
        if left_ns < -distance_error_ns(stopped.moment, zero):
            return [stopped]
        left_ns = max(0, left_ns)
        at_ns = zero.at_ns - manager.loader_us * 1000 - left_ns // 2
        loader = Moment(at_ns, zero.error_ns + left_ns // 2, zero.clock, zero.clock_error_ns)
        return [stopped, _Mark("loader", loader, "firmware's own times, by systemd")]

    # The new system.

    def _start(self) -> Moment:
        """Place the beginning of the new system: its kernel's, or its userspace's after a soft reboot."""
        userspace_us = self._reading.manager.userspace_us
        return self._axis.monotonic(userspace_us * 1000, _US_NS) if self._softly and userspace_us else self._axis.zero()

    def _new_marks(self) -> List[_Mark]:
        marks = [_Mark("userspace", self._start(), "systemd")] if self._softly else self._kernel_marks()
        return marks + self._network_marks() + self._service_marks()

    def _kernel_marks(self) -> List[_Mark]:
        """Marks of a kernel's boot, up to its userspace."""
        reading, axis = self._reading, self._axis
        by = "perf clock" if axis.runs_by_cycles else "CLOCK_MONOTONIC"
        marks = [_Mark("kernel", axis.zero(), "clock zero by " + by)]
        log, manager = reading.boot_log, reading.manager
        if log.init_ns is not None:
            begins = "initrd" if log.init in INITRD_INITS else "userspace"
            marks.append(_Mark(begins, axis.log(log.init_ns), "kernel log"))
        elif manager.initrd_us:
            marks.append(_Mark("initrd", axis.monotonic(manager.initrd_us * 1000, _US_NS), "systemd"))
        if manager.userspace_us and marks[-1].begins != "userspace":
            marks.append(_Mark("userspace", axis.monotonic(manager.userspace_us * 1000, _US_NS), "systemd"))
        return marks

    def _service_marks(self) -> List[_Mark]:
        """Marks of the first banner of sshd, and of the health that the controller found."""
        seen, axis, marks = self._seen, self._axis, []
        back = axis.controller(seen.outage.start_ns + seen.outage.duration_ns) if seen.outage else None
        if back:
            marks.append(_Mark("healthy", back, "first banner, seen by the controller"))
        else:
            ssh = self._first_active(SSH_UNITS)
            if ssh:
                marks.append(_Mark("healthy", axis.monotonic(ssh * 1000, _US_NS), "systemd, unit active"))
        healthy = axis.controller(seen.healthy_ns) if seen.healthy_ns is not None else None
        if healthy:
            marks.append(_Mark("", healthy, "seen by the controller"))
        return marks

    def _network_marks(self) -> List[_Mark]:
        """Marks of the network's start and of its first address; the first means nothing without the second."""
        address, began_us = self._reading.address, self._reading.manager.userspace_us or 0
        if address is None or address.monotonic_ns < began_us * 1000:
            return []
        first = _Mark("ssh", self._axis.monotonic(address.monotonic_ns, address.error_ns), "netlink")
        starting = [
            unit.starting_us for unit in self._reading.units if unit.unit in NETWORK_UNITS and unit.starting_us > began_us
        ]
        if not starting or min(starting) * 1000 > address.monotonic_ns + address.error_ns:
            return [first]
        return [_Mark("network", self._axis.monotonic(min(starting) * 1000, _US_NS), "systemd"), first]

    def _first_active(self, names: Sequence[str]) -> Optional[int]:
        """When one of the units first became active, if that was during startup."""
        manager = self._reading.manager
        active = [unit.active_us for unit in self._reading.units if unit.unit in names and unit.active_us is not None]
        active = [at for at in active if at > (manager.userspace_us or 0) and at <= (manager.finish_us or at)]
        return min(active) if active else None

    # Assembly.

    def _in_order(self, marks: List[_Mark]) -> List[_Mark]:
        """Drop impossible marks: those before their predecessor by more than the error of both."""
        kept: List[_Mark] = []
        for mark in marks:
            if mark.begins == "healthy" and kept and kept[-1].begins == "ssh" and _behind(kept[-1], mark) is None:
                # The first address recorded is not the one that answered first, and says nothing.
                kept = [each for each in kept if each.begins not in ("network", "ssh")]
            placed = _behind(kept[-1], mark) if kept else mark
            if placed is None:
                self._notes.append("the beginning of %s lies before that of %s" % (mark.begins or "service", kept[-1].begins))
            else:
                kept.append(placed)
        return kept

    def _between(self, marks: List[_Mark]) -> List[_Entry]:
        """Phases from each mark to the next."""
        phases = [
            _phase(
                first.begins,
                self._from_to(first.moment, last.moment),
                first.source if first.source == last.source else "%s; %s" % (first.source, last.source),
            )
            for first, last in zip(marks, marks[1:])
        ]
        stub = self._reading.stub
        jump = next((phase for phase in phases if phase["name"] == "jump"), None)
        if stub is not None and jump is not None and self._axis.runs_by_cycles:
            entry, leave = self._axis.cycles(stub.entry_cycles), self._axis.cycles(stub.exit_cycles)
            if jump["start_ns"] <= self._axis.utc_ns(entry) and leave.at_ns <= self._axis.zero().at_ns:
                phases += self._inside_jump(jump, entry, leave)
        return phases

    def _inside_jump(self, jump: _Entry, entry: Moment, leave: Moment) -> List[_Entry]:
        """Phases within a jump, split where the stub begins and ends. What the old kernel copied lies in the first."""
        inside = [_phase("stub", self._from_to(entry, leave), "stub's stamps", "jump")]
        copy_ms = self._reading.copy_ms
        if copy_ms is not None:
            begin_ns = jump["start_ns"]
            end_ns = self._axis.utc_ns(entry)
            # How long copying really took is not known.
            error_ns = round(jump["error_ms"] * 1e6) + round(copy_ms * 1e6)
            stopping = Interval(begin_ns, end_ns - begin_ns, error_ns)
            inside.insert(0, _phase("shutdown", stopping, "%s; stub's stamps" % jump["source"].partition(";")[0], "jump"))
        return inside

    def _from_to(self, first: Moment, last: Moment) -> Interval:
        return Interval(self._axis.utc_ns(first), last.at_ns - first.at_ns, distance_error_ns(first, last))

    def _before_it(self) -> List[_Entry]:
        """Phases that the controller spent before the outage."""
        return [
            _phase(name, interval, "controller")
            for name, interval in (("drain", self._seen.drain), ("stage", self._seen.stage))
            if interval is not None and self._seen.after is not None
        ]

    def _outage(self, interval: Optional[Interval]) -> Optional[_Entry]:
        """Present an outage; None if its position is unknown."""
        return (
            dict(_lasting(interval), seen_by=interval.seen_by) if interval is not None and self._seen.after is not None else None
        )

    def _slowest_stops(self) -> List[Dict[str, Any]]:
        stops = self._reading.stops if self._stop else []
        slowest = sorted(stops, key=lambda stop: -stop.duration_us)[:SLOWEST]
        return [{"unit": stop.unit, "duration_ms": _ms(stop.duration_us * 1000)} for stop in slowest]

    def _slowest_starts(self) -> List[Dict[str, Any]]:
        manager = self._reading.manager
        of_this_boot = [
            (unit.duration_us, unit.unit)
            for unit in self._reading.units
            if unit.duration_us is not None
            and unit.starting_us >= (manager.userspace_us or 0)
            and unit.starting_us <= (manager.finish_us or unit.starting_us)
        ]
        return [{"unit": unit, "duration_ms": _ms(us * 1000)} for us, unit in sorted(of_this_boot, reverse=True)[:SLOWEST]]


def _behind(last: _Mark, mark: _Mark) -> Optional[_Mark]:
    """Place a mark behind another, moved to the other if it lies before that within their error; None if further before."""
    behind_ns = last.moment.at_ns - mark.moment.at_ns
    if behind_ns <= 0:
        return mark
    if behind_ns > distance_error_ns(last.moment, mark.moment):
        return None
    moment = replace(mark.moment, at_ns=last.moment.at_ns, error_ns=mark.moment.error_ns + behind_ns)
    return replace(mark, moment=moment)


def _lasting(interval: Interval) -> _Entry:
    return {"start_ns": interval.start_ns, "duration_ms": _ms(interval.duration_ns), "error_ms": _ms(interval.error_ns)}


def _phase(name: str, interval: Interval, source: str, within: Optional[str] = None) -> _Entry:
    return {"name": name, **_lasting(interval), "source": source, "within": within}


def _relative(entry: _Entry, start_ns: int) -> Dict[str, Any]:
    """Present an entry with its start, absolute and relative."""
    shown = {key: value for key, value in entry.items() if key not in ("start_ns", "name")}
    name = {"name": entry["name"]} if "name" in entry else {}
    return {**name, "start": _utc(entry["start_ns"]), "start_ms": _ms(entry["start_ns"] - start_ns), **shown}


def _ms(duration_ns: int) -> float:
    return round(duration_ns / 1e6, 3)


def _utc(at_ns: int) -> str:
    moment = datetime.fromtimestamp(at_ns // 10**9, timezone.utc)
    return "%s.%03dZ" % (moment.strftime("%Y-%m-%dT%H:%M:%S"), at_ns // 10**6 % 1000)
