# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Runs the night: every guest of the matrix through its scenarios, several at a time, within so many hours.

Results are kept as they come, so that another run goes on where this one ended; a step with a result for the present state of
the checkout is not run again. Started by C(make night), which has installed the collection before.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from ...molecule.lab.lab import console_tail
from .plan import GUESTS, PlanError, Step, allowed_s, in_order, of_fleets, of_guest, state_of, takes_s
from .results import Outcome, Result, append, latest, left, outcome_of, read, summarise, took_s
from .tables import night_section

ROOT = Path(__file__).resolve().parents[2]
#: A guest that is cut off by a signal is removed by the next step's make, at the latest.
KILL_AFTER_S = 30.0
POLL_S = 0.5
CLEAN_TIMEOUT_S = 300.0
#: make's own variables, which would have a make within it take options that are not its own.
_OF_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")


class NightError(Exception):
    """Why the night can't go on."""


def steps_of(root: Path, seed: int, chaos_seeds: int, soak_reboots: int, results: Path) -> list[Step]:
    """All steps of a night.

    :raises PlanError: a guest's file is not as it has to be.
    """
    steps = []
    for path in sorted((root / GUESTS).glob("*.yml")):
        steps += of_guest(path.relative_to(root), yaml.safe_load(path.read_text(encoding="utf-8")) or {}, seed)
    return [*steps, *of_fleets(range(1, chaos_seeds + 1), soak_reboots, str(results / "soak.json"))]


class Night:
    """Steps, the lanes that they are run in, and where their results go.

    :param cache: directory that holds the labs' and Molecule's state.
    :param states: state of each step, by name, as it was when the collection was installed.
    """

    def __init__(self, root: Path, cache: Path, states: dict[str, str], until: float, lanes: int) -> None:
        self._root = root
        self._cache = cache
        self._states = states
        self._until = until
        self._lanes = lanes
        self._labs: queue.SimpleQueue[str] = queue.SimpleQueue()
        for number in range(lanes):
            self._labs.put("fleet-kexec-night-%d" % (number + 1))
        self._results = cache / "night/results.jsonl"
        self._logs = cache / "night/logs"
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._environment = {name: value for name, value in os.environ.items() if name not in _OF_MAKE}

    def run(self, steps: Sequence[Step]) -> None:
        """Run them, those that take both cores once the others have ended.

        :raises NightError: the checkout has changed meanwhile.
        """
        self._logs.mkdir(parents=True, exist_ok=True)
        try:
            with ThreadPoolExecutor(self._lanes) as pool:
                running = [pool.submit(self._step, step) for step in steps if not step.alone]
                try:
                    for each in running:
                        each.result()
                except BaseException:
                    self._over.set()
                    raise
            for step in steps:
                if step.alone:
                    self._step(step)
        finally:
            self._over.set()

    def _step(self, step: Step) -> None:
        allowed = allowed_s(step, self._until - time.monotonic())
        if self._over.is_set() or not allowed:
            return
        self._require_unchanged(step)
        with self._lab() as lab:
            began = time.monotonic()
            _say("begins: %s (%s)" % (step.name, step.about))
            returncode = self._make(step, lab, allowed)
            took = time.monotonic() - began
            if self._over.is_set():
                return
            outcome = outcome_of(returncode, step, allowed)
            details = details_of(self._cache / "molecule" / lab)
            if outcome is not Outcome.PASSED:
                self._keep_consoles(step, lab)
        self._require_unchanged(step)
        ended_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        with self._lock:
            append(self._results, Result(step.name, self._states[step.name], outcome, round(took, 1), ended_at, details))
        _say("%s: %s after %.0f s; %s" % (outcome, step.name, took, self._log(step)))

    def _require_unchanged(self, step: Step) -> None:
        if state_of(self._root, step) != self._states[step.name]:
            self._over.set()
            raise NightError("the checkout has changed since the night began, and its results would be of neither; run it again")

    @contextlib.contextmanager
    def _lab(self) -> Iterator[str]:
        """A lab's name that nobody else has; nothing of the lab is left afterwards."""
        lab = self._labs.get()
        try:
            yield lab
        finally:
            command = ["make", "--no-print-directory", "lab-fresh", "LAB_NAME=" + lab]
            with (self._logs / (lab + ".log")).open("ab") as log, contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run(
                    command, cwd=self._root, env=self._environment, stdout=log, stderr=log, timeout=CLEAN_TIMEOUT_S, check=False
                )
            self._labs.put(lab)

    def _log(self, step: Step) -> Path:
        return self._logs / (step.name + ".log")

    def _make(self, step: Step, lab: str, allowed: float) -> int | None:
        """Run a step's command; its exit code, or None if it had to be ended."""
        # Guests stay until their consoles have been read.
        command = ["make", "--no-print-directory", *step.make, "LAB_NAME=" + lab, "MOLECULE_OPTIONS=--destroy=never"]
        with self._log(step).open("wb") as log:
            process = subprocess.Popen(
                command, cwd=self._root, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + allowed
        while process.poll() is None:
            if self._over.is_set() or time.monotonic() >= end:
                _end(process)
                return None
            time.sleep(POLL_S)
        return process.returncode

    def _keep_consoles(self, step: Step, lab: str) -> None:
        """Add the ends of the guests' consoles to a step's log."""
        run = self._cache / "run" / lab
        with self._log(step).open("a", encoding="utf-8") as log:
            for console in sorted(run.glob("*/console.log")):
                log.write("\n%s\n" % console_tail(console.parent))


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(KILL_AFTER_S)
            return


def details_of(directory: Path) -> dict[str, Any]:
    """What a scenario has kept for the summary in Molecule's directory: all files NAME.night_PART.json, taken together."""
    details: dict[str, Any] = {}
    for path in sorted(directory.glob("*.night_*.json")):
        with contextlib.suppress(ValueError):
            details.update(json.loads(path.read_text(encoding="utf-8")))
    return details


def versions() -> dict[str, str]:
    """What all guests have in common."""
    shown = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"version (\S+)", shown)
    return {"qemu": found[1] if found else "unknown", "cores": str(len(os.sched_getaffinity(0)))}


def _say(text: str) -> None:
    print("%s  %s" % (time.strftime("%H:%M:%S"), text), flush=True)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--hours", type=float, default=8.0)
    parser.add_argument("--lanes", type=int, default=2, help="steps at a time")
    parser.add_argument("--seed", type=int, default=1, help="of the faults that are drawn by lot")
    parser.add_argument("--chaos-seeds", type=int, default=5, help="how many fleets under faults")
    parser.add_argument("--soak", type=int, default=100, help="reboots of the soak")
    parser.add_argument("--only", default="", help="a regular expression: steps to run, by name; the summary has all of them")
    parser.add_argument("--again", action="store_true", help="run steps again that did not pass")
    parser.add_argument("--list", action="store_true", help="show what would be run, and run nothing")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Run what is left of the night, and write its summary."""
    args = parse(arguments)
    directory = args.cache / "night"
    directory.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        steps = steps_of(ROOT, args.seed, args.chaos_seeds, args.soak, directory)
    except PlanError as error:
        print(error, file=sys.stderr)
        return 2
    wanted = [step for step in steps if re.search(args.only, step.name)]
    states = {step.name: state_of(ROOT, step) for step in steps}
    results = read(directory / "results.jsonl")
    took = took_s(results)
    todo = in_order(left(wanted, states, results, again=args.again), took)
    _say("%d of %d steps are left, for at most %.1f h" % (len(todo), len(wanted), takes_s(todo, took, args.lanes) / 3600))
    if args.list:
        for step in todo:
            print("  %-32s %5.0f min at most  %s" % (step.name, step.bound_s / 60, step.about))
        return 0
    rc = 0
    try:
        Night(ROOT, args.cache, states, time.monotonic() + args.hours * 3600, args.lanes).run(todo)
    except NightError as error:
        print(error, file=sys.stderr)
        rc = 2
    except KeyboardInterrupt:
        rc = 130
    results = read(directory / "results.jsonl")
    summary = summarise(steps, states, results, versions())
    (directory / "summary.json").write_text(summary.as_json(), encoding="utf-8")
    (directory / "summary.md").write_text(night_section(summary), encoding="utf-8")
    _say("%s and summary.md beside it" % (directory / "summary.json"))
    known = latest(results)
    ends = [known[step.name, states[step.name]].outcome for step in wanted if (step.name, states[step.name]) in known]
    return rc or int(len(ends) < len(wanted) or any(end is not Outcome.PASSED for end in ends))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
