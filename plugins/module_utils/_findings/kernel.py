# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings about the new kernel, and an initrd that is none of systemd's, from the kernel's log."""

from __future__ import annotations

import re
from typing import Iterator, List, Optional, Sequence, Tuple

from .._finding_kinds import AT_MOST, MEASURED, MODELLED
from .._host.boot_log import KernelMessage
from .._host.boot_setup import InitrdFile
from .._host.console import printed_length
from .._host.initrd_survey import InitrdSurvey
from .case import Case
from .finding import Clue, Finding
from .spans import Span, last_part

# KERN_WARNING: quiet leaves what is below it on the console.
_QUIET_LEVEL = 4
_BITS_A_BYTE = 10
# Later messages are hardly part of the boot.
_BOOT_US = 60_000_000
# Messages that it takes to tell a console's pace, and the quantile of their paces: on a console that has to be waited for, none
# is followed by the next one sooner than it takes to print.
_LEAST_MESSAGES = 20
_QUANTILE = 0.1
_NAMED_CONSOLE = re.compile(r"(?:printk: )?(?:legacy )?console \[(\w+)\] enabled")

# kernel/smp.c, init/calibrate.c, init/initramfs.c, drivers/base/dd.c.
_SMP_BEGIN = re.compile(r"smp: Bringing up secondary CPUs")
_SMP_END = re.compile(r"smp: Brought up \d+ nodes?, (\d+) CPUs?")
_DELAY_LOOP = re.compile(r"Calibrating delay loop(?!.*skipped)")
_UNPACKING = re.compile(r"Trying to unpack rootfs image as initramfs|Unpacking initramfs")
_UNPACKED = re.compile(r"Freeing initrd memory: (\d+)K")
# The kernel frees whole pages.
_FREED_ERROR_BYTES = 2 * 4096
_DEFERRED = re.compile(r"deferred probe (?:timeout|pending)")
_PARALLEL_SMP = (6, 5)

_SLOW_INITCALL_US = 100_000
# A silence of the log in the initrd that is a wait.
_SILENCE_MS = 1000.0


def serial_console(case: Case) -> Iterator[Finding]:
    """Find time that printing took, from the stamps of the log: a message that had to be waited for delays the next one."""
    setup = case.setup
    messages = [each for each in case.reading.messages if each.at_us < _BOOT_US]
    enabled = next((at for at, each in enumerate(messages) if _names_console(each, setup.console)), None)
    if not setup.baud or not messages or messages[0].sequence != 0 or enabled is None:
        return
    pairs = [(each, after.at_us - each.at_us) for each, after in zip(messages, messages[1:])]
    printed = [(each, gap_us) for each, gap_us in pairs[enabled + 1 :] if each.level < setup.loglevel]
    if len(printed) < _LEAST_MESSAGES:
        return
    paces = sorted(gap_us / printed_length(each.text) for each, gap_us in printed)
    pace_us = min(_BITS_A_BYTE * 1e6 / setup.baud, paces[int(len(paces) * _QUANTILE)])
    spans = [
        _part(case, each.at_us, min(gap_us, pace_us * printed_length(each.text))) for each, gap_us in printed if _spared(each)
    ]
    # All messages before it are printed when the console comes up: before or after it says so, by the kernel's version.
    replayed_us = pace_us * sum(
        printed_length(each.text) for each in messages[:enabled] if each.level < setup.loglevel and _spared(each)
    )
    first_us = messages[max(0, enabled - 1)].at_us
    last_us = messages[enabled + 1].at_us if enabled + 1 < len(messages) else messages[enabled].at_us
    spans.append(_part(case, first_us, min(last_us - first_us, replayed_us)))
    total_ms = sum(end_ms - start_ms for start_ms, end_ms in spans)
    note = "%.0f bytes/s of %d baud" % (1e6 / pace_us if pace_us else 0, setup.baud)
    yield Finding("CONSOLE_SERIAL", spans, spans, MEASURED, [Clue("device", setup.console, total_ms, note)])


def _names_console(message: KernelMessage, name: str) -> bool:
    found = _NAMED_CONSOLE.search(message.text)
    return found is not None and found.group(1) == name


def _spared(message: KernelMessage) -> bool:
    return message.level >= _QUIET_LEVEL


def _part(case: Case, begin_us: int, lasting_us: float) -> Span:
    return Span(case.log_ms(begin_us), case.log_ms(begin_us + lasting_us))


def smp_bringup(case: Case) -> Iterator[Finding]:
    """Find the time that secondary CPUs took to come up, on kernels that start one at a time."""
    found = _between(case.reading.messages, _SMP_BEGIN, _SMP_END)
    numbers = re.match(r"(\d+)\.(\d+)", case.reading.release)
    if found is None or numbers is None or (int(numbers[1]), int(numbers[2])) >= _PARALLEL_SMP:
        return
    span = Span(case.log_ms(found[0].at_us), case.log_ms(found[1].at_us))
    yield Finding("SMP_BRINGUP", [span], None, MODELLED, [_said(found[1], span)])


def delay_calibration(case: Case) -> Iterator[Finding]:
    """Find the time from the beginning of the delay loop's calibration to the next message."""
    messages = case.reading.messages
    for each, after in zip(messages, messages[1:]):
        if _DELAY_LOOP.match(each.text):
            span = Span(case.log_ms(each.at_us), case.log_ms(after.at_us))
            yield Finding("DELAY_CALIBRATION", [span], [span], AT_MOST, [_said(each, span)])
            return


def initrd_unpacking(case: Case) -> Iterator[Finding]:
    """Find the time that unpacking took, and what a slim initrd that is not compressed would have saved of it.

    Since Linux 5.14 other initcalls run meanwhile. So unless there is only one CPU, the time counts from the last message of
    another one.
    """
    messages = case.reading.messages
    found = _between(messages, _UNPACKING, _UNPACKED)
    if found is None:
        return
    begin, end = found
    whole = Span(case.log_ms(begin.at_us), case.log_ms(end.at_us))
    last_us = max((each.at_us for each in messages if begin.at_us <= each.at_us < end.at_us), default=begin.at_us)
    waited = whole if case.setup.cpus == 1 else Span(case.log_ms(last_us), whole.end_ms)
    whole_ms = whole.end_ms - whole.start_ms
    initrd = _unpacked_initrd(case.setup.initrds, end)
    if initrd is None:
        # Of the initrd that was unpacked nothing is known but what the kernel says.
        yield Finding("INITRD_UNPACKING", [waited], None, MODELLED, [_said(end, whole)])
        return
    slim_ms = _slim_ms(initrd.survey, whole_ms) if initrd.survey is not None else None
    saved = [last_part(waited, whole_ms - slim_ms)] if slim_ms is not None and slim_ms < whole_ms else None
    yield Finding("INITRD_UNPACKING", [waited], saved, MODELLED, [Clue("file", initrd.path, whole_ms, _contents(initrd))])


def unpacking_unknown(case: Case) -> Iterator[str]:
    """Say what the kernel's log lacks for the time that unpacking took; nothing where there was no initrd to unpack."""
    messages = case.reading.messages
    began, ended = (any(pattern.search(each.text) for each in messages) for pattern in (_UNPACKING, _UNPACKED))
    if began != ended:
        lacking = "beginning" if ended else "end"
        yield "the kernel's log lacks the %s of unpacking the initrd, so the time that it took is unknown" % lacking


def _unpacked_initrd(initrds: Sequence[InitrdFile], freed: KernelMessage) -> Optional[InitrdFile]:
    """Initrd that was unpacked, by the memory that the kernel freed after it; None if it is none of these."""
    said = _UNPACKED.search(freed.text)
    freed_bytes = int(said[1]) * 1024 if said else 0
    return next((each for each in initrds if abs(freed_bytes - each.size_bytes) <= _FREED_ERROR_BYTES), None)


def _slim_ms(survey: InitrdSurvey, whole_ms: float) -> Optional[float]:
    """Time that unpacking would have taken without decompression, and without modules that nothing here needs.

    The kernel's time divides into decompression and writing as it did when the initrd was surveyed, and writing by size.
    """
    surveyed_ms = survey.unpack_ms + survey.write_ms
    if not survey.unpacked_bytes or not surveyed_ms:
        return None
    return whole_ms * survey.write_ms / surveyed_ms * (1 - survey.unneeded_bytes / survey.unpacked_bytes)


def _contents(initrd: InitrdFile) -> str:
    """Describe an initrd: its size and compression, and what the survey has found in it."""
    note = "%.1f MB, %s" % (initrd.size_bytes / 1e6, initrd.format or "not compressed")
    survey = initrd.survey
    if survey is None:
        return note + "; what is in it was not surveyed since it was made"
    if initrd.format is not None:
        share = 100 * survey.unpack_ms / max(survey.unpack_ms + survey.write_ms, 0.1)
        note += ", %.1f MB unpacked, of which decompression takes %.0f %% of the time" % (survey.unpacked_bytes / 1e6, share)
    unneeded = "%d drivers that nothing here needs, %.1f MB" % (survey.unneeded, survey.unneeded_bytes / 1e6)
    return "%s; %s" % (note, unneeded if survey.unneeded else "no driver that nothing here needs")


def slow_initcalls(case: Case) -> Iterator[Finding]:
    """Find initcalls of the kernel itself that took long; there are none without C(initcall_debug)."""
    kernel = case.outage.phase("kernel")
    slow = []
    for call in case.reading.boot_log.initcalls:
        if call.ended_us is not None and call.duration_us >= _SLOW_INITCALL_US:
            span = Span(case.log_ms(call.ended_us - call.duration_us), case.log_ms(call.ended_us))
            # Later ones, of modules, run beside everything else.
            if kernel and span.end_ms <= kernel.end_ms:
                slow.append((call, span))
    spans = [span for _call, span in slow]
    yield Finding(
        "INITCALL_SLOW", spans, spans, AT_MOST, [Clue("initcall", call.name, call.duration_us / 1e3) for call, _span in slow]
    )


def root_device(case: Case) -> Iterator[Finding]:
    """Find the time that the initrd waited for disks of the root file system, by the kernel's messages that they are there."""
    initrd = case.outage.phase("initrd")
    if initrd is None or not case.setup.root_devices:
        return
    names = "|".join(map(re.escape, case.setup.root_devices))
    # block/partitions/core.c, drivers/scsi/sd.c, drivers/md/raid*.c: "vda: vda1 vda2", "[sda] Attached SCSI disk".
    there = re.compile(r"\s*(?:%s):(?:\s|$)|.*\[(?:%s)\] Attached |md/raid\w+:(?:%s): active" % (names, names, names))
    said = [(each, case.log_ms(each.at_us)) for each in case.reading.messages if there.match(each.text)]
    inner = [(each, at_ms) for each, at_ms in said if initrd.start_ms <= at_ms <= initrd.end_ms]
    if inner and inner[-1][1] - initrd.start_ms >= _SILENCE_MS:
        span = Span(initrd.start_ms, inner[-1][1])
        yield Finding("ROOT_DEVICE", [span], None, MEASURED, [_said(inner[-1][0], span)])


def silent_waits(case: Case) -> Iterator[Finding]:
    """Find waits in the initrd for a device that does not exist: nothing happened, so the log is silent.

    One silence has one reason: the longest is the resume device's, if one is missing, and others a deferred probe's if that ends
    them.
    """
    initrd = case.outage.phase("initrd")
    if initrd is None:
        return
    placed = [(each, case.log_ms(each.at_us)) for each in case.reading.messages]
    inner = [(each, at_ms) for each, at_ms in placed if initrd.start_ms <= at_ms <= initrd.end_ms]
    edges = [(None, initrd.start_ms), *inner, (None, initrd.end_ms)]
    silences: List[Tuple[Span, Optional[KernelMessage]]] = [
        (Span(start_ms, end_ms), message)
        for (_before, start_ms), (message, end_ms) in zip(edges, edges[1:])
        if end_ms - start_ms >= _SILENCE_MS
    ]
    missing = case.setup.resume_missing
    deferred = [(span, message) for span, message in silences if message and _DEFERRED.search(message.text)]
    free = [span for span, message in silences if not (message and _DEFERRED.search(message.text))]
    if missing and free:
        longest = max(free, key=lambda span: span.end_ms - span.start_ms)
        yield Finding(
            "RESUME_DEVICE", [longest], [longest], MODELLED, [Clue("device", missing, longest.end_ms - longest.start_ms)]
        )
    spans = [span for span, _message in deferred]
    yield Finding("DEFERRED_PROBE", spans, spans, MODELLED, [_said(message, span) for span, message in deferred if message])


def _between(
    messages: Sequence[KernelMessage], begins: re.Pattern[str], ends: re.Pattern[str]
) -> Optional[Tuple[KernelMessage, KernelMessage]]:
    begin = next((each for each in messages if begins.search(each.text)), None)
    end = next((each for each in messages if ends.search(each.text)), None)
    return (begin, end) if begin and end and end.at_us >= begin.at_us else None


def _said(message: KernelMessage, span: Span) -> Clue:
    return Clue("message", message.text, span.end_ms - span.start_ms)
