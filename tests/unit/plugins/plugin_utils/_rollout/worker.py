# SPDX-License-Identifier: GPL-3.0-or-later
"""Controllers in processes of their own: a whole rollout in real time, of hosts that outlive them.

The journal, the lock and everything that decides are the real ones. The hosts are simulated, and what happens to them
is in a file that all processes append to: it is what a host goes on from when another controller asks it, and it is
how a test counts from outside.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError
from ansible_collections.fleet.kexec.plugins.plugin_utils._console.plain import PlainView
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.request import RebootRequest
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout import run as rolling
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout import slots_desk
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.arguments import rolling_argument_spec
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.controller import Controller
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.fleet import PlayFleet
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.process import Orphaned
from ansible_collections.fleet.kexec.plugins.plugin_utils._text import ASCII

from ..simulated import Host, Network
from .inventory import Inventory

_FORK = multiprocessing.get_context("fork")

SHUTDOWN_S, OUTAGE_S = 0.05, 0.6
POLL_S = 0.02
# What a host is after all that happened to it.
KEPT = (
    "boot_id",
    "release",
    "bootloader_type",
    "panic",
    "boots_so_far",
    "staged",
    "down_at",
    "up_at",
    "token_on_line",
    "verb",
)


NEED = {"code": "PENDING_KERNEL", "message": "the default entry boots 2, 1 runs", "hint": "Reboot the host.", "method": "kexec"}


# --- the test's end ----------------------------------------------------------------------


@dataclass(frozen=True)
class Outage:
    """A reboot, by the clock that all processes share.

    :ivar heard_at: when the host was told.
    """

    host: str
    heard_at: float
    up_at: float
    pid: int

    @property
    def lasts(self) -> bool:
        """Whether the host is not back yet."""
        return time.monotonic() < self.up_at


class Worker:
    """A rollout that runs elsewhere: in a fork of this process, as Ansible's do.

    :param options: of M(fleet.kexec.rolling_reboot).
    :param with_parent: run by a child of a process of its own, which can be killed by itself: the playbook.
    :ivar pid: of the one that was started here.
    """

    def __init__(self, world: Path, hosts: Sequence[str], options: Mapping[str, Any], *, with_parent: bool = False) -> None:
        self.world = world
        self.hosts = list(hosts)
        self.options = {"run_directory": str(world / "runs"), **options}
        self._result, result = _FORK.Pipe(duplex=False)
        self._process = _FORK.Process(target=_live, args=(world, self.hosts, self.options, with_parent, result))
        self._process.start()
        # So that it is at an end when the process is.
        result.close()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def run_id(self) -> str:
        """Of its run."""
        return str(self.options.get("run_id") or self.options["resume"])

    @property
    def child(self) -> int:
        """Of a process that has one, its pid."""
        return int(Path("/proc/%d/task/%d/children" % (self.pid, self.pid)).read_text())

    def wait(self, timeout_s: float) -> dict[str, Any]:
        """What the task returns."""
        assert self._result.poll(timeout_s), "run %s does not end" % self.run_id
        return dict(json.loads(self._result.recv_bytes()))

    def kill(self) -> None:
        """It alone."""
        self._process.kill()
        self._process.join()

    def end(self) -> None:
        """By force, with all that it started; it may be stopped."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.join()
        self._result.close()

    def journal(self) -> list[dict[str, Any]]:
        """What its run's journal says so far."""
        try:
            text = (self.world / "runs" / self.run_id / "journal.jsonl").read_text()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def happened(world: Path) -> list[dict[str, Any]]:
    """All that happened to the hosts so far."""
    try:
        text = (world / "hosts.jsonl").read_text()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def outages(world: Path, hosts: Sequence[str] | None = None) -> list[Outage]:
    """The reboots so far, of all hosts or some."""
    return [
        Outage(each["host"], each["at"], each["up_at"], each["pid"])
        for each in happened(world)
        if each["what"] == "trigger" and (hosts is None or each["host"] in hosts)
    ]


def staged(world: Path, hosts: Sequence[str]) -> list[str]:
    """Those of them with an image loaded."""
    last = {each["host"]: each for each in happened(world)}
    return [name for name in hosts if name in last and last[name]["staged"]]


def most_at_once(found: Sequence[Outage]) -> int:
    """How many hosts were out at the same time, at most."""
    changes = sorted([(each.up_at, -1) for each in found] + [(each.heard_at, 1) for each in found])
    most = out = 0
    for _at, change in changes:
        out += change
        most = max(most, out)
    return most


@contextmanager
def ending(workers: list[Worker]) -> Iterator[None]:
    """None is left behind."""
    try:
        yield
    finally:
        for worker in workers:
            worker.end()


# --- the process -------------------------------------------------------------------------


class LastingHost(Host):
    """A host that goes on while no controller looks."""

    def __init__(self, world: Path, name: str) -> None:
        super().__init__(name)
        self._world = world
        self.shutdown_s, self.outage_s = SHUTDOWN_S, OUTAGE_S
        self.module_s = self.command_s = 0.0
        # Hosts that need no reboot are called so.
        self.needs = [] if name.startswith("current") else [NEED]
        for each in happened(world):
            if each["host"] == name:
                vars(self).update({field: each[field] for field in KEPT})
        self.panic = (self.panic[0], self.panic[1])

    def _keep(self, what: str) -> None:
        record = {"at": self.now, "pid": os.getpid(), "host": self.name, "what": what}
        line = json.dumps({**record, **{field: getattr(self, field) for field in KEPT}}) + "\n"
        descriptor = os.open(self._world / "hosts.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        # One write: other processes append, too, and this one may be killed.
        os.write(descriptor, line.encode())
        os.close(descriptor)

    async def module(self, name: str, args: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        result = await super().module(name, args, timeout_s)
        self._keep(name)
        return result

    def _answer(self, script: str, args: Sequence[str], become: bool) -> CommandResult | None:
        was_due = self.down_at
        answer = super()._answer(script, args, become)
        if self.down_at not in (was_due, float("inf")):
            self._keep("trigger")
        elif answer is not None:
            self._keep("command")
        return answer


async def roll(world: Path, names: Sequence[str], options: Mapping[str, Any]) -> dict[str, Any]:
    """One rollout."""
    checked = ArgumentSpecValidator(rolling_argument_spec()).validate(dict(options))
    assert not checked.error_messages, checked.error_messages
    hosts = {name: LastingHost(world, name) for name in names}
    controller = Controller(
        warn=lambda text: None,
        name="controller %d" % os.getpid(),
        own_boot_id="mine",
        random=lambda count: os.urandom(count).hex(),
        say=lambda line: None,
        progress=lambda host, text: None,
        columns=80,
        glyphs=ASCII,
        view=lambda state, predictions: PlainView(lambda text: None, state, glyphs=ASCII, predictions=predictions),
    )

    @asynccontextmanager
    async def network() -> Any:
        simulated: Any = Network(*hosts.values())
        yield rolling.Probers(simulated, simulated)

    # What is simulated: connections and probes. And who waits for a slot does not wait for seconds.
    PlayFleet.session = lambda self, name, *, urgent=True: hosts[name]  # type: ignore[method-assign]
    PlayFleet._controller_session = lambda self: next(iter(hosts.values()))  # type: ignore[method-assign]
    rolling._probers = network
    slots_desk.POLL_S = 0.2
    rollout = rolling.Rolling(
        options=checked.validated_parameters,
        raw={},
        hosts=Inventory({name: {} for name in names}),  # type: ignore[arg-type]  # as much of it as there is
        names=names,
        unavailable=[],
        request=RebootRequest(
            method="kexec", reboot_timeout_s=60.0, test_command="", message="m", only=checked.validated_parameters["only"]
        ),
        controller=controller,
    )
    try:
        return await rollout.run()
    except CodedError as error:
        return {**error.as_result(), "failed": True}
    except Orphaned:
        return {"failed": True, "code": "ORPHANED"}


def _live(world: Path, names: Sequence[str], options: Mapping[str, Any], with_parent: bool, result: Connection) -> None:
    os.setsid()
    if with_parent:
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            os._exit(0)
    result.send_bytes(json.dumps(asyncio.run(roll(world, names, options))).encode())
    os._exit(0)
