# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said before a rollout, and after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason, reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._console.summary import plan_text, summary
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import events
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_state import RunState
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.forecast import Forecast
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import Phases, Prediction
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.plan import make_plan
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.settings import settings_from
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.simulation import Course, Fate, simulate
from ansible_collections.fleet.kexec.plugins.plugin_utils._text import ASCII, columns_of

from ..courses import begun
from ..fleets import host
from ..stories import BLOCKED, PANIC, night, started, way

JOURNAL = "/var/lib/runs/night/journal.jsonl"
HALF, MOST = Phases(5.0, 0.0, 20.0, 2.0), Phases(9.0, 0.0, 50.0, 4.0)


def forecast_of(course: Course) -> Forecast:
    return Forecast(course.total_s, course.total_s * 1.5, course, 5)


def test_a_rollout_that_stopped() -> None:
    story = night()[:-4]
    story.append(events.RunEnded(counts={}, duration_ms=310_000).as_record())
    state = RunState.from_records(story)
    forecast = Forecast(200.0, 400.0, Course(200.0, [(0.0, 0)], {}, {}, None), 5)
    assert (
        "\n".join(summary(state, forecast, JOURNAL))
        == """\
night: 1 of 7 hosts done, 2 failed (1 down), 1 refused, 3 left, 2 owed
path      1 via kexec
outage    p50 8.4 s, p95 8.4 s, longest 8.4 s (web7)
took      5m10s, 1m50s longer than the forecast of 3m20s (p95 6m40s)
stopped   REBOOT_TIMEOUT: web2 did not come back within 300 s
          Look at the console of the host, or power-cycle it: its bootloader's
          default is untouched.
hook      run_after silence failed: alerts silenced

1 failed, REBOOT_TIMEOUT
  Look at the console of the host, or power-cycle it: its bootloader's default
  is untouched.
  web2  (down) web2 did not come back within 300 s

1 failed, NOT_PROVEN
  The host rebooted, but not into what was staged; see proof in the result, and
  the host's console.
  web7  the host came back through firmware with 6.12.117+deb13-amd64, but not
        as staged: no token

1 refused, LOCKDOWN
  Under lockdown only kexec_file_load works: leave loader=auto, or use
  method=firmware.
  web5  the kernel is locked down

1 different, COIN_CELL_LOW
  web1  the link of nvme-SN0815 fell from 16 GT/s to 8 GT/s

1 owed, DRAIN_OWED
  Put the host back into service by hand, or resume the run, which runs the
  after hooks again.
  web4  it is still drained: after hook lb: exit code 1

1 owed, LOCK_OWED
  Nothing to do: the run's key in the lock runs out by itself, after which the
  run can be resumed.
  night  the lock still has the run: connection refused

journal   /var/lib/runs/night/journal.jsonl
left      1 in flight, to be asked what became of them; 1 prepared and not put
          back yet; 1 not begun
go on by  resume: night"""
    )


def test_a_rollout_that_went_well_is_short() -> None:
    hosts = ["web%d" % number for number in range(1, 21)]
    story = [begun([("wave 1", hosts, 0.0)])]
    for number, name in enumerate(hosts):
        told = way(name)
        told[8]["outage_ms"] = 8000 + 100 * number
        story += told
    story.append(events.RunEnded(counts={}, duration_ms=100_000).as_record())
    assert summary(RunState.from_records(story), None, JOURNAL) == [
        "20261124T150000Z-5f0c: 20 of 20 hosts done",
        "path      20 via kexec",
        "outage    p50 8.9 s, p95 9.8 s, longest 9.9 s (web20)",
        "took      1m40s",
        "",
        "journal   " + JOURNAL,
    ]


def test_many_failures_of_one_kind_are_cut_and_the_hint_is_there_once() -> None:
    hosts = ["web%d" % number for number in range(1000)]
    bad = reason("REBOOT_TIMEOUT", "it did not\n\x1b[2Jcome back " + "x" * 3000)
    story = [begun([("wave 1", hosts, 0.0)])]
    story += [events.HostFailed(host=name, reason=bad, down=False, phase="down").as_record() for name in hosts]
    lines = summary(RunState.from_records(story), None, JOURNAL)
    assert len(lines) < 200
    assert all(line.isprintable() and columns_of(line) <= 80 for line in lines)
    assert "  … and 981 more; the journal names them" in lines
    assert sum("power-cycle" in line for line in lines) == 1


PLAN = """\
6 hosts in 3 waves, at most 2 at a time
takes     2m43s; in 95 of 100 cases up to 4m04s
in flight  ▄▄▄▄▄▄▄▄▄                     ▄▄▄▄▄▄▄▄▄████████████████  most 2
          0                                                  2m43s

canary: 1 host, then a pause of 60 s
  web1
wave 1: 1 host
  web2
wave 2: 4 hosts
  web3 web4 web5 web6

HOST   PREPARE    DRAIN   OUTAGE    AFTER    TOTAL      P95
web1     5.0 s        -     20 s    2.0 s     27 s     63 s"""


def test_a_plan() -> None:
    settings = settings_from({"window": 2, "canaries": {"count": 1, "soak": 60}, "waves": [1]})
    plan = make_plan([host("web%d" % number, predicted=Prediction(HALF, MOST)) for number in range(1, 7)], [], settings, 0)
    course = simulate(plan, settings, lambda _host: Fate(HALF))
    lines = plan_text(plan, forecast_of(course), {"web7": BLOCKED, "web8": BLOCKED})
    assert "\n".join(lines[:14]) == PLAN
    assert lines[-6:] == [
        "",
        "2 not rebooted, LOCKDOWN",
        "  Under lockdown only kexec_file_load works: leave loader=auto, or use",
        "  method=firmware.",
        "  web7  the kernel is locked down",
        "  web8  the kernel is locked down",
    ]


@pytest.mark.parametrize(
    ("spared_s", "said"),
    [
        (
            (0.0, 1.5, 3.0, 4.5),
            ["3 hosts: outage 3.0 s shorter than before (median), by parts of", "  prepare_boot that have not been tried yet"],
        ),
        ((0.0, 1.5), ["1 host: outage 1.5 s shorter than before, by parts of prepare_boot", "  that have not been tried yet"]),
        ((0.0, 0.0), []),
    ],
)
def test_a_plan_says_which_predictions_nobody_has_tried(spared_s: Sequence[float], said: list[str]) -> None:
    settings = settings_from({"window": 2})
    hosts = [replace(host("web%d" % number), spared_s=each_s) for number, each_s in enumerate(spared_s)]
    plan = make_plan(hosts, [], settings, 0)
    lines = plan_text(plan, forecast_of(simulate(plan, settings, lambda _host: Fate(HALF))), {}, columns=70)
    assert [line for line in lines[-2:] if "shorter" in line or line.startswith("  ")] == said


def test_a_plan_for_thousands() -> None:
    settings = settings_from({"window": "10%", "waves": ["1%", "50%"], "wave_soak": 30})
    slow = Prediction(Phases(5.0, 60.0, 300.0, 20.0), Phases(5.0, 90.0, 600.0, 40.0))
    hosts = [
        host("db%d" % number, "r750/6.12", predicted=slow) if number % 10 == 0 else host("db%d" % number, "qemu/6.12")
        for number in range(5000)
    ]
    plan = make_plan(hosts, [], settings, 0)
    course = simulate(plan, settings, lambda spec: Fate(spec.predicted.p50))
    refused = {"old%d" % number: BLOCKED for number in range(100)}
    lines = plan_text(plan, forecast_of(course), refused, glyphs=ASCII)
    assert all(line.isascii() and len(line) <= 80 for line in lines)
    # Everybody who is left out is named, and what they share is said once.
    assert sorted(word for line in lines for word in line.split() if word.startswith("old")) == sorted(refused)
    assert sum(BLOCKED.message in line for line in lines) == 1
    assert len(lines) < 130
    assert "4500 qemu/6.12     5.0 s    1.0 s     20 s    2.0 s     28 s     70 s" in lines
    assert any(line.startswith("500 r750/6.12") and line.endswith("6m25s   12m15s") for line in lines)
    wave = lines[lines.index("wave 3: 2500 hosts") :]
    assert len(wave[1]) <= 80
    assert wave[3].endswith(" more")
    named = sum(len(line.split()) for line in wave[1:4]) - 4
    assert wave[3].endswith("~ and %d more" % (2500 - named))


def test_hosts_that_are_out_all_the_time_are_seen_as_such() -> None:
    settings = settings_from({"window": 3})
    plan = make_plan([host("a"), host("b"), host("c")], [], settings, 0)
    course = Course(60.0, [(0.0, 1), (30.0, 2), (45.0, 0)], {}, {}, None)
    text = plan_text(plan, forecast_of(course), {}, columns=64)
    assert text[2].startswith("in flight " + "▄" * 20 + "█" * 10 + " " * 10 + "  most 2")
    assert text[3] == "          0" + " " * 35 + "60 s"


def test_a_plan_without_hosts_says_why() -> None:
    plan = make_plan([], [], settings_from({}), 0)
    course = simulate(plan, settings_from({}), lambda _host: Fate(HALF))
    refused = {"\x1b[2Jweb1": Reason("LOCKDOWN", "locked\ndown", "do\x07 this")}
    for lines in (plan_text(plan, forecast_of(course), refused), plan_text(None, None, refused)):
        assert lines == ["no host will be rebooted", "", "1 not rebooted, LOCKDOWN", "  do this", "  web1  locked down"]


def test_what_is_owed_although_all_are_done_can_be_paid_by_a_resume() -> None:
    story = [started(["a"]), *way("a"), events.HostOwes(host="a", debt="panic", reason=PANIC).as_record()]
    lines = summary(RunState.from_records(story), None, JOURNAL)
    assert lines[0] == "night: 1 of 1 host done, 1 owed"
    assert "1 owed, PANIC_OWED" in lines and lines[-1] == "go on by  resume: night"
    assert not any(line.startswith("left") for line in lines)
