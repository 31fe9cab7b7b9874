# SPDX-License-Identifier: GPL-3.0-or-later
"""Journals to test with: one of every event, and a run with a host in every state."""

from __future__ import annotations

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import events
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.events import Record
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.difference import ReportedDifference

OLD, NEW = "0e0a6d8e-9a0f-4d8e-8a4f-1d6f0a4b9c55", "3c1f5a52-54c7-4bd7-9a3c-0f4dd1c0f0aa"
RELEASE = "6.12.117+deb13-amd64"
BLOCKED = reason("LOCKDOWN", "the kernel is locked down")
UNPROVEN = reason("NOT_PROVEN", "the host came back through firmware with %s, but not as staged: no token" % RELEASE)
PANIC = reason("PANIC_OWED", "kernel.panic stays at 10: sudo: LDAP is away")
DRAINED = reason("DRAIN_OWED", "it is still drained: after hook lb: exit code 1")
NOT_SELECTED = reason("HOST_NOT_SELECTED", "web6 is not rebooted: the play does not have it (see --limit)")
LOST = reason("REBOOT_TIMEOUT", "web2 did not come back within 300 s")


SLOWER = ReportedDifference(
    "COIN_CELL_LOW", "nvme-SN0815", "16 GT/s", "8 GT/s", "warn", "the link of nvme-SN0815 fell from 16 GT/s to 8 GT/s"
)


def started(hosts: list[str], bystanders: tuple[str, ...] = ()) -> Record:
    return events.RunStarted(
        run_id="night",
        controller="admin1",
        pid=4711,
        collection_version="0.1.0",
        hosts=tuple(hosts),
        bystanders=tuple(bystanders),
        settings={"window": "2"},
        waves=({"name": "canary", "hosts": hosts[:1], "soak_s": 60.0}, {"name": "rest", "hosts": hosts[1:], "soak_s": 0.0}),
    ).as_record()


def terms(hosts: list[str]) -> Record:
    return events.RunTerms(
        window=2,
        limits=({"of": "the fleet (max_unavailable 50%)", "most": 3, "hosts": hosts},),
        forecast={"total_p50_s": 60.0, "total_p95_s": 90.0, "out_over_time": [[0.0, 0], [5.0, 1], [55.0, 0]]},
        failure_budget=0,
    ).as_record()


def prepared(host: str) -> Record:
    return events.HostPrepared(
        host=host,
        method="kexec",
        token="t-" + host,
        release=RELEASE,
        staged={"release": RELEASE, "loader": "kexec_load"},
        boot_id=OLD,
        release_before="6.12.110+deb13-amd64",
        predicted_ms={"outage": 9000},
        notes=({"code": "VIRTIO_NO_RESET", "message": "no check", "hint": ""},),
        duration_ms=2100,
        host_class="qemu/" + RELEASE,
    ).as_record()


def hook(host: str, phase: str, ok: bool = True) -> Record:
    return events.HookEnded(
        host=host, hook="lb", phase=phase, attempts=2, ok=ok, duration_ms=310, message="out of the\n\tpool\x00"
    ).as_record()


def run_hook(phase: str, ok: bool = True) -> Record:
    return events.RunHookEnded(
        hook="silence", phase=phase, attempts=1, ok=ok, duration_ms=120, message="alerts\tsilenced\x00"
    ).as_record()


def intent(host: str) -> Record:
    return events.HostIntent(
        host=host,
        boot_id=OLD,
        token="t-" + host,
        unit="fleet-kexec-t-" + host,
        method="kexec",
        release=RELEASE,
        reboot_timeout_s=300.0,
        panic={"panic_s": 0, "panic_on_oops": 1},
    ).as_record()


def probed(host: str) -> Record:
    return events.HostProbed(
        host=host,
        probe_seen_by="tcp 443",
        probe_outage_ms=9100,
        probe_outage_error_ms=80,
        probe_down_at="2026-11-24T15:00:01.200Z",
    ).as_record()


def unproven(host: str) -> Record:
    proof = {"proven": False, "missing": ["token"]}
    return events.HostUnproven(host=host, path="firmware", proof=proof, boot_id=NEW, release=RELEASE).as_record()


def way(host: str) -> list[Record]:
    """All records of a host that goes well."""
    return [
        events.HostPreparing(host=host).as_record(),
        prepared(host),
        events.HostDraining(host=host).as_record(),
        hook(host, "before"),
        events.HostDrained(host=host, duration_ms=320).as_record(),
        intent(host),
        events.HostTriggered(host=host).as_record(),
        events.HostDown(host=host, down_at="2026-11-24T15:00:01.500Z").as_record(),
        events.HostBack(host=host, outage_ms=8400, outage_error_ms=250, detected_by="banner").as_record(),
        events.HostVerified(
            host=host, path="kexec", proof={"token": True}, boot_id=NEW, release=RELEASE, login_ms=700
        ).as_record(),
        hook(host, "after"),
        events.HostHealthy(host=host, duration_ms=330).as_record(),
        events.HostReleased(host=host, duration_ms=10500).as_record(),
    ]


TIMELINE = {
    "boot_id": NEW,
    "path": "kexec",
    "start": "2026-11-24T12:00:07.000Z",
    "phases": [{"name": "jump", "start_ms": 0.0, "duration_ms": 41.5, "error_ms": 0.2, "source": "kernel log, by TSC"}],
}


#: Of a run with C(only: pending), which C(night) is not.
OF_PENDING = [
    events.HostNeeded(host="web1", reasons=(reason("PENDING_KERNEL", "another kernel is the next to boot"),)).as_record(),
    events.HostNotNeeded(host="web6").as_record(),
]


def compared(host: str) -> Record:
    return events.HostCompared(
        host=host,
        compared=True,
        model="Example Inc. Server 9",
        differences=(SLOWER,),
        more=0,
        settled_ms=40,
        duration_ms=900,
    ).as_record()


def night() -> list[Record]:
    """A run that stops.

    web1 is done, web2 lost, web3 in flight, web4 discarded, web5 refused, web6 never began, and web7 came back as something else.
    """
    hosts = ["web%d" % number for number in range(1, 8)]
    return [
        started(hosts, ("db1",)),
        events.RunSelected(left_out={"db1": "when: needs"}).as_record(),
        terms([*hosts, "db1"]),
        run_hook("run_before"),
        *way("web1")[:10],
        events.HostOwes(host="web1", debt="panic", reason=PANIC).as_record(),
        *way("web1")[10:11],
        events.HostPaid(host="web1", debt="panic").as_record(),
        probed("web1"),
        compared("web1"),
        *way("web1")[11:],
        events.HostTimeline(host="web1", timeline=TIMELINE).as_record(),
        events.HostRefused(host="web5", reason=BLOCKED).as_record(),
        *way("web2")[:8],
        *way("web4")[:3],
        events.HostSeen(host="db1", up=False).as_record(),
        *way("web3")[:8],
        *way("web7")[:9],
        unproven("web7"),
        events.HostFailed(host="web7", reason=UNPROVEN, down=False, phase="back").as_record(),
        events.HostFailed(host="web2", reason=LOST, down=True, phase="down").as_record(),
        events.RunStopping(reason=LOST).as_record(),
        hook("web4", "after", ok=False),
        events.HostOwes(host="web4", debt="drain", reason=DRAINED, unavailable=True).as_record(),
        events.HostUndrained(host="web4", ok=False).as_record(),
        events.HostUnstaged(host="web4", ok=True, told=False).as_record(),
        run_hook("run_after", ok=False),
        events.RunOwes(debt="lock", reason=reason("LOCK_OWED", "the lock still has the run: connection refused")).as_record(),
        events.RunResumed(controller="admin2", pid=815).as_record(),
        terms([*hosts, "db1"]),
        events.HostLeftOut(host="web6", reason=NOT_SELECTED).as_record(),
        events.RunEnded(counts={"released": 1, "failed": 2}, duration_ms=310_000).as_record(),
    ]
