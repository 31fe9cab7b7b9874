# SPDX-License-Identifier: GPL-3.0-or-later
"""What a resume finds, after a controller was killed at every kind of record."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import events
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.events import EVENTS, Record
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.file import Journal, replay
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.host_state import HostState
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.phases import Phase, Resume
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_state import RunState
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import Status

from ....outcomes import code_of
from ..stories import (
    BLOCKED,
    LOST,
    NEW,
    NOT_SELECTED,
    OF_PENDING,
    OLD,
    RELEASE,
    UNPROVEN,
    hook,
    intent,
    night,
    prepared,
    probed,
    started,
    unproven,
    way,
)


def fold(host_records: list[Record], host: str = "web1") -> HostState:
    return RunState.from_records([started([host]), *host_records]).hosts[host]


# After each record of a host that goes well: its phase, what a resume does, and what may be left on it or held by it.
WAY = [
    ("host_preparing", Phase.PREPARING, Resume.ANEW, "staged"),
    ("host_prepared", Phase.READY, Resume.ANEW, "staged"),
    ("host_draining", Phase.DRAINING, Resume.ANEW, "staged drained flying"),
    ("hook_ended", Phase.DRAINING, Resume.ANEW, "staged drained flying"),
    ("host_drained", Phase.GATE, Resume.ANEW, "staged drained flying"),
    ("host_intent", Phase.INTENT, Resume.ASK, "staged drained flying"),
    ("host_triggered", Phase.TRIGGERED, Resume.ASK, "staged drained flying"),
    ("host_down", Phase.DOWN, Resume.ASK, "staged drained flying"),
    ("host_back", Phase.BACK, Resume.ASK, "drained flying"),
    ("host_verified", Phase.VERIFIED, Resume.ASK, "drained flying"),
    ("hook_ended", Phase.VERIFIED, Resume.ASK, "drained flying"),
    ("host_healthy", Phase.HEALTHY, Resume.ASK, "flying"),
    ("host_released", Phase.RELEASED, Resume.DONE, ""),
]


def left(host: HostState) -> str:
    flags = (("staged", host.maybe_staged), ("drained", host.maybe_drained), ("flying", host.in_flight))
    return " ".join(name for name, value in flags if value)


def test_killed_after_each_record_of_a_host(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    path = tmp_path / "journal.jsonl"
    path.touch(0o600)
    assert fold([]).resume is Resume.ANEW
    with Journal(str(path)) as journal:
        journal.append([started(["web1"])])
        for record, (event, phase, resume, remains) in zip(way("web1"), WAY, strict=True):
            journal.append([record])
            state = RunState()
            assert not replay(str(path), state.read)
            host = state.hosts["web1"]
            assert (record["event"], host.phase, host.resume, left(host)) == (event, phase, resume, remains)
            if resume is Resume.ASK:
                assert (host.boot_id, host.token) == (OLD, "t-web1")
                assert (host.method, host.release, host.reboot_timeout_s) == ("kexec", RELEASE, 300.0)
                assert host.panic == {"panic_s": 0, "panic_on_oops": 1}
                assert host.intended_at.endswith("Z")


@pytest.mark.parametrize("count", range(len(night()) + 1))
def test_killed_at_any_record_of_a_run_with_every_event(count: int) -> None:
    before = night()[:count]
    state = RunState.from_records(before)
    assert not before or list(state.hosts) == night()[0]["hosts"]
    for name, host in state.hosts.items():
        own = [record["event"] for record in before if record.get("host") == name]
        intended = "host_intent" in own
        given_up_or_done = "host_failed" in own or "host_released" in own
        assert (host.resume is Resume.ASK) == (intended and not given_up_or_done)
        assert (host.resume is Resume.DONE) == given_up_or_done


def test_a_run_that_stopped_and_was_taken_up() -> None:
    assert {record["event"] for record in [*night(), *OF_PENDING]} == EVENTS.keys()
    state = RunState.from_records(night()[:-4])
    assert (state.stop_reason, state.ended, state.resumes) == (LOST, False, 0)
    assert {resume: [host.host for host in state.with_resume(resume)] for resume in Resume} == {
        Resume.DONE: ["web1", "web2", "web7"],
        Resume.ASK: ["web3"],
        Resume.ANEW: ["web4", "web5", "web6"],
    }
    hosts = state.hosts
    assert [hosts["web%d" % number].phase.value for number in range(1, 8)] == [
        "released",
        "failed",
        "down",
        "discarded",
        "refused",
        "waiting",
        "failed",
    ]
    assert (hosts["web2"].reason, hosts["web2"].down) == (LOST, True)
    assert (hosts["web4"].maybe_staged, hosts["web4"].maybe_drained, hosts["web5"].reason) == (False, True, BLOCKED)
    assert hosts["web4"].hooks["after", "lb"].ok is False
    assert (state.bystanders, state.down) == (("db1",), {"db1", "web2"})
    state.read(night()[-4])
    assert (state.stop_reason, state.resumes, state.controller) == (None, 1, "admin2")
    state.read(night()[-2])
    assert (hosts["web6"].left_out, hosts["web6"].status) == (NOT_SELECTED, Status.SKIPPED)
    state.read(night()[-1])
    assert (state.ended, state.counts, state.duration_ms) == (True, {"released": 1, "failed": 2}, 310_000)


def test_what_is_known_of_a_host_that_is_done() -> None:
    host = fold([*way("web1")[:11], probed("web1"), *way("web1")[11:]])
    assert (host.path, host.boot_id_after, host.release_after, host.detected_by) == ("kexec", NEW, RELEASE, "banner")
    assert (host.prepare_ms, host.drain_ms, host.outage_ms, host.outage_error_ms) == (2100, 320, 8400, 250)
    assert (host.login_ms, host.after_ms, host.total_ms) == (700, 330, 10500)
    assert (host.predicted_ms, host.host_class) == ({"outage": 9000}, "qemu/" + RELEASE)
    assert (host.probe_seen_by, host.probe_outage_ms, host.probe_outage_error_ms) == ("tcp 443", 9100, 80)
    assert [note["code"] for note in host.notes] == ["VIRTIO_NO_RESET"]
    assert set(host.hooks) == {("before", "lb"), ("after", "lb")}


def test_what_is_known_of_a_host_that_came_back_as_something_else() -> None:
    back = [*way("web1")[:9], unproven("web1")]
    host = fold(back)
    assert (host.phase, host.resume) == (Phase.BACK, Resume.ASK), "it is asked again by a resume"
    host = fold([*back, events.HostFailed(host="web1", reason=UNPROVEN, down=False, phase="back").as_record()])
    assert (host.path, host.proof) == ("firmware", {"proven": False, "missing": ["token"]})
    assert (host.boot_id_after, host.release_after, host.reason, host.down) == (NEW, RELEASE, UNPROVEN, False)
    host = fold([*back, intent("web1")])
    assert (host.path, host.proof, host.boot_id_after, host.release_after) == ("", None, "", ""), "it is told once more"


def test_why_there_is_no_outage_of_a_service_is_a_note() -> None:
    note = reason("PROBE_STILL_DOWN", "tcp 443 gave no good answer for 9.0 s, and was not waited for any longer")
    gone = events.HostProbed(
        host="web1", probe_seen_by="tcp 443", probe_outage_ms=None, probe_outage_error_ms=None, note=note
    ).as_record()
    host = fold([*way("web1")[:9], gone])
    assert host.probe_outage_ms is None
    assert host.notes[-1] == note.as_dict()
    assert host.phase is Phase.BACK, "it goes its own way"


def test_a_host_that_did_not_reboot_is_prepared_anew_and_stays_drained() -> None:
    again = events.HostPreparing(host="web1").as_record()
    host = fold([*way("web1")[:6], again])
    assert (host.phase, host.resume, left(host)) == (Phase.PREPARING, Resume.ANEW, "staged drained flying")
    assert (host.boot_id, host.token, host.hooks) == ("", "", {})
    host = fold([*way("web1")[:6], again, *way("web1")[1:]])
    assert (host.phase, left(host)) == (Phase.RELEASED, "")


def test_a_host_through_firmware_has_nothing_staged() -> None:
    host = fold([events.HostPreparing(host="web1").as_record(), {**prepared("web1"), "method": "firmware", "staged": None}])
    assert left(host) == ""


def test_a_host_that_is_discarded_and_one_that_could_not_be_unstaged() -> None:
    begun = way("web1")[:5]
    undone = [
        hook("web1", "after"),
        events.HostUndrained(host="web1", ok=True).as_record(),
        events.HostUnstaged(host="web1", ok=True).as_record(),
    ]
    host = fold(begun + undone)
    assert (host.phase, host.resume, left(host)) == (Phase.DISCARDED, Resume.ANEW, "")
    host = fold([*begun, events.HostUnstaged(host="web1", ok=False).as_record()])
    assert (host.phase, left(host)) == (Phase.DISCARDED, "staged drained flying")


def test_a_host_that_is_called_off_after_its_intent_is_still_asked() -> None:
    host = fold([*way("web1")[:6], events.HostUnstaged(host="web1", ok=True, told=True).as_record()])
    assert (host.phase, host.resume, host.maybe_staged) == (Phase.INTENT, Resume.ASK, False)


def test_a_host_that_was_not_told_after_its_intent_begins_anew() -> None:
    host = fold([*way("web1")[:6], events.HostUnstaged(host="web1", ok=False, told=False).as_record()])
    assert (host.phase, host.resume, host.maybe_staged) == (Phase.DISCARDED, Resume.ANEW, True)


def test_a_host_that_was_given_up_counts_until_it_is_seen() -> None:
    lost = [*way("web1")[:8], events.HostFailed(host="web1", reason=LOST, down=True, phase="down").as_record()]
    assert fold(lost).down
    host = fold([*lost, events.HostSeen(host="web1", up=True).as_record()])
    assert (host.phase, host.resume, host.down) == (Phase.FAILED, Resume.DONE, False)
    assert fold(
        [*lost, events.HostSeen(host="web1", up=True).as_record(), events.HostSeen(host="web1", up=False).as_record()]
    ).down
    assert not fold(
        [*way("web1")[:10], events.HostFailed(host="web1", reason=LOST, down=False, phase="verified").as_record()]
    ).down


def test_the_first_reason_to_stop_is_the_reason() -> None:
    stops = [events.RunStopping(reason=LOST).as_record(), events.RunStopping(reason=BLOCKED).as_record()]
    assert RunState.from_records([started([]), *stops]).stop_reason == LOST


def test_what_a_later_version_adds_is_passed_over() -> None:
    later = [{**record, "later": 1} for record in night()]
    later.insert(5, {"event": "host_dreaming", "host": "web9"})
    later.insert(6, {"event": "fleet_slept"})
    after, before = RunState.from_records(later), RunState.from_records(night())
    assert after.hosts == before.hosts
    assert fold(
        [
            events.HostRefused(host="web1", reason=BLOCKED).as_record()
            | {"reason": {"code": "NEW", "message": "m", "hint": "h", "x": 1}}
        ]
    )


@pytest.mark.parametrize(
    "record",
    [
        {"event": "host_intent", "host": "web1"},
        {"event": "host_preparing"},
        {"event": "host_preparing", "host": "web2"},
        {"event": "host_preparing", "host": []},
        {"event": "host_seen", "host": "web1"},
        {"event": "run_resumed"},
        {"event": "run_ended", "counts": 5, "duration_ms": 1},
        {**events.HostRefused(host="web1", reason=BLOCKED).as_record(), "reason": "no"},
        {**intent("web1"), "reboot_timeout_s": "soon"},
        {**intent("web1"), "reboot_timeout_s": 10**400},
    ],
)
def test_a_record_that_lacks_what_it_must_have_is_damage(record: dict[str, Any]) -> None:
    assert code_of(RunState.from_records, [started(["web1"]), {"seq": 2, **record}]) == "JOURNAL_DAMAGED"


@given(st.randoms(use_true_random=False), st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_hosts_do_not_depend_on_each_other(draw: random.Random, count: int) -> None:
    """However the records of hosts are interleaved, each host is what its own records make it."""
    names = ["web%d" % number for number in range(count)]
    ways = {name: way(name)[: draw.randrange(len(WAY) + 1)] for name in names}
    order = [name for name in names for _record in ways[name]]
    draw.shuffle(order)
    left_over = {name: iter(ways[name]) for name in names}
    state = RunState.from_records([started(names), *(next(left_over[name]) for name in order)])
    assert state.hosts == {name: fold(ways[name], name) for name in names}


def test_a_host_that_is_put_back_and_then_given_up_ends_with_the_latter() -> None:
    failed = events.HostFailed(host="web1", reason=LOST, down=False, phase="draining").as_record()
    records = [*way("web1")[:3], events.HostUnstaged(host="web1", ok=True).as_record(), failed]
    state = RunState.from_records([started(["web1"]), *(dict(each, at="at %d" % count) for count, each in enumerate(records))])
    assert state.ended_at == "at 4"
