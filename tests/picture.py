# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Makes the README's picture of a report and the recording of a live view anew: `make picture`.

Both are of the same rolling reboot of 300 hosts that is simulated, and say so. It is the same one every time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from ansible_collections.fleet.kexec.plugins.plugin_utils._console.live import LiveView
from ansible_collections.fleet.kexec.plugins.plugin_utils._console.summary import summary
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_state import RunState
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_store import RunStore
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.options import ReportRequest
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.report import make_report
from ansible_collections.fleet.kexec.tests.recording import Written, as_cast, as_svg
from ansible_collections.fleet.kexec.tests.unit.plugins.plugin_utils._report.journals import (
    HOST_CLASSES,
    Night,
    Timed,
    prediction_of,
    records_of,
    stamped,
    write_journal,
)

HOSTS = 300
TITLE = "%d simulated hosts" % HOSTS
REASON = "A simulation: no machine was rebooted, and all times are made up"
NIGHT = Night(
    hosts=HOSTS,
    seed=7,
    run_id="simulated",
    settings={"window": "10%", "canaries": {"count": 3, "soak": 30}, "waves": ["10%"]},
    failures=0.01,
    refusals=0.03,
    firmware=0.02,
)
# No machine that can be bought has these times.
SIMULATED_CLASSES = dict(zip(HOST_CLASSES, ("model A", "model B", "model C"), strict=True))

COLUMNS, LINES = 100, 28
SPEED = 20
# Of the run's own time.
TICK_S = 8.0
SHOW_END_S = 6.0
WIDTH = 1280


def simulated() -> list[Timed]:
    timed = records_of(NIGHT)
    for _at_s, record in timed:
        if record["event"] == "run_started":
            record.update(operator="nobody", controller="simulator")
            record["settings"].update(reason=REASON)
        elif record["event"] == "host_prepared":
            record["host_class"] = SIMULATED_CLASSES[record["host_class"]]
    return timed


def recorded() -> list[Written]:
    """Live view of the run, SPEED times as fast as it would be."""
    classes = {name: kind for kind, name in SIMULATED_CLASSES.items()}
    timed = simulated()
    predictions = {
        record["host"]: prediction_of(classes[record["host_class"]])
        for _at_s, record in timed
        if record["event"] == "host_prepared"
    }
    written: list[Written] = []
    state = RunState()
    now_s = 0.0
    view = LiveView(
        lambda text: written.append(Written(now_s / SPEED, text)),
        lambda: (COLUMNS, LINES),
        state,
        colour=True,
        predictions=predictions,
    )
    for (at_s, _record), record in zip(timed, stamped(timed), strict=True):
        while now_s + TICK_S <= at_s:
            now_s += TICK_S
            view.tick(now_s)
        change = state.read(record)
        if change is not None:
            view.show(change, at_s)
    now_s += TICK_S
    view.close()
    said = summary(state, None, "~/.local/state/fleet.kexec/runs/simulated/journal.jsonl", columns=COLUMNS - 1)
    written.append(Written(now_s / SPEED, "".join(line + "\n" for line in said)))
    return written


def photograph(path: Path) -> None:
    """Take the picture of the report's page, down to the chart of the fleet."""
    # Here, because the recording takes no browser, and most environments of the tests have none.
    from ansible_collections.fleet.kexec.tests.browser.chromium import Browser  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as directory:
        write_journal(Path(directory, "runs"), simulated())
        made = make_report(RunStore(str(Path(directory, "runs"))), ReportRequest("latest", None, {}, title=TITLE))
        browser = Browser(Path(directory, "profile"))
        try:
            browser.open(Path(made["html"]), (WIDTH, 900))
            browser.ask("for (const e of document.querySelectorAll('#fleet ~ *')) e.remove()")
            browser.shoot(path)
        finally:
            browser.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("directory", type=Path, help="where report.png, live.cast and live.svg go")
    parser.add_argument("--recording-only", action="store_true", help="needs no browser")
    args = parser.parse_args()
    title = "The live view of a rolling reboot of %s, %d times as fast" % (TITLE, SPEED)
    written = recorded()
    (args.directory / "live.cast").write_text(as_cast(written, COLUMNS, LINES, title), encoding="utf-8")
    end_s = written[-1].at_s + SHOW_END_S
    (args.directory / "live.svg").write_text(as_svg(written, COLUMNS, LINES, title, end_s), encoding="utf-8")
    if not args.recording_only:
        photograph(args.directory / "report.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
