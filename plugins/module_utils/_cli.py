# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(fleet-kexec): the modules' functions as a command on the host; see C(_zipapp.py) for its packaging."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import replace
from typing import Callable, Dict, List, Optional, Sequence, TextIO

from ._cli_words import (
    EFFECT_NAMES,
    PATHS,
    describe,
    describe_entry,
    describe_least,
    describe_machine,
    describe_soft,
    describe_verdict,
    pieces,
)
from ._command import Runner, run_command
from ._host.facts import HostFacts, gather
from ._host.files import HostFiles
from ._host.running_system import SystemId, read_system_id
from ._kexec.cmdline import Edits
from ._kexec.errors import KexecError
from ._kexec.facts import present
from ._kexec.least import FIRMWARE, KEXEC, SOFT
from ._kexec.policy import judge
from ._kexec.preferences import CHOICES
from ._kexec.reading import HostReading, read
from ._kexec.requests import BASES, DEFAULT, ENTRY, StagingRequest
from ._kexec.staging import TOKEN_BYTES, Stager, StagingPlan, current_record, make_stager, plan, stage_planned
from ._kexec.subsets import BOOT, REBOOT_NEEDED, VERDICT
from ._kexec.subsets import SOFT as SOFT_SUBSET
from ._kexec.trigger import CALL_OFF, IMAGE_STAYS_RC, MENDED_BY_REBOOT, TRIGGER
from ._kexec.verdict import REFUSE
from ._machine.remembered import MachineError, read_machine, remember
from ._privileges import require_root
from ._reasons import CodedError
from ._text import printable

# argparse itself exits with 2.
EXIT_OK = 0
EXIT_REFUSED = 1

_TRIGGER_TIMEOUT_S = 60.0
# Seconds until the reboot, which leave time for the output.
_DELAY = "1"
_MESSAGE = "Reboot by fleet-kexec"


class ConsoleCommand:
    def __init__(self, files: HostFiles, run: Runner, out: TextIO) -> None:
        self._files = files
        self._run = run
        self._out = out

    def status(self, args: argparse.Namespace) -> None:
        """Show how the host booted, what came back different, what is staged, how it should reboot, and why it needs to."""
        reading = read(self._files, self._run)
        presented = present(reading)
        if args.json:
            self._out.write(json.dumps(presented, indent=1, sort_keys=True) + "\n")
            return
        verdict, staged = presented["verdict"], presented["staged"]
        self._say("booted   %s %s" % (presented["kernel"]["release"], PATHS[presented["boot"]["path"]]))
        self._say("default  %s" % describe_entry(presented["entry"]))
        self._say("staged   %s" % (describe(staged) if staged else "an unknown image" if presented["loaded"] else "nothing"))
        self._say("machine  %s" % describe_machine(presented["machine"]))
        for each in presented["machine"]["differences"]:
            self._say("%-8s %s: %s" % (EFFECT_NAMES[each["effect"]], each["code"], each["message"]))
        self._say("verdict  %s" % (describe_verdict(verdict)))
        for each in presented["blockers"] + verdict["notes"]:
            self._say("         %s: %s" % (each["code"], each["message"]))
        self._say("soft     %s" % describe_soft(presented["soft"]))
        for each in presented["soft"]["blockers"] + presented["soft"]["warnings"]:
            self._say("         %s: %s" % (each["code"], each["message"]))
        self._say("least    %s" % describe_least(reading.least))
        for label, listed in (("warning", presented["warnings"]), ("needed", presented["reboot_needed"]["reasons"])):
            for each in listed:
                self._say("%-8s %s: %s" % (label, each["code"], each["message"]))

    def stage(self, args: argparse.Namespace) -> None:
        require_root()
        facts = gather(self._files, self._run)
        planned = plan(_request(args), facts, self._files)
        record = current_record(self._files)
        if record is not None and record.image == planned.image:
            self._say("staged   %s already" % describe(planned.image.summary()))
            return
        if not args.dry_run:
            planned, record = stage_planned(self._stager(facts), planned, _request(args), facts, self._files)
        self._explain(planned, "would be " if args.dry_run else "")

    def unstage(self, args: argparse.Namespace) -> None:
        """Unload the loaded image, if any."""
        require_root()
        facts = gather(self._files, self._run)
        if args.dry_run:
            self._say("unstaged %s" % ("would be what is loaded" if facts.kernel.loaded or facts.crash_is_ours else "nothing"))
            return
        self._say("unstaged %s" % ("what was loaded" if self._stager(facts).unstage() else "nothing was loaded"))

    def reboot(self, args: argparse.Namespace) -> None:
        """Reboot by the method that is asked for: by default via kexec, into the staged image unless another is asked for."""
        require_root()
        _refuse_image(args)
        reading = read(self._files, self._run, _SUBSETS[args.method])
        method = self._choose_least(reading) if args.method == _LEAST else args.method
        if method is None:
            return
        if method == KEXEC:
            self._reboot_via_kexec(args, reading)
        else:
            self._reboot_without_image(args, reading, method)

    def _choose_least(self, reading: HostReading) -> Optional[str]:
        """Choose the least method that applies what is pending; None if nothing is.

        :raises KexecError: a setting of the host is wrong, so that nobody knows what a kexec is to boot.
        """
        chosen = reading.least
        self._say("least    %s" % describe_least(chosen))
        for need in reading.reboot_needs or ():
            self._say("needed   %s: %s" % (need.reason.code, need.reason.message))
        for each in chosen.ruled_out:
            self._say("         %s: %s" % (each.code, each.message))
        verdict = reading.verdict
        if chosen.method in (KEXEC, FIRMWARE) and verdict.method == REFUSE:
            raise KexecError(verdict.reasons[0].code, "; ".join(each.message for each in verdict.reasons))
        if chosen.method is None:
            self._say("reboot   none: the host stays as it is")
        return chosen.method

    def _reboot_without_image(self, args: argparse.Namespace, reading: HostReading, method: str) -> None:
        if method == SOFT:
            self._require_soft(reading)
        how = "softly, on the running kernel %s" % reading.kernel.release if method == SOFT else "through firmware"
        self._say("reboot   %s%s" % ("would be " if args.dry_run else "", how))
        if args.dry_run:
            return
        # A loaded image would turn the next plain reboot into a kexec, and may be run as services stop.
        try:
            self._stager(gather(self._files, self._run)).unstage()
        except CodedError as error:
            if error.reason.code not in MENDED_BY_REBOOT:
                raise
            self._say("warning  %s: %s" % (error.reason.code, error.reason.message))
        if not args.no_compare:
            remember(self._files, read_machine(self._files, self._run, time.time()))
        self._trigger(os.urandom(TOKEN_BYTES).hex(), _VERBS[method], reading.system, softly=method == SOFT)

    def _require_soft(self, reading: HostReading) -> None:
        """Refuse a soft reboot that is not possible; raises KexecError with the code of the first obstacle."""
        if reading.soft is None:
            raise ValueError("the subset %s was not read" % SOFT_SUBSET)
        verdict = reading.soft[1]
        if not verdict.possible:
            raise KexecError(verdict.blockers[0].code, "; ".join(each.message for each in verdict.blockers))
        for risk in verdict.warnings:
            self._say("warning  %s: %s" % (risk.code, risk.message))

    def _reboot_via_kexec(self, args: argparse.Namespace, reading: HostReading) -> None:
        self._heed_risks(reading)
        facts = gather(self._files, self._run)
        record = current_record(self._files)
        planned = None
        if record is None or _asks(args) or args.method == _LEAST:
            planned = plan(_request(args), facts, self._files)
            # What somebody has staged may be anything, and only the default entry applies what is pending.
            if record is not None and args.method == _LEAST and record.image == planned.image:
                planned = None
        if planned is not None:
            record = None
            if not args.dry_run:
                planned, record = stage_planned(self._stager(facts), planned, _request(args), facts, self._files)
            self._explain(planned, "would be " if args.dry_run else "")
        if record is None:
            return
        self._say("reboot   %sinto %s" % ("would be " if args.dry_run else "", describe(record.image.summary())))
        if not args.dry_run:
            if not args.no_compare:
                self._remember(facts, planned is not None)
            self._trigger(record.token, _VERBS[KEXEC], read_system_id(self._files, self._run))

    def _heed_risks(self, reading: HostReading) -> None:
        """Refuse risks that the host's policy blocks; raises KexecError with the code of the first one."""
        judged = judge(reading.risks, reading.policy)
        if judged.blocked:
            raise KexecError(judged.blocked[0].code, "; ".join(risk.message for risk in judged.blocked))
        for risk in judged.warned:
            self._say("warning  %s: %s" % (risk.code, risk.message))

    def _remember(self, facts: HostFacts, staged_here: bool) -> None:
        """Leave a snapshot of the machine for the next boot; if that fails, unload what this command has staged."""
        try:
            remember(self._files, read_machine(self._files, self._run, time.time()))
        except MachineError:
            if staged_here:
                self._stager(facts).unstage()
            raise

    def _trigger(self, token: str, verb: str, system: SystemId, softly: bool = False) -> None:
        """Have PID 1 reboot the host, by the same scripts as from the controller.

        :param system: that which is to end, with its kernel or (C(softly)) without.
        """
        arguments = [token, verb, _DELAY, _MESSAGE, system.boot_id, str(system.soft_reboots) if softly else ""]
        result = self._run(["/bin/sh", "-c", TRIGGER, "fleet-kexec", *arguments], _TRIGGER_TIMEOUT_S)
        if result.rc == 0:
            return
        undone = self._run(["/bin/sh", "-c", CALL_OFF, "fleet-kexec", token], _TRIGGER_TIMEOUT_S)
        said = "the reboot could not be triggered: %s" % result.last_words()
        if undone.rc == IMAGE_STAYS_RC:
            raise CodedError("UNLOAD_DISABLED", "%s; %s" % (said, undone.last_words()))
        if undone.rc != 0:
            said += "; it could not be called off either, so an image may be loaded: %s" % undone.last_words()
        raise CodedError("TRIGGER_FAILED", said)

    def _stager(self, facts: HostFacts) -> Stager:
        return make_stager(self._files, facts, self._run)

    def _explain(self, planned: StagingPlan, mood: str) -> None:
        self._say("staged   %s%s" % (mood, describe(planned.image.summary())))
        self._say("jump     about %d ms: %s" % (planned.choice.total_ms, pieces(planned.choice.predicted_ms)))
        for note in planned.notes:
            self._say("         %s: %s" % (note.code, note.message))

    def _say(self, line: str) -> None:
        """Write a line, on which a name from the host can't act on the terminal."""
        self._out.write(printable(line) + "\n")


# Choice of a method by what is pending.
_LEAST = "least"
# Subsets of the facts that a reboot depends on, by the method that is asked for.
_SUBSETS = {
    KEXEC: frozenset((VERDICT,)),
    SOFT: frozenset((BOOT, SOFT_SUBSET)),
    FIRMWARE: frozenset((BOOT,)),
    _LEAST: frozenset((BOOT, REBOOT_NEEDED, SOFT_SUBSET, VERDICT)),
}
# Commands of systemctl.
_VERBS = {KEXEC: "kexec", SOFT: "soft-reboot", FIRMWARE: "reboot"}


def _refuse_image(args: argparse.Namespace) -> None:
    """Refuse a wish for an image where a method boots none, or the default entry's; raises KexecError (SETTINGS_INVALID)."""
    if args.method == SOFT and _asks(args):
        raise KexecError("SETTINGS_INVALID", "a soft reboot keeps the kernel that runs, so no image can be asked for")
    if args.method == FIRMWARE and _asks(args):
        raise KexecError("SETTINGS_INVALID", "firmware starts the bootloader, so no image can be asked for")
    if args.method == _LEAST and _names(args):
        message = "method least applies what is pending by the default entry, so no other kernel, initrd or line can be asked for"
        raise KexecError("SETTINGS_INVALID", message)


def _names(args: argparse.Namespace) -> bool:
    """Whether a kernel, an initrd or a command line is asked for, and not only how to load what belongs to the default entry."""
    return replace(_request(args), preferences={}) != StagingRequest()


def _asks(args: argparse.Namespace) -> bool:
    return args.kernel is not None or _request(args) != StagingRequest(preferences=dict.fromkeys((*CHOICES, "kaslr")))


def _request(args: argparse.Namespace) -> StagingRequest:
    return StagingRequest(
        kernel=args.kernel or DEFAULT,
        initrd=args.initrd,
        base=args.base,
        edits=Edits(args.cmdline, tuple(args.remove), tuple(args.append)),
        preferences=dict(
            {name: getattr(args, name) for name in CHOICES}, kaslr=None if args.kaslr is None else args.kaslr == "yes"
        ),
    )


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="fleet-kexec", description="Reboot this host via kexec or otherwise, as the collection fleet.kexec does."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.required = True

    image = argparse.ArgumentParser(add_help=False)
    image.add_argument("--kernel", help="default (of the bootloader), newest, running, a release, or a path")
    image.add_argument("--initrd", help="a path, or none; those that belong to the kernel are the default")
    image.add_argument("--base", choices=BASES, default=ENTRY, help="start from the line of the default entry or the running one")
    image.add_argument("--cmdline", metavar="LINE", help="start from this line instead")
    image.add_argument("--remove", action="append", default=[], metavar="ARG", help="take an argument out; repeatable")
    image.add_argument("--append", action="append", default=[], metavar="ARG", help="add an argument; repeatable")
    for name, choices in CHOICES.items():
        image.add_argument("--" + name, choices=choices, help="the host's own by default (/etc/fleet-kexec.conf)")
    image.add_argument("--kaslr", choices=("yes", "no"), help="whether the kernel may lie at a random address")
    image.add_argument("--dry-run", action="store_true", help="say what would be done")

    status = commands.add_parser("status", help="how the host booted, what is staged, how it should reboot")
    status.add_argument("--json", action="store_true", help="all that boot_facts tells")
    commands.add_parser("stage", parents=[image], help="load a kernel for the next kexec")
    unstage = commands.add_parser("unstage", help="unload whatever is loaded")
    unstage.add_argument("--dry-run", action="store_true", help="say what would be done")
    reboot = commands.add_parser(
        "reboot",
        parents=[image],
        help="reboot via kexec into what is staged, or what is asked for, or by another method",
    )
    reboot.add_argument(
        "--method",
        choices=(_LEAST, KEXEC, SOFT, FIRMWARE),
        default=KEXEC,
        help="soft restarts userspace on the running kernel; least is the least of the others that applies what is pending, "
        "or no reboot if nothing is; default: kexec",
    )
    reboot.add_argument(
        "--no-compare", action="store_true", help="leave no snapshot of the machine to compare the next boot with"
    )
    return parser.parse_args(arguments)


def main(arguments: Optional[List[str]] = None) -> int:
    """Run a command and return its exit code."""
    args = parse(sys.argv[1:] if arguments is None else arguments)
    command = ConsoleCommand(HostFiles(), run_command, sys.stdout)
    actions: Dict[str, Callable[[argparse.Namespace], None]] = {
        "status": command.status,
        "stage": command.stage,
        "unstage": command.unstage,
        "reboot": command.reboot,
    }
    try:
        actions[args.command](args)
    except CodedError as error:
        sys.stderr.write("fleet-kexec: %s: %s\n%s\n" % (error.reason.code, error.reason.message, error.reason.hint))
        return EXIT_REFUSED
    return EXIT_OK
