# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen of a rollout, on a terminal and in a log."""

from __future__ import annotations

import copy
import time
import tracemalloc
from collections.abc import Sequence
from random import Random

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason, reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import events
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.events import Record
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_state import RunState
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.plan import make_plan
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.settings import settings_from
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.simulation import Fate
from ansible_collections.fleet.kexec.plugins.plugin_utils._text import ASCII

from ..courses import Timed, begun, rollout, terms
from ..fleets import PREDICTION, host
from ..stories import BLOCKED, LOST, UNPROVEN, compared, hook, night, unproven, way
from .shown import Shown, live, plain
from .terminal import Terminal

SPENT = reason("FAILURE_BUDGET_SPENT", "1 host failed, and 0 are put up with: web3")


def web(first: int, last: int) -> list[str]:
    return ["web%d" % number for number in range(first, last + 1)]


def night_out() -> list[Timed]:
    """A rollout in its middle: of everything one, and 104 s in."""
    first = begun([("canary", web(1, 1), 60.0), ("wave 1", web(2, 100), 0.0)])
    timed: list[Timed] = [(0.0, first), (0.0, terms(5, failure_budget=2))]
    steps = [0.0, 2.0, 2.0, 2.5, 2.5, 2.6, 2.8, 4.0, 14.0, 15.0, 16.0, 16.0, 16.5]
    timed += zip(steps, way("web1"), strict=True)
    for number, (name, begin_s, until) in enumerate(
        (
            ("web2", 77.0, 13),
            ("web3", 77.0, 8),
            ("web4", 77.5, 9),
            ("web5", 78.0, 6),
            ("web6", 96.0, 3),
            ("web7", 96.0, 2),
            ("web8", 97.0, 1),
        )
    ):
        timed += [(begin_s + step_s + number / 100, record) for step_s, record in zip(steps, way(name), strict=False)][:until]
    timed.append((97.5, events.HostRefused(host="web9", reason=BLOCKED).as_record()))
    timed.append((103.0, events.HostFailed(host="web5", reason=LOST, down=True, phase="intent").as_record()))
    timed.sort(key=lambda each: each[0])
    return timed


def show(view: Shown, timed: Sequence[Timed], every_s: float = 0.5) -> None:
    """As the conductor does: records when they are written, and ticks between them."""
    now = 0.0
    for at, record in timed:
        while now + every_s < at:
            now += every_s
            view.tick(now)
        view.record(record, at)


MIDDLE = """\
20261124T150000Z-5f0c: 100 hosts in 2 waves
canary (1 of 2) begins: 1 host
✓ web1    kexec  8.4 s
canary is over, soaking for 60 s
wave 1 (2 of 2) begins: 99 hosts
✓ web2    kexec  8.4 s
- web9    refused, LOCKDOWN: the kernel is locked down
✗ web5    down, REBOOT_TIMEOUT: web2 did not come back within 300 s
20261124T150000Z-5f0c  wave 1 (2 of 2)                0:01:54, about 9m12s left
2 of 100 done  1 failed of 2 allowed  3 of 5 in flight  93 to go  1 down
  HOST  PHASE            FOR  OUTAGE OF PREDICTED
  web3  down            33 s  ████████████  34 s of 20 s
  web4  answering       22 s  █████░░░░░░░  8.4 s of 20 s
  web6  draining        16 s
  web7  ready           16 s
  web8  preparing       17 s
waiting: of rack r7 2 may be unavailable"""


LIMIT = reason("WAITING", "of rack r7 2 may be unavailable")
PREDICTIONS = dict.fromkeys(web(1, 200), PREDICTION)


def test_a_rollout_in_its_middle() -> None:
    terminal = Terminal()
    view = live(terminal, predictions=PREDICTIONS)
    show(view, night_out())
    view.tick(114.0, LIMIT)
    assert terminal.screen() == MIDDLE
    assert not terminal.colours


def test_colours_only_repeat_what_is_in_words() -> None:
    terminal = Terminal()
    view = live(terminal, predictions=PREDICTIONS, colour=True)
    show(view, night_out())
    view.tick(114.0, LIMIT)
    assert terminal.screen() == MIDDLE
    assert terminal.colours


def test_terminals_without_unicode() -> None:
    terminal = Terminal(60, 12)
    view = live(terminal, predictions=PREDICTIONS, glyphs=ASCII)
    show(view, night_out())
    view.tick(160.0)
    assert terminal.everything().isascii()
    assert (
        terminal.screen()
        == """\
+ web2    kexec  8.4 s
- web9    refused, LOCKDOWN: the kernel is locked down
x web5    down, REBOOT_TIMEOUT: web2 did not come back wit~
20261124T150000Z-5f0c             0:02:40, about 9m12s left
2 of 100 done  1 failed of 2 allowed  3 of 5 in flight
  HOST  PHASE            FOR  OUTAGE OF PREDICTED
! web3  down            79 s  ############  80 s of 20 s, ~
  web4  answering       68 s  #####.......  8.4 s of 20 s
  web6  draining        62 s
  web7  ready           62 s
  web8  preparing       63 s"""
    )


def test_a_soak_is_counted_down() -> None:
    terminal = Terminal()
    view = live(terminal, predictions=PREDICTIONS)
    show(view, night_out()[:15])
    for now, left in ((20.0, "56 s"), (70.0, "6.5 s")):
        view.tick(now, LIMIT)
        assert terminal.screen().endswith("\nwaiting: canary is over; wave 1 begins in " + left)


def test_a_full_window_is_named() -> None:
    terminal = Terminal()
    view = live(terminal, predictions=PREDICTIONS)
    show(view, [(0.0, begun([("wave 1", web(1, 3), 0.0)])), (0.0, terms(1)), *((1.0, record) for record in way("web1")[:7])])
    view.tick(2.0, LIMIT)
    assert terminal.screen().endswith("\nwaiting: the window of 1 host is full")


def test_a_stop_is_written_and_stays_in_sight() -> None:
    terminal = Terminal(100)
    view = live(terminal, predictions=PREDICTIONS)
    show(view, night_out())
    view.record(events.RunStopping(reason=SPENT).as_record(), 104.0)
    view.record(events.HostUnstaged(host="web7", ok=True).as_record(), 104.0)
    view.record(events.HostUndrained(host="web6", ok=True).as_record(), 104.0)
    view.record(events.HostUnstaged(host="web6", ok=False).as_record(), 104.0)
    view.tick(105.0, SPENT)
    rows = terminal.screen().split("\n")
    assert rows[8:11] == [
        "! stopping: FAILURE_BUDGET_SPENT: 1 host failed, and 0 are put up with: web3",
        "- web7    not rebooted",
        "- web6    not rebooted; its image could not be unloaded",
    ]
    assert rows[-1] == "! stopping: FAILURE_BUDGET_SPENT"
    assert "2 of 5 in flight  92 to go  1 down  1 refused  2 not rebooted" in terminal.screen()


def test_after_the_end_only_what_is_written_for_good_is_there() -> None:
    terminal = Terminal()
    view = live(terminal, predictions=PREDICTIONS)
    show(view, night_out())
    view.tick(104.0)
    view.record(events.HostReleased(host="web3", duration_ms=1).as_record(), 105.0)
    view.record(events.RunEnded(counts={}, duration_ms=1).as_record(), 105.0)
    view.close()
    terminal.write("the next line")
    assert terminal.screen().split("\n") == [*MIDDLE.split("\n")[:8], "✓ web3    rebooted", "the next line"]


def test_a_host_beyond_its_p95_is_marked() -> None:
    terminal = Terminal()
    view = live(terminal, predictions=PREDICTIONS)
    timed = [(0.0, record) for record in (begun([("wave 1", web(1, 2), 0.0)]), terms(1), *way("web1")[:8])]
    show(view, timed)
    view.tick(49.0)
    assert terminal.screen().split("\n")[-2] == "  web1  down            49 s  ████████████  49 s of 20 s"
    view.tick(51.0)
    assert terminal.screen().split("\n")[-2] == "! web1  down            51 s  ████████████  51 s of 20 s, p95 is 50 s"
    for record in way("web1")[8:]:
        if record["event"] == "host_back":
            record["outage_ms"] = 51_000
        view.record(record, 52.0)
    view.close()
    assert "✓ web1  kexec  51 s  ! p95 is 50 s" in terminal.screen()


@pytest.mark.parametrize("lines", [24, 12, 7, 5, 4, 3, 2, 1])
@pytest.mark.parametrize("columns", [80, 40, 12, 2, 1])
def test_it_fits_whatever_the_size(columns: int, lines: int) -> None:
    # The terminal itself fails the test if its last column is written to.
    terminal = Terminal(columns, lines)
    view = live(terminal, predictions=PREDICTIONS)
    show(view, night_out())
    view.tick(114.0)
    assert len(terminal.rows) <= lines
    if columns == 80 and lines > 1:
        assert "2 of 100 done" in terminal.screen()
        hosts = {24: 5, 12: 5, 7: 3, 5: 1}.get(lines)
        if hosts == 1:
            assert "  … and 4 more" in terminal.screen()
        elif hosts == 3:
            assert "web4" in terminal.screen()
            assert "  … and 2 more" in terminal.screen()


def test_what_scrolled_away_is_there_once_also_when_the_height_changes() -> None:
    random = Random(7)
    terminal = Terminal()
    view = live(terminal, predictions=PREDICTIONS)
    settings = settings_from({"window": 30})
    plan = make_plan([host(name) for name in web(1, 200)], [], settings, 0)
    _course, timed = rollout(plan, settings, lambda _host: Fate(PREDICTION.p50))
    now = 0.0
    for at, record in timed:
        while now + 0.5 < at:
            now += 0.5
            if random.random() < 0.3:
                # Narrower it may be too, but not so narrow that names are cut.
                terminal.resize(random.randrange(50, 120), random.randrange(6, 50))
            view.tick(now)
            assert len(terminal.rows) <= terminal.lines
        view.record(record, at)
    view.close()
    ended = [row for row in terminal.everything().split("\n") if row.startswith("✓")]
    assert sorted(row.split()[1] for row in ended) == sorted(web(1, 200))
    # Nothing of the block is left on the screen.
    assert not any(word in terminal.screen() for word in ("to go", "draining", "shutting down"))


def test_when_the_height_shrinks_the_block_does_too() -> None:
    terminal = Terminal()
    view = live(terminal, predictions=PREDICTIONS)
    show(view, night_out())
    view.tick(110.0)
    terminal.resize(80, 6)
    view.tick(114.0)
    # What was above has scrolled away.
    # Within brackets, Python 3.12.1 takes a string for shorter that ends with a line of more than ASCII, and pycodestyle fails.
    expected = """\
20261124T150000Z-5f0c  wave 1 (2 of 2)                0:01:54, about 9m12s left
2 of 100 done  1 failed of 2 allowed  3 of 5 in flight  93 to go  1 down
  web3  down            33 s  ████████████  34 s of 20 s
  web4  answering       22 s  █████░░░░░░░  8.4 s of 20 s
  … and 3 more"""
    assert terminal.screen() == expected
    terminal.resize(80, 24)
    view.tick(116.0)
    assert terminal.screen().count("\n") == 7


def test_hostile_names_and_messages() -> None:
    names = ["\x1b[2J\x1b]0;owned\x07web1", "web\r\n2\x1b[99A", "サーバ" * 20, "\u202eweb4\u2066", "x" * 500]
    bad = Reason("LOST\x1b[31m", "line 1\nline 2\x1b[H\x9b2J " + "y" * 3000, "")
    for columns in (80, 20):
        terminal = Terminal(columns)
        log: list[str] = []
        views: list[Shown] = [live(terminal, predictions=PREDICTIONS), plain(log.append, verbosity=1)]
        first = begun([("wave\x1b[1m 1", names, 0.0)])
        timed = [(float(at), record) for name in names for at, record in enumerate(way(name)[:9])]
        for view in views:
            show(view, [(0.0, first), (0.0, terms(5)), *sorted(timed, key=lambda each: each[0])])
            view.record(hook(names[0], "after\x1b[7m", ok=False), 19.0)
            view.record(events.HostFailed(host=names[1], reason=bad, down=False, phase="back").as_record(), 20.0)
            view.record(events.RunStopping(reason=bad).as_record(), 20.0)
            view.tick(20.0)
        for line in log:
            assert line.endswith("\n")
            assert line[:-1].isprintable()
            assert len(line) < 700
        if columns == 80:
            assert "web1" in terminal.screen()
            assert "line 1 line 2 yyy" in terminal.screen()


def test_nothing_is_written_between_ticks_nor_too_often() -> None:
    terminal = Terminal()
    view = live(terminal, predictions=PREDICTIONS)
    for at, record in night_out():
        view.record(record, at)
    assert not terminal.writes
    for number in range(1000):
        view.tick(110.0 + number / 1000)
    assert 4 <= terminal.writes <= 6


def test_ten_thousand_hosts() -> None:
    settings = settings_from({"window": 2000})
    plan = make_plan([host("web%d" % number) for number in range(10_000)], [], settings, 0)
    random = Random(3)
    _course, timed = rollout(plan, settings, lambda _host: Fate(random.choice((PREDICTION.p50, PREDICTION.p95))))
    terminal = Terminal()
    log: list[str] = []
    on_terminal, in_log = live(terminal, predictions=PREDICTIONS), plain(log.append, predictions=PREDICTIONS)
    begin = time.process_time()
    for at, record in timed:
        on_terminal.record(record, at)
        in_log.record(record, at)
    recorded_s = time.process_time() - begin
    assert len(timed) == 130_002
    # 15 µs each here for both; a bound that only another order of magnitude breaks.
    assert recorded_s / len(timed) < 150e-6
    on_terminal.tick(1e6)
    on_terminal.close()
    assert terminal.everything().count("✓") == 10_000

    terminal = Terminal()
    view = live(terminal, predictions=PREDICTIONS)
    for at, record in timed[: len(timed) // 2]:
        view.record(record, at)
    now = timed[len(timed) // 2][0]
    view.tick(now)
    begin = time.process_time()
    for number in range(1, 11):
        view.tick(now + number)
    assert (time.process_time() - begin) / 10 < 0.2
    assert terminal.screen().count("\n") == 22
    assert "more" in terminal.screen()


def test_hosts_that_ended_take_no_room() -> None:
    hosts = web(1, 2000)
    terminal = Terminal()
    view = live(terminal, predictions=PREDICTIONS)
    view.record(begun([("wave 1", hosts, 0.0)]), 0.0)
    for name in hosts[:100]:
        for record in way(name):
            view.record(record, 1.0)
    view.tick(1.0)
    terminal.scrolled.clear()
    tracemalloc.start()
    for now, name in enumerate(hosts[100:], 2):
        for record in way(name):
            view.record(record, float(now))
        if now % 50 == 0:
            view.tick(float(now))
        terminal.scrolled.clear()
    view.tick(1e6)
    terminal.scrolled.clear()
    shown = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/_console/[!t]*")])
    tracemalloc.stop()
    assert sum(trace.size for trace in shown.traces) / 1900 < 20, "the state has what is to be kept"


PLAIN = """\
0:00:00  20261124T150000Z-5f0c: 100 hosts in 2 waves
0:00:00  canary (1 of 2) begins: 1 host
0:00:02  web1: in flight, predicted outage 20 s
0:00:14  web1: back after 8.4 s
0:00:16  web1: done, kexec  8.4 s
0:00:16  canary is over, soaking for 60 s
0:00:30  1 of 100 done, 0 failed of 2 allowed, 0 of 5 in flight, 99 to go, about 8m29s left; waiting: canary is over; wave 1 begins in 46 s
0:01:00  1 of 100 done, 0 failed of 2 allowed, 0 of 5 in flight, 99 to go, about 7m59s left; waiting: canary is over; wave 1 begins in 16 s
0:01:17  wave 1 (2 of 2) begins: 99 hosts
0:01:19  web2: in flight, predicted outage 20 s
0:01:19  web3: in flight, predicted outage 20 s
0:01:19  web4: in flight, predicted outage 20 s
0:01:20  web5: in flight, predicted outage 20 s
0:01:30  1 of 100 done, 0 failed of 2 allowed, 4 of 5 in flight, 95 to go, about 7m30s left
0:01:31  web2: back after 8.4 s
0:01:31  web4: back after 8.4 s
0:01:33  web2: done, kexec  8.4 s
0:01:37  web9: refused, LOCKDOWN: the kernel is locked down
0:01:38  web6: in flight, predicted outage 20 s
0:01:43  web5: failed and is down, REBOOT_TIMEOUT: web2 did not come back within 300 s
"""  # noqa: E501


def test_a_log() -> None:
    log: list[str] = []
    view = plain(log.append, predictions=PREDICTIONS)
    show(view, night_out())
    assert "".join(log) == PLAIN


def test_a_log_with_every_step() -> None:
    log: list[str] = []
    view = plain(log.append, predictions=PREDICTIONS, verbosity=1)
    for record in (begun([("wave 1", ["web1"], 0.0)]), *way("web1"), events.RunEnded(counts={}, duration_ms=1).as_record()):
        view.record(record, 61.0)
    view.record(hook("web1", "on_failure", ok=False), 61.0)
    assert [line[9:-1] for line in log] == [
        "20261124T150000Z-5f0c: 1 host in 1 wave",
        "wave 1 begins: 1 host",
        "web1: preparing",
        "web1: prepared, kexec in 2.1 s",
        "web1: in flight, predicted outage 20 s",
        "web1: hook lb (before) succeeded in 0.3 s after 2 attempts",
        "web1: drained in 0.3 s",
        "web1: triggering",
        "web1: triggered",
        "web1: down",
        "web1: back after 8.4 s",
        "web1: verified, came via kexec",
        "web1: hook lb (after) succeeded in 0.3 s after 2 attempts",
        "web1: healthy in 0.3 s",
        "web1: done, kexec  8.4 s",
        "ended: 1 of 1 done, 0 failed",
        "web1: hook lb (on_failure) failed in 0.3 s after 2 attempts: out of the pool",
    ]


def test_a_machine_that_came_back_different_is_told_of_in_any_log() -> None:
    gone = dict(compared("web1")["differences"][0], code="NIC_\x1b[31mGONE", subject="eth1")
    different = dict(compared("web1"), differences=[gone, *compared("web1")["differences"]], more=3)
    for verbosity in (0, 1):
        log: list[str] = []
        view = plain(log.append, verbosity=verbosity)
        for record in (begun([("wave 1", ["web1"], 0.0)]), *way("web1")[:10], different):
            view.record(record, 61.0)
        said = "web1: 5 differences: NIC_GONE eth1, COIN_CELL_LOW nvme-SN0815 and 3 more"
        assert log[-1][9:-1] == said
        view.record(dict(different, differences=[], more=0), 61.0)
        assert log[-1][9:-1] == ("web1: no difference" if verbosity else said)
        view.record(dict(different, differences=[], more=0, compared=False), 61.0)
        assert log[-1][9:-1] == "web1: not compared: its machine was not remembered"


def test_a_log_of_a_host_that_came_back_as_something_else() -> None:
    log: list[str] = []
    view = plain(log.append, predictions=PREDICTIONS, verbosity=1)
    failed = events.HostFailed(host="web1", reason=UNPROVEN, down=False, phase="back").as_record()
    for record in (begun([("wave 1", ["web1"], 0.0)]), *way("web1")[:9], unproven("web1"), failed):
        view.record(record, 61.0)
    assert [line[9:-1] for line in log[-2:]] == [
        "web1: came through firmware, not as asked",
        "web1: failed, NOT_PROVEN: " + UNPROVEN.message,
    ]


def test_a_resumed_run_begins_with_what_is_left() -> None:
    terminal = Terminal()
    log: list[str] = []
    state = RunState.from_records(night()[:-3])
    views: list[Shown] = [live(terminal, copy.deepcopy(state)), plain(log.append, state)]
    for view in views:
        view.record(events.RunResumed(controller="admin2", pid=1).as_record(), 1000.0)
        # Other terms than the run began with, which had a window of two hosts.
        view.record(terms(3, failure_budget=4), 1000.0)
        view.tick(1010.0)
    assert log == ["0:00:00  night is resumed: 3 of 7 hosts to go\n"]
    assert (
        terminal.screen()
        == """\
night is resumed: 3 of 7 hosts to go
night  rest (2 of 2)                                                    0:00:10
1 of 7 done  2 failed of 4 allowed  1 of 3 in flight  3 to go  2 down
  HOST  PHASE            FOR  OUTAGE
  web3  down            10 s"""
    )


def test_every_event_can_be_shown() -> None:
    log: list[str] = []
    terminal = Terminal()
    views: list[Shown] = [live(terminal, predictions=PREDICTIONS), plain(log.append, verbosity=1)]
    future: list[Record] = [{"event": "host_blessed", "host": "web1"}, {"event": "run_paused"}]
    for view in views:
        for now, record in enumerate(night() + future):
            view.record(record, float(now))
            view.tick(float(now))
        view.close()
    assert any("web4: could not be undrained" in line for line in log)
