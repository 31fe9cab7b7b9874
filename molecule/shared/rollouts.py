# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Playbooks with a rolling reboot, run beside a test that watches their journals and disturbs them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .guests import INVENTORY

DIRECTORY = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
RUNS = DIRECTORY / "runs"
HOOK_LOG = DIRECTORY / "hooks.log"
PLAYBOOK = Path(__file__).resolve().parents[1] / "rolling_reboot/roll.yml"
EVENT_TIMEOUT_S = 400.0
OUTPUT_MAX_CHARS = 4000
JOURNAL_MAX_RECORDS = 20


class Rollout:
    """A run, by its name.

    :param playbook: what runs it.
    :param prefix: a command that runs the playbook's.
    """

    def __init__(self, run_id: str, playbook: Path = PLAYBOOK, prefix: Sequence[str] = ()) -> None:
        self.run_id = run_id
        self._command = [*prefix, "ansible-playbook", "--inventory", str(INVENTORY), str(playbook)]

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start the playbook in a session of its own."""
        argv = [*self._command, *arguments]
        for name, value in {"rolling_reboot_run_directory": RUNS, "hook_log": HOOK_LOG, **variables}.items():
            argv += ["--extra-vars", f"{name}={value}"]
        # A file, because nobody reads while it runs, and its orphans may outlive it.
        with (DIRECTORY / f"{self.run_id}.out").open("a+") as output:
            return subprocess.Popen(argv, start_new_session=True, stdout=output, stderr=subprocess.STDOUT, text=True)

    def begin(self, **variables: str) -> subprocess.Popen[str]:
        """Start the run."""
        return self.start(rolling_reboot_run_id=self.run_id, **variables)

    def resume(self, *arguments: str) -> subprocess.Popen[str]:
        """Go on with it."""
        return self.start(*arguments, rolling_reboot_resume=self.run_id)

    def finish(self, process: subprocess.Popen[str], timeout_s: float = 600.0) -> int:
        """Wait for a playbook's end."""
        try:
            rc = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            self._tell_where_it_hangs()
            raise AssertionError(f"the playbook did not end within {timeout_s} s") from None
        print(self.last_task())
        return rc

    def _tell_where_it_hangs(self) -> None:
        print(self.output()[-OUTPUT_MAX_CHARS:])
        print(*self.journal()[-JOURNAL_MAX_RECORDS:], sep="\n")

    def output(self) -> str:
        """All that its playbooks printed so far."""
        return (DIRECTORY / f"{self.run_id}.out").read_text()

    def last_task(self) -> str:
        """Output of the task that the playbook reached; what follows may be long, such as the consoles of guests."""
        output = self.output()
        return output[max(0, output.rfind("TASK [")) :][:OUTPUT_MAX_CHARS]

    def journal(self) -> list[dict[str, Any]]:
        """What the run's journal says so far."""
        path = RUNS / self.run_id / "journal.jsonl"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def hosts_with(self, event: str) -> set[str]:
        """Hosts that the journal has an event of."""
        return {record["host"] for record in self.journal() if record["event"] == event}

    def wait_for(self, event: str, process: subprocess.Popen[str]) -> None:
        """Wait until the journal has an event."""
        self.wait_until(lambda: any(record["event"] == event for record in self.journal()), event, process)

    def wait_until(self, condition: Callable[[], object], what: str, process: subprocess.Popen[str]) -> None:
        """Wait for something that has to happen before the playbook ends."""
        deadline = time.monotonic() + EVENT_TIMEOUT_S
        while not condition():
            if process.poll() is not None:
                raise AssertionError(f"no {what} before the playbook ended:\n{self.last_task()}")
            assert time.monotonic() < deadline, f"no {what} within {EVENT_TIMEOUT_S} s"
            time.sleep(0.1)

    def goes_without(self, event: str, process: subprocess.Popen[str], for_s: float) -> None:
        """Watch that the playbook runs on, and that its journal has no such event, for so many seconds."""
        end = time.monotonic() + for_s
        while time.monotonic() < end:
            assert process.poll() is None, self.last_task()
            assert not self.hosts_with(event)
            time.sleep(0.1)


def workers_of(process: subprocess.Popen[str]) -> set[int]:
    """The processes that a playbook has begun, each in a session of its own."""
    found: set[int] = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = status.read_text().rpartition(")")[2].split()
            if int(fields[1]) == process.pid:
                found.add(int(status.parent.name))
    return found


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a playbook and the processes that it has begun, none of which can do anything about it."""
    workers = workers_of(process)
    assert workers
    for pid in (process.pid, *workers):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
