# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics of runs: valid, documented, and what alerts and dashboards go by."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import events
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_store import RunStore
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.figures import Figures, figures_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.history import HOSTS_ENOUGH, RUNS_MAX, history_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.metrics import as_metrics
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.read import RunReport, run_from_records

from ....promtool import check_metrics
from .. import stories
from .journals import Night, Timed, big, hostile_run, records_of, stamped, write_journal

DOCUMENTATION = (Path(__file__).resolve().parents[5] / "docs/monitoring.md").read_text()
NIGHT: list[Timed] = [(float(at_s), record) for at_s, record in enumerate(stories.night())]


def made(timed: list[Timed]) -> tuple[RunReport, Figures]:
    run = run_from_records(stamped(timed))
    return run, figures_of(run, {})


def lines_of(timed: list[Timed]) -> list[str]:
    return as_metrics(*made(timed)).splitlines()


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """Three runs; the journal of one is damaged."""
    for number, day in enumerate(("22", "23", "24")):
        night = Night(hosts=6, seed=number, run_id="run-" + day, failures=0.3, refusals=0)
        journal = write_journal(tmp_path, records_of(night), started="2026-11-%sT01:58:30.000Z" % day)
        if day == "23":
            journal.write_bytes(journal.read_bytes().replace(b"host_back", b"host_b\xffck"))
    return RunStore(str(tmp_path))


@pytest.mark.parametrize(
    "timed",
    [
        records_of(Night(hosts=40)),
        records_of(Night(hosts=3, failures=0, refusals=0, firmware=0)),
        hostile_run(),
        NIGHT,
        NIGHT[:1],
    ],
    ids=["forty", "three", "hostile", "night", "begun"],
)
def test_metrics_are_valid(timed: list[Timed], store: RunStore) -> None:
    assert check_metrics(as_metrics(*made(timed), history_of(store))) == ""


def test_metrics_of_a_run_without_hosts_are_valid() -> None:
    assert check_metrics(as_metrics(*made([(0.0, stories.started([]))]))) == ""


def test_metrics_of_ten_thousand_hosts_are_valid() -> None:
    assert check_metrics(as_metrics(*made(big(10_000, timelines=0.02)))) == ""


def test_promtool_would_say_something() -> None:
    assert check_metrics("fleet_kexec_x_milliseconds 1\n") != ""
    assert check_metrics('fleet_kexec_x{host="a} 1\n') != ""


def test_the_values_of_metrics() -> None:
    lines = lines_of(NIGHT)
    for line in (
        'fleet_kexec_run_hosts{status="done"} 1',
        'fleet_kexec_run_hosts{status="failed"} 2',
        'fleet_kexec_run_hosts{status="skipped"} 1',
        'fleet_kexec_run_reboots{path="kexec"} 1',
        "fleet_kexec_run_hosts_compared 1",
        'fleet_kexec_run_differences{code="COIN_CELL_LOW",effect="warn"} 1',
        'fleet_kexec_run_reboots{path="firmware"} 1',
        'fleet_kexec_run_problems{status="failed",code="NOT_PROVEN"} 1',
        'fleet_kexec_run_problems{status="refused",code="LOCKDOWN"} 1',
        'fleet_kexec_run_outage_seconds{path="kexec",quantile="0.5"} 8.400',
        'fleet_kexec_run_outage_seconds_count{path="kexec"} 1',
        'fleet_kexec_host_outage_seconds{host="web1",path="kexec"} 8.400',
        "fleet_kexec_run_window 2",
    ):
        assert line in lines, line
    assert not any("saved" in line for line in lines)


def test_a_host_that_failed_and_is_up_is_not_down() -> None:
    # web2 was lost, web7 came back as something else, and db1, which is not rebooted, was seen down.
    lines = lines_of(NIGHT)
    assert 'fleet_kexec_run_hosts{status="failed"} 2' in lines
    assert "fleet_kexec_run_hosts_down 1" in lines
    assert [line for line in lines if line.startswith("fleet_kexec_host_down{")] == ['fleet_kexec_host_down{host="web2"} 1']
    seen = (float(len(NIGHT)), events.HostSeen(host="web2", up=True).as_record())
    assert "fleet_kexec_run_hosts_down 0" in lines_of([*NIGHT, seen])


def test_hosts_that_are_unavailable_at_the_end() -> None:
    # web2 is down, web3 is in flight, web4 is drained, and db1 is down.
    assert "fleet_kexec_run_hosts_unavailable 4" in lines_of(NIGHT)
    assert "fleet_kexec_run_hosts_unavailable 0" in lines_of(records_of(Night(hosts=3, failures=0)))


def test_the_reason_why_a_run_stopped() -> None:
    stopped = [*NIGHT, (float(len(NIGHT)), events.RunStopping(reason=stories.LOST).as_record())]
    assert 'fleet_kexec_run_stop_info{code="REBOOT_TIMEOUT"} 1' in lines_of(stopped)
    assert "fleet_kexec_run_stopped 1" in lines_of(stopped)
    # The resume has cleared it.
    assert not any("stop_info" in line for line in lines_of(NIGHT)) and "fleet_kexec_run_stopped 0" in lines_of(NIGHT)


def test_hosts_whose_reboot_is_still_pending() -> None:
    first, *rest = NIGHT
    at_s = rest[-1][0] + 1
    assert not any("pending" in line for line in lines_of(NIGHT))
    needed = [(at_s, dict(stories.OF_PENDING[0], host=host)) for host in ("web1", "web2", "web5")]
    assert "fleet_kexec_run_hosts_pending 2" in lines_of([first, *rest, *needed])


def test_a_history_of_the_newest_runs_that_can_be_read(store: RunStore) -> None:
    history = history_of(store)
    assert [run.run_id for run in history] == ["run-24", "run-22"]
    lines = as_metrics(*made(NIGHT), history).splitlines()
    for run in history:
        statuses = [line for line in lines if line.startswith('fleet_kexec_history_hosts{run_id="%s"' % run.run_id)]
        assert len(statuses) == 7 and sum(int(line.rpartition(" ")[2]) for line in statuses) == 6
        assert run.ended and not run.stopped and run.outage is not None
        longest = 'fleet_kexec_history_outage_seconds{run_id="%s",percentile="100"} %.3f' % (
            run.run_id,
            run.outage.longest_ms / 1000,
        )
        assert longest in lines
    assert history[0].started_s - history[1].started_s == 2 * 86400 and history[0].duration_s > 0


def test_the_history_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(RUNS_MAX + 2):
        timed = [(0.0, dict(stories.started(["web1", "web2"]), run_id="run-%02d" % number))]
        write_journal(tmp_path, timed, started="2026-11-01T%02d:00:00.000Z" % number)
    runs = [run.run_id for run in history_of(RunStore(str(tmp_path)))]
    assert runs == ["run-%02d" % number for number in range(RUNS_MAX + 1, 1, -1)]
    monkeypatch.setattr(history_of.__module__ + ".HOSTS_ENOUGH", 5)
    assert len(history_of(RunStore(str(tmp_path)))) == 3 < HOSTS_ENOUGH


def test_what_is_written_is_documented(store: RunStore) -> None:
    timed = [*NIGHT, (float(len(NIGHT)), events.RunStopping(reason=stories.LOST).as_record())]
    needed = [(float(len(timed)), stories.OF_PENDING[0])]
    run, _figures = made([*timed, *needed])
    texts = [
        as_metrics(run, figures_of(run, {stories.RELEASE: [1e5], "qemu/" + stories.RELEASE: [1e5]}), history_of(store)),
        as_metrics(*made(records_of(Night(hosts=40)))),
    ]
    written = {name for text in texts for name in re.findall("^# TYPE ([a-z_]+) ", text, re.MULTILINE)}
    rows = re.findall(r"^\| (`fleet_kexec_.*?) \|", DOCUMENTATION, re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}
    of_preflight = {"fleet_kexec_preflight_timestamp_seconds", "fleet_kexec_preflight_hosts", "fleet_kexec_host_reboot_needed"}
    assert written == documented - of_preflight and of_preflight < documented
