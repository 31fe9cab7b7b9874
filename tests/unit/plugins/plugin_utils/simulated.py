# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated hosts and the network between: what sessions and probes see of them, in the event loop's time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.running_system import SystemId
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.trigger import CALL_OFF, GOING_DOWN_RC, IMAGE_STAYS_RC, TRIGGER
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.command import HOST_SCRIPT
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot import scripts
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.observation import Observation
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.session import SessionLost
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.sshd import SockAddr, Sshd
from ansible_collections.fleet.kexec.tests.host_facts import whole_facts

from .machines import Machine

TOKEN = "ab" * 8
STAGED = {
    "kernel": "/boot/vmlinuz-2",
    "initrd": "/boot/initrd-2",
    "release": "2",
    "cmdline": "ro",
    "loader": "kexec_load",
    "token": TOKEN,
}


# Calls of a session: a module by its name, a script by one of these, and what hooks and tests run by its last argument.
SCRIPTS = {
    TRIGGER: "trigger",
    CALL_OFF: "call off",
    scripts.STATE: "state",
    scripts.CLOCK: "clock",
    scripts.RESTORE_PANIC: "restore panic",
    scripts.TRIGGER_LOG: "trigger log",
}


class Host:
    """A host, as its session sees it."""

    #: Parts of prepare_boot, as boot_facts tells them; None for an earlier version, which does not.
    prepared: dict[str, Any] | None = None

    def __init__(self, name: str = "host") -> None:
        self.name = name
        self.boot_id, self.release, self.bootloader_type, self.panic = "old-" + name, "1", 114, ("0", "0")
        # Soft ones count, too; the second number has those since the kernel booted.
        self.boots_so_far = self.soft_reboots = 0
        # Fact that says whether it can reboot softly.
        self.soft: dict[str, Any] = {"blockers": [], "warnings": []}
        self.staged: dict[str, Any] | None = None
        self.stage_error: dict[str, Any] | None = None
        self.blockers: list[dict[str, str]] = []
        self.refuses = False
        # Why it needs a reboot, each with the least method that does away with it.
        self.needs: list[dict[str, str]] = []
        # Other facts that it has.
        self.facts: dict[str, Any] = {}
        self.facts_error: dict[str, Any] | None = None
        # Answers of modules, by their short names, in place of what they would be.
        self.instead: dict[str, dict[str, Any]] = {}
        self.asked: list[dict[str, Any]] = []
        self.environments: list[dict[str, str]] = []
        self.token_on_line = ""
        # What a reboot of this host is like.
        self.shutdown_s, self.outage_s = 1.0, 6.0
        self.comes_back = True
        self.boots = "staged"
        self.hangs = False
        # What ssh says of it, once it has rebooted.
        self.distrusted = ""
        # From when to when its sshd turns the controller away, and whether probes reach it at all.
        self.penalty = (float("inf"), float("inf"))
        self.probes_reach = True
        # After how many such questions its sshd hears the controller no more, as sshd's PerSourcePenalties have it.
        self.patience = float("inf")
        self.lost_triggers, self.trigger_rc = 0, 0
        self.trigger_fails_later = False
        self.test_failures = 0
        self.down_at = self.up_at = float("inf")
        self.inhibited_s, self.call_off_rc = 0.0, 0
        # Whether kernel.kexec_load_disabled is set, so that nobody unloads an image either.
        self.load_disabled = False
        self.lost_call_offs = 0
        # From when to when after going down some other sshd answers.
        self.glimpse = (0.0, 0.0)
        self.one_boot_args = " panic=10 oops=panic"
        self.abandoned = 0
        self.log: list[str] = []
        self.direct = True
        self.took_s = self.interrupted_at = self.stopped_for_s = 0.0
        self.lost_while_staging = False
        self.verb = ""
        # What hooks and tests answer, by their last argument: exit code and output.
        self.answers: dict[str, tuple[int, str]] = {}
        # Those of them that are answered while it is down, too: they stand for hooks that run on the controller.
        self.beside: set[str] = set()
        # By how much its clock is ahead, and what its timeline is; None: the module fails.
        self.ahead_s = 0.0
        self.timeline: dict[str, Any] | None = {"phases": []}
        self.timeline_s = 0.0
        self.timelines_asked: list[dict[str, Any]] = []
        self.machine = Machine()
        # How long modules and commands take.
        self.module_s, self.command_s = 1.0, 0.2
        # A service on it: whether it is up to begin with, and how long after a boot it is.
        self.serves_before, self.service_lag_s = True, 3.0
        self.booted_at = float("-inf")
        # System that the shared connection leads to.
        self.shared: str | None = None
        # Error that a call raises, by the label of the call: how often, from now on. See CALLS.
        self.raises: dict[str, tuple[Exception, int]] = {}

    # Time passes as in the event loop.

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def up(self) -> bool:
        if self.now >= self.up_at:
            self._boot()
        return not self.down_at <= self.now < self.up_at

    def _boot(self) -> None:
        self.boots_so_far += 1
        self.booted_at = self.up_at
        if self.verb == "soft-reboot" and self.boots == "staged":
            self.soft_reboots += 1
            self.down_at = self.up_at = float("inf")
            return
        self.soft_reboots = 0
        self.boot_id = "new%s-%s" % (self.boots_so_far if self.boots_so_far > 1 else "", self.name)
        self.down_at = self.up_at = float("inf")
        self.token_on_line, self.bootloader_type = "", 114
        if self.boots == "staged" and self.staged and self.verb == "kexec":
            self.release, self.bootloader_type, self.panic = "2", 0xD0, ("10", "1")
            self.token_on_line = self.staged["token"]
        elif self.boots == "somebody's kexec" or (self.boots == "foreign" and self.verb == "kexec"):
            self.release, self.bootloader_type, self.token_on_line = "3", 0xD0, "cd" * 8
        elif self.boots == "linuxboot":
            self.bootloader_type = 0xD0
        self.staged = None

    @property
    def system(self) -> str:
        """Identity of what it runs, as one word."""
        return str(SystemId(self.boot_id, self.soft_reboots))

    @property
    def userspace_us(self) -> int:
        """When its userspace was started."""
        return 2_000_000 + 60_000_000 * self.soft_reboots

    @property
    def seen_up(self) -> bool:
        """Whether some sshd answers."""
        first, last = (self.down_at + seconds for seconds in self.glimpse)
        return self.probes_reach and (self.up or first < self.now < last)

    @property
    def turns_away(self) -> bool:
        """Whether its sshd ends connections without a banner."""
        return self.up and (self.patience <= 0 or self.penalised)

    @property
    def penalised(self) -> bool:
        return self.penalty[0] <= self.now < self.penalty[1]

    @property
    def serves(self) -> bool:
        """Whether its service answers."""
        if not self.up:
            return False
        return self.now >= self.booted_at + self.service_lag_s if self.boots_so_far else self.serves_before

    # The session.

    async def sshd(self) -> Sshd | None:
        return Sshd((2, (self.name, 22)), "SSH-2.0-x") if self.direct and self.up else None

    async def leave(self) -> None:
        self.shared = None

    async def _over_a_connection(self, timeout_s: float) -> None:
        """A shared connection to a system that has gone hangs."""
        if self.up and self.shared is None:
            self.shared = self.system
        if self.shared is not None and (not self.up or self.shared != self.system):
            await asyncio.sleep(timeout_s)
            raise SessionLost("the shared connection leads nowhere")

    def restore(self) -> None:
        self.log.append("restore")

    def _raise(self, call: str) -> None:
        error, times = self.raises.get(call, (None, 0))
        if error is None or times <= 0:
            return
        self.raises[call] = (error, times - 1)
        raise error

    async def module(self, name: str, args: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:  # one answer a module
        await asyncio.sleep(self.module_s)
        self._raise(name.rpartition(".")[2])
        await self._over_a_connection(timeout_s)
        if not self.up:
            raise SessionLost("no answer")
        short = name.rpartition(".")[2]
        if short in self.instead:
            self.log.append("%s is answered" % short)
            return self.instead[short]
        if name == "fleet.kexec.boot_facts":
            self.asked.append(dict(args))
            if self.facts_error:
                return dict(self.facts_error, failed=True)
            boot = {"boot_id": self.boot_id, "soft_reboots": self.soft_reboots, "userspace_us": self.userspace_us}
            boot.update({"prepared": self.prepared} if self.prepared is not None else {})
            facts = whole_facts(
                boot=boot,
                kernel={"release": self.release},
                soft={**self.soft, "possible": not self.soft["blockers"]},
                reboot_needed={"needed": bool(self.needs), "reasons": self.needs},
                staged=self.staged,
                blockers=self.blockers,
                container="lxc" if self.refuses else None,
                **{"verdict": {"release": None}, **self.facts},
            )
            return {"ansible_facts": {"fleet_kexec": facts}}
        if name == "fleet.kexec.machine":
            return self.machine.answer(args, SystemId(self.boot_id, self.soft_reboots), self.boots_so_far)
        if name == "fleet.kexec.timeline":
            self.timelines_asked.append(dict(args["seen"]))
            await asyncio.sleep(self.timeline_s)
            return {"changed": True, "timeline": self.timeline} if self.timeline else {"failed": True, "msg": "no memory"}
        return self._stage(args)

    def _stage(self, args: Mapping[str, Any]) -> dict[str, Any]:
        self.log.append("stage %s" % dict(args))
        if self.lost_while_staging:
            raise SessionLost("timeout")
        if args.get("state") == "unstaged":
            if self.staged and self.load_disabled:
                return {"failed": True, "code": "UNLOAD_DISABLED", "msg": "the image stays loaded"}
            self.staged = None
            return {"changed": True, "staged": None}
        if self.stage_error:
            return dict(self.stage_error, failed=True)
        self.staged = dict(STAGED)
        return {"changed": True, "staged": self.staged}

    async def run(self, script: str, args: Sequence[str], become: bool, timeout_s: float) -> CommandResult:
        if script == HOST_SCRIPT:
            # What follows is the command; the environment of hooks comes first.
            self.environments.append(dict(each.split("=", 1) for each in args[: args.index("--")]))
            args = args[args.index("--") + 1 :]
        await self._over_a_connection(timeout_s)
        hangs = self.hangs and self.up and self.boots_so_far > 0
        label = SCRIPTS.get(script, args[-1] if args else "test")
        # What raises is not carried out.
        error, times = self.raises.get(label, (None, 0))
        refused = (error is not None and times > 0) or (self.up and self.penalised)
        answer = None if refused else self._answer(script, args, become)
        wait_s = 1e9 if hangs else self.command_s
        try:
            await asyncio.sleep(min(wait_s, timeout_s))
        except asyncio.CancelledError:
            self.abandoned += 1
            raise
        self._raise(label)
        if refused:
            raise SessionLost("Not allowed at this time")
        if self.distrusted and self.boots_so_far > 0:
            self.patience -= 1
            raise SessionLost(self.distrusted if self.patience >= 0 else "Connection reset by peer")
        if answer is None or wait_s > timeout_s:
            self.abandoned += 1
            raise SessionLost("no answer")
        return answer

    def _answer(self, script: str, args: Sequence[str], become: bool) -> CommandResult | None:  # noqa: PLR0911, PLR0912  # one answer a script
        assert become is (script not in (scripts.STATE, scripts.CLOCK)), "asking takes no privileges, everything else does"
        if not self.up and not (args and args[-1] in self.beside):
            return None
        if script == TRIGGER:
            if self.lost_triggers:
                self.lost_triggers -= 1
                return None
            self.verb = args[1]
            self.log.append("trigger %s %s" % (args[1], args[2]))
            if args[4] != self.boot_id or args[5] not in ("", str(self.soft_reboots)):
                return CommandResult(1, "", "the host has rebooted already")
            if self.trigger_rc in (0, GOING_DOWN_RC) and not self.trigger_fails_later:
                self.down_at = self.now + float(args[2]) + self.inhibited_s + self.shutdown_s
                self.up_at = self.down_at + self.outage_s if self.comes_back else float("inf")
            return CommandResult(self.trigger_rc, "", "Failed to start transient timer unit")
        if script == scripts.STATE:
            under_way = self.down_at < float("inf")
            lines = [
                "boot_id=" + self.boot_id,
                "release=" + self.release,
                "bootloader_type=%d" % self.bootloader_type,
                "panic_s=" + self.panic[0],
                "panic_on_oops=" + self.panic[1],
                "timer=inactive",
                "preparing=b " + ("true" if under_way else "false"),
                "trigger=" + ("failed" if self.trigger_fails_later else "inactive"),
                "system=running",
                "SoftRebootsCount=%d" % self.soft_reboots,
                "UserspaceTimestampMonotonic=%d" % self.userspace_us,
                "cmdline=ro fleet_kexec.token=%s%s" % (self.token_on_line, self.one_boot_args),
            ]
            return CommandResult(0, "\n".join(lines), "")
        if script == scripts.CLOCK:
            # Asked at the end of the answer's way: all of the round trip is the question's.
            now_ns = round((self.now + self.command_s + self.ahead_s) * 1e9)
            return CommandResult(0, "clock=%d\nclock=%d\n" % (now_ns, now_ns), "")
        if script == CALL_OFF:
            if self.lost_call_offs:
                self.lost_call_offs -= 1
                return None
            self.log.append("call off")
            if self.call_off_rc == 0 and self.staged and self.load_disabled:
                self.down_at, self.up_at = float("inf"), float("inf")
                return CommandResult(IMAGE_STAYS_RC, "", "the image stays loaded")
            if self.call_off_rc == 0:
                self.staged, self.down_at, self.up_at = None, float("inf"), float("inf")
            return CommandResult(self.call_off_rc, "", "")
        if script == scripts.RESTORE_PANIC:
            self.panic = (args[0], args[1])
            return CommandResult(0, "", "")
        if script == scripts.TRIGGER_LOG:
            return CommandResult(0, "Failed to start kexec.target: Access denied", "")
        if args:
            self.log.append("run %s" % " ".join(args))
            rc, said = self.answers.get(args[-1], (0, ""))
            return CommandResult(rc, said, "")
        self.log.append("test")
        self.test_failures -= 1
        return CommandResult(1 if self.test_failures >= 0 else 0, "", "not yet")


class Network:
    """Probes of hosts, in place of the prober."""

    def __init__(self, *hosts: Host) -> None:
        self._hosts = {host.name: host for host in hosts}
        self._probing: dict[Hashable, asyncio.Task[None]] = {}
        # Who is to be probed although a connection is kept.
        self._checks: set[Hashable] = set()

    def watch(
        self,
        key: Hashable,
        sshd: Sshd,
        tell: Callable[[Observation], object],
        *,
        slowed: Callable[[str], object],
        checks_after_s: Sequence[float],
    ) -> None:
        """Watch a host that is up, on a connection that is kept as long as it is."""
        self.forget(key)
        for after_s in checks_after_s:
            asyncio.get_running_loop().call_later(after_s, self._checks.add, key)
        self._probing[key] = asyncio.create_task(self._probe(key, self._hosts[str(sshd.address[1][0])], tell))

    def check(self, key: Hashable) -> None:
        """Probe a host at once."""
        self._checks.add(key)

    def watch_service(
        self, key: Hashable, address: SockAddr, tell: Callable[[Observation], object], converse: object, timeout_s: float
    ) -> None:
        """Probe a service of a host."""
        self.forget(key)
        self._probing[key] = asyncio.create_task(self._probe_service(key, self._hosts[str(address[1][0])], tell))

    def forget(self, key: Hashable) -> None:
        """Stop that."""
        task = self._probing.pop(key, None)
        if task is not None:
            task.cancel()

    async def _probe(self, key: Hashable, host: Host, tell: Callable[[Observation], object]) -> None:
        kept = True
        while True:
            await asyncio.sleep(0.05)
            if kept and host.seen_up and key not in self._checks:
                continue
            self._checks.discard(key)
            kept = host.seen_up and not host.turns_away
            tell(Observation(key, host.now, host.seen_up, host.turns_away))

    async def _probe_service(self, key: Hashable, host: Host, tell: Callable[[Observation], object]) -> None:
        while True:
            await asyncio.sleep(0.04)
            tell(Observation(key, host.now, host.serves))

    @property
    def probing(self) -> int:
        """How much is probed."""
        return len(self._probing)
