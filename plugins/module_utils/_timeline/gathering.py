# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gather everything that a timeline needs from the host."""

from __future__ import annotations

import os
import time

from .._arch.architectures import own_architecture
from .._command import Runner
from .._host.addresses import read_first_address
from .._host.boot_log import parse_boot_log, parse_message
from .._host.clocks import CounterReader, find_cycle_clock, parse_clock_log, read_kernel_log
from .._host.files import HostFiles
from .._host.kernel import read_running_kernel
from .._host.last_stop import BEGAN, read_last_stop
from .._host.running_system import read_system_id
from .._host.stub_stamps import read_stub_stamps
from .._host.systemd_times import read_manager, read_previous_boot, read_stops, read_units
from .._kexec.proof import Evidence
from .._kexec.record import parse_record
from .._one_boot_args import token_of
from .axis import Now
from .timeline import BootReading


def read_now() -> Now:
    """Read all clocks, as simultaneously as a process can."""
    # These two differ only by the time that the machine slept.
    slept_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    try:
        stamp = CounterReader().stamp()
    except OSError:
        return Now(time.clock_gettime_ns(time.CLOCK_REALTIME), time.clock_gettime_ns(time.CLOCK_MONOTONIC), None)
    return Now(stamp.realtime_ns, stamp.boottime_ns - slept_ns, stamp.cycles)


def gather(files: HostFiles, run: Runner) -> BootReading:
    """Read the host; what can't be read is left out."""
    # Clocks first, before time passes and the host's clock may be set.
    now, clock, counter = read_now(), find_cycle_clock(), own_architecture().counter
    kernel, system = read_running_kernel(files, os.uname().machine), read_system_id(files, run)
    evidence = Evidence(system, kernel.release, kernel.cmdline, kernel.bootloader_type)
    log = list(read_kernel_log(files))
    messages = list(filter(None, map(parse_message, log)))
    stop = read_last_stop(files)
    record = parse_record(stop.staged) if stop and stop.staged else None
    ours = record if record and stop and record.token == stop.token else None
    began = stop.stamps.get(BEGAN) if stop else None
    # The boot goes on after a soft reboot.
    going_on = stop is not None and stop.system.boot_id == system.boot_id and system.userspace_us is not None
    until_ns = now.realtime_ns - now.monotonic_ns + (system.userspace_us or 0) * 1000 if going_on else None
    return BootReading(
        system=system,
        release=kernel.release,
        path=evidence.path,
        token=token_of(kernel.cmdline),
        now=now,
        counter=counter.name if counter else "",
        clock=clock,
        clock_log=parse_clock_log(log, counter),
        boot_log=parse_boot_log(messages),
        messages=messages,
        manager=read_manager(run),
        units=read_units(run),
        address=read_first_address(files),
        stub=read_stub_stamps(files, kernel.machine),
        last_stop=stop,
        old_clock=ours.clock if ours else None,
        copy_ms=ours.copy_ms if ours else None,
        stops=read_stops(run, stop.system.boot_id, began.realtime_ns, until_ns) if stop and began else [],
        previous_boot_id=read_previous_boot(run) if stop else None,
    )
