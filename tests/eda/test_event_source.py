# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""The event source as ansible-rulebook runs it: by its path, in an event loop."""

from __future__ import annotations

import asyncio
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.file import Journal
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_store import RunStore
from ansible_collections.fleet.kexec.tests.unit.plugins.plugin_utils import stories

from .rulebooks import ROOT, TIMEOUT_S

SOURCE = ROOT / "extensions/eda/plugins/event_source/journal.py"


def written(directory: Path) -> str:
    """Journal of a run in a new directory."""
    run = RunStore(str(directory)).new("night", 0.0, lambda count: "0" * 2 * count)
    with Journal(run.journal) as journal:
        journal.append(stories.night())
    return run.journal


def events_of(args: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """The first events that the source tells."""
    main = runpy.run_path(str(SOURCE))["main"]

    async def listen() -> list[dict[str, Any]]:
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(1)

        async def take() -> list[dict[str, Any]]:
            return [await queue.get() for _event in range(count)]

        source = asyncio.create_task(main(queue, {"interval_s": 0.01, "EDA_MODE": "real", **args}))
        taken = asyncio.create_task(take())
        await asyncio.wait({source, taken}, timeout=TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        if source.done():
            taken.cancel()
            source.result()
        source.cancel()
        return taken.result()

    return asyncio.run(listen())


def test_records_are_events(tmp_path: Path) -> None:
    written(tmp_path / "runs")
    night = [record["event"] for record in stories.night() if record["event"] != "host_timeline"]
    events = events_of({"run_directory": str(tmp_path / "runs"), "start": "all"}, len(night))
    assert [event["event"] for event in events] == night
    assert {event["run_id"] for event in events} == {"night"}


def test_only_events_that_are_asked_for(tmp_path: Path) -> None:
    written(tmp_path / "runs")
    args = {"run_directory": str(tmp_path / "runs"), "start": "all", "events": ["host_timeline", "run_ended"]}
    assert [event["event"] for event in events_of(args, 2)] == ["host_timeline", "run_ended"]


def test_the_directory_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    written(tmp_path / "fleet.kexec/runs")
    assert events_of({"start": "all"}, 1)[0]["event"] == "run_started"


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        ({"start": "old"}, "should be new or all"),
        ({"interval_s": 0}, "number of seconds"),
        ({"interval_s": "soon"}, "number of seconds"),
        ({"events": "run_ended"}, "list of names"),
        ({"directory": "/x"}, "no option directory"),
    ],
)
def test_options_that_are_wrong(args: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        events_of(args, 1)


def test_the_options_are_those_that_are_documented() -> None:
    source = runpy.run_path(str(SOURCE))
    documented = yaml.safe_load(source["DOCUMENTATION"])["options"]
    assert set(documented) == source["OPTIONS"]
    page = (ROOT / "docs/eda.md").read_text()
    assert all("`%s`" % name in page for name in documented)


@pytest.mark.parametrize("regular", [False, True])
def test_it_finds_its_collection(regular: bool, tmp_path: Path) -> None:
    installed = tmp_path / "collections/ansible_collections/fleet"
    installed.mkdir(parents=True)
    (installed / "kexec").symlink_to(ROOT)
    # Of the distribution "ansible", whose package is no namespace.
    (tmp_path / "site/ansible_collections/ansible").mkdir(parents=True)
    if regular:
        (tmp_path / "site/ansible_collections/__init__.py").touch()
    path = installed / "kexec" / SOURCE.relative_to(ROOT)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    program = "import runpy, sys; assert runpy.run_path(sys.argv[1])['main']"
    subprocess.run([sys.executable, "-c", program, str(path)], env=environment, check=True)
