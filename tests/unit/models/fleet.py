# SPDX-License-Identifier: GPL-3.0-or-later
"""Model of a rollout, as somebody sees it who only counts hosts and reads the journal.

What it states, of docs/rolling-reboot.md, docs/journal.md, docs/glossary.md and the options of M(fleet.kexec.rolling_reboot):

* "A **limit** counts every unavailable host: hosts in flight, hosts that failed and are down, hosts of the play that could not
  be reached when it began, and hosts that go down meanwhile for any other reason." They are "checked … every ten seconds".
* C(window): "Number of hosts that may be in flight at once, as a count or a percentage of the hosts to reboot"; in flight is
  "from the beginning of its drain until it is back in service".
* C(max_unavailable): "counts or percentages of the domain's hosts (rounded down)"; C(min_available): "counts or percentages
  (rounded up). Members of a group that are not in the play count too."
* C(canaries): "Hosts that go before all others. If one of them fails, or none could be rebooted, the rollout stops." C(soak) is
  "the number of seconds to wait before the others begin".
* C(waves): "Cumulative sizes of the waves after the canaries, as counts or percentages (at least one host). The remaining hosts
  are the last wave. A wave begins when every host of the previous one has ended." C(wave_soak): "after each wave but the last".
* C(failure_budget): "Number of hosts that may fail. After one more failure nothing new starts."
* C(deadline): "Time by which hosts have to be predicted to be back in service; no others start." Without earlier runs "the
  assumption is … at worst 180 s of outage" and 2 s after it.
* C(only), C(order), and when a rollout stops: "from then on nothing new starts. Hosts that were triggered are seen through to
  their end", and all others are put back.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Slowest look at a host that is not rebooted, and what is allowed for the look itself.
NOTICED_AFTER_S = 12.0
# "at worst 180 s of outage", and 2 s after it.
WORST_S = 182.0

# Between a decision and its record.
SLACK_S = 0.1

Amount = int | str


def at_most(amount: Amount, of: int, *, least: int = 0) -> int:
    """Number that a limit allows: "rounded down"."""
    number = amount if isinstance(amount, int) else of * int(amount.rstrip("%")) // 100
    return max(least, number)


def at_least(amount: Amount, of: int) -> int:
    """Number that has to stay: "rounded up"."""
    return amount if isinstance(amount, int) else math.ceil(of * int(amount.rstrip("%")) / 100)


@dataclass(frozen=True)
class Fate:
    """How a reboot of a host turns out.

    :ivar ends: C(done), C(failed) or C(refused).
    :ivar down: whether it is down then.
    """

    name: str
    ends: str = "done"
    down: bool = False
    reboots: bool = True


FATES = (
    Fate("fine"),
    Fate("foreign", "failed"),
    Fate("degraded", "failed"),
    Fate("lost", "failed", down=True),
    Fate("undrainable", "failed", reboots=False),
    Fate("unhealthy", "failed"),
    Fate("locked", "refused", reboots=False),
    Fate("needless", "not_needed", reboots=False),
)
BY_NAME = {each.name: each for each in FATES}


@dataclass(frozen=True)
class Bystander:
    """A machine that counts and is not rebooted: when it goes down and comes up, in seconds from the beginning."""

    name: str
    rack: str
    down_at_s: float = math.inf
    up_at_s: float = math.inf


@dataclass(frozen=True)
class Fleet:
    """A fleet, and what is asked of it."""

    # In the order of the inventory.
    hosts: tuple[str, ...]
    racks: Mapping[str, str]
    fates: Mapping[str, str]
    bystanders: tuple[Bystander, ...] = ()
    window: Amount = 1
    max_unavailable: Mapping[str, Amount] = field(default_factory=dict)
    min_available: Amount | None = None
    canaries: int = 0
    canary_soak_s: int = 0
    waves: tuple[Amount, ...] = ()
    wave_soak_s: int = 0
    failure_budget: Amount = 0
    deadline_s: int | None = None
    order: str = "inventory"
    stall_s: int = 600
    only: str = "all"

    def options(self) -> dict[str, Any]:
        """Options of the module."""
        given: dict[str, Any] = {
            "window": self.window,
            "failure_budget": self.failure_budget,
            "order": self.order,
            "stall_timeout": self.stall_s,
            "wave_soak": self.wave_soak_s,
        }
        if self.max_unavailable:
            given["max_unavailable"] = dict(self.max_unavailable)
        if self.min_available is not None:
            given["min_available"] = {"all": self.min_available}
        if self.canaries:
            given["canaries"] = {"count": self.canaries, "soak": self.canary_soak_s}
        if self.waves:
            given["waves"] = list(self.waves)
        if self.deadline_s is not None:
            given["deadline"] = self.deadline_s
        return given

    def fate(self, host: str) -> Fate:
        return BY_NAME[self.fates[host]]

    def ordered(self) -> list[str]:
        """Hosts in the order that was asked for."""
        if self.order == "reverse":
            return list(reversed(self.hosts))
        return sorted(self.hosts) if self.order == "sorted" else list(self.hosts)

    def planned(self) -> list[tuple[list[str], float]]:
        """Waves, each with the pause after it; canaries are the first."""
        rest = self.ordered()
        waves: list[tuple[list[str], float]] = []
        if self.canaries:
            waves.append((rest[: self.canaries], self.canary_soak_s))
            rest = rest[self.canaries :]
        begun = 0
        for size in self.waves:
            end = min(len(rest), at_most(size, len(rest), least=1))
            if end > begun:
                waves.append((rest[begun:end], self.wave_soak_s))
                begun = end
        if rest[begun:]:
            waves.append((rest[begun:], 0))
        return waves

    def limits(self) -> list[tuple[str, list[str], int]]:
        """Each limit in words, the machines that count for it, and how many of them may be unavailable."""
        racks = {**self.racks, **{each.name: each.rack for each in self.bystanders}}
        everybody = [*self.hosts, *(each.name for each in self.bystanders)]
        found = []
        for dimension, amount in self.max_unavailable.items():
            for domain in sorted(set(racks.values())) if dimension == "rack" else ["everything"]:
                names = [name for name in everybody if domain in ("everything", racks[name])]
                found.append(("%s of %s" % (amount, domain), names, at_most(amount, len(names))))
        if self.min_available is not None:
            most = len(everybody) - at_least(self.min_available, len(everybody))
            found.append(("all but %s" % self.min_available, everybody, most))
        return found


@dataclass(frozen=True)
class Record:
    """A record of the journal, with the time at which it was written, and the machines that do not answer then.

    :ivar down: each with the seconds for which it has not answered.
    :ivar debt: debt that it is about.
    :ivar unavailable: what the debt says of its host.
    """

    at_s: float
    event: str
    host: str
    down: Mapping[str, float]
    debt: str = ""
    unavailable: bool = False


# Ends of a process in which not every host has its turn.
LEFT, KILLED = "left", "killed"
BEGINS, ENDS = "host_draining", ("host_released", "host_failed", "host_undrained", "host_refused")
STARTS = ("host_preparing", "host_draining", "host_intent")
FINAL = ("host_released", "host_failed", "host_refused", "host_not_needed")


def debts_ended(record: Record) -> Sequence[str]:
    """Debts of a host that are gone with a record: what is staged or drained anew is owed no more."""
    anew = {"host_preparing": ("image", "panic"), "host_draining": ("drain",), "host_paid": (record.debt,)}
    return anew.get(record.event, ())


def breaches(fleet: Fleet, records: Sequence[Record], stopped: str | None, resumed: Sequence[Fleet] = ()) -> list[str]:
    """Everything that should not have been.

    :param stopped: code with which the last process stopped; :data:`LEFT` if it did not have all hosts, :data:`KILLED` if it was.
    :param resumed: what was asked of each process that resumed the run.
    """
    first, later = fleet, iter(resumed)
    # Hosts that are out of service because of the run: in flight, or owing their drain or their reboot.
    in_flight: set[str] = set()
    withheld: set[tuple[str, str]] = set()
    failed_down: set[str] = set()
    failed: list[str] = []
    found = []
    for record in records:
        host = record.host
        if record.event == "run_resumed":
            fleet = next(later)
        if record.event in STARTS and host not in in_flight and _is_spent(first, fleet, failed):
            found.append("%s of %s once too many had failed" % (record.event, host))
        if record.event == BEGINS and host not in in_flight:
            in_flight.add(host)
            if len(in_flight) > at_most(fleet.window, len(fleet.hosts), least=1):
                found.append("%s are in flight, and the window is %s" % (sorted(in_flight), fleet.window))
            found += _over_limits(fleet, record, in_flight | {name for name, _debt in withheld}, failed_down)
        if record.event == "host_intent":
            found += _over_limits(fleet, record, in_flight | {name for name, _debt in withheld}, failed_down)
        if record.event in (BEGINS, "host_intent") and fleet.deadline_s is not None and record.at_s + WORST_S > fleet.deadline_s:
            found.append("%s of %s at %.0f s" % (record.event, host, record.at_s))
        if record.event in ENDS:
            in_flight.discard(host)
        if record.event == "host_owes" and record.unavailable:
            withheld.add((host, record.debt))
        withheld.difference_update((host, debt) for debt in debts_ended(record))
        if record.event == "host_failed":
            failed.append(host)
            if host in record.down:
                failed_down.add(host)
    return [*found, *_waves(first, records), *_ends(fleet, records, stopped)]


def _is_spent(first: Fleet, fleet: Fleet, failed: Sequence[str]) -> bool:
    """Whether more hosts have failed than may."""
    canaries = first.planned()[0][0] if first.canaries else ()
    return len(failed) > at_most(fleet.failure_budget, len(fleet.hosts)) or not set(failed).isdisjoint(canaries)


def _over_limits(fleet: Fleet, record: Record, out: Collection[str], failed_down: Collection[str]) -> list[str]:
    """Limits of a host that are exceeded."""
    found = []
    known = {name for name, for_s in record.down.items() if for_s > NOTICED_AFTER_S or name in failed_down}
    for words, names, most in fleet.limits():
        unavailable = known.union(out).intersection(names)
        if record.host in names and len(unavailable) > most:
            found.append("%s with %s unavailable: %s" % (record.event, sorted(unavailable), words))
    return found


def _waves(fleet: Fleet, records: Sequence[Record]) -> list[str]:
    """Hosts that went before their wave."""
    found = []
    ready_at = 0.0
    for hosts, soak_s in fleet.planned():
        starts = [each for each in records if each.host in hosts and each.event in STARTS]
        found += ["%s of %s before its wave" % (each.event, each.host) for each in starts if each.at_s < ready_at - SLACK_S]
        ready_at = max([ready_at, *(_over_at(records, name, soak_s) for name in hosts)])
    return found


def _over_at(records: Sequence[Record], host: str, soak_s: float) -> float:
    """Time from which a wave waits for a host no more; one that the play of a resume does not have is over without a pause."""
    ended = [each.at_s + soak_s for each in records if each.host == host and each.event in FINAL]
    left_out = [each.at_s for each in records if each.host == host and each.event == "host_left_out"]
    return min([*ended, *left_out], default=math.inf)


def _ends(fleet: Fleet, records: Sequence[Record], stopped: str | None) -> list[str]:
    """Hosts that ended as something else than they should."""
    found = []
    canaries = fleet.planned()[0][0] if fleet.canaries else []
    for name in fleet.hosts:
        events = [each.event for each in records if each.host == name]
        fate = fleet.fate(name)
        begun = events.count("host_intent")
        # One that never received its trigger starts over when the run is resumed.
        if begun > 1 and all(each.event != "run_resumed" for each in records):
            found.append("%s was to be triggered %d times" % (name, begun))
        if begun and not fate.reboots:
            found.append("%s was triggered, and is %s" % (name, fate.name))
        ended = [each for each in events if each in ("host_released", "host_failed", "host_refused", "host_not_needed")]
        # One that was refused is prepared anew by each resume.
        if len(ended) > 1 and set(ended) != {"host_refused"}:
            found.append("%s ended as %s" % (name, ended))
        said = {"done": "host_released", "failed": "host_failed", "refused": "host_refused", "not_needed": "host_not_needed"}
        if ended and ended[0] != said[fate.ends]:
            found.append("%s is %s, and ended as %s" % (name, fate.name, ended[0]))
        if not ended and stopped is None:
            found.append("%s never had its turn" % name)
        # One that never received its trigger is put back if it may not go any more.
        undone = "host_intent" in events and not {"host_undrained", "host_unstaged"}.isdisjoint(
            events[events.index("host_intent") :]
        )
        if begun and not ended and not undone and stopped != KILLED:
            found.append("%s was not seen through" % name)
    if stopped is None:
        failed = [name for name in fleet.hosts if fleet.fate(name).ends == "failed"]
        if len(failed) > at_most(fleet.failure_budget, len(fleet.hosts)):
            found.append("nothing stopped it, and %s failed" % failed)
        if canaries and len(fleet.planned()) > 1 and not any(fleet.fate(name).ends == "done" for name in canaries):
            found.append("nothing stopped it, and no canary was rebooted")
    return found


def may_stop(fleet: Fleet) -> set[str | None]:
    """Codes with which the rollout may stop."""
    codes: set[str | None] = {None}
    failed = [name for name in fleet.hosts if fleet.fate(name).ends == "failed"]
    if len(failed) > at_most(fleet.failure_budget, len(fleet.hosts)):
        codes.add("FAILURE_BUDGET_SPENT")
    canaries = fleet.planned()[0][0] if fleet.canaries else []
    if canaries and (set(canaries) & set(failed) or not any(fleet.fate(name).ends == "done" for name in canaries)):
        codes.add("CANARY_FAILED")
    if fleet.deadline_s is not None:
        codes.add("DEADLINE")
    down = any(fleet.fate(name).down for name in fleet.hosts) or any(each.down_at_s < math.inf for each in fleet.bystanders)
    if fleet.limits() and down:
        codes.add("CAPACITY_SPENT")
    return codes
