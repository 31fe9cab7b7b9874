# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shorten how long named services may take to stop, by a drop-in each."""

from __future__ import annotations

import os
import re
from typing import List, Mapping

from .._command import Runner
from .._host.files import HostFiles
from .._host.timespans import INFINITY_S, parse_timespan
from .._kexec.host_files import WantedFile
from .._prepare.errors import PrepareError
from .._prepare.record import PreparationRecord
from .._prepare.steps import Step
from .._reasons import Reason
from .steps import Unit, check_service_name, drop_in, idle, read_unit, step_of_files

PART = "stop_timeout"

_NAME = "fleet-kexec-stop-timeout.conf"
_TEXT = """\
# Installed by fleet.kexec. What is left of this service after so long is killed, whenever it is stopped.
[Service]
TimeoutStopSec=%s
"""
_SETTING = re.compile(r"^\s*Timeout(?:Stop)?Sec\s*=", re.MULTILINE)
# A service is at least told to stop, and gets to run.
_LEAST_S = 1.0


def is_ours(path: str) -> bool:
    return os.path.basename(path) == _NAME


def plan(files: HostFiles, run: Runner, record: PreparationRecord, timeouts: Mapping[str, str]) -> Step:
    """Plan the drop-ins; a timeout that is not shorter than the service's own is left out, with a note.

    :param timeouts: time spans by names of services; empty to give back all drop-ins.
    :raises PrepareError: C(UNIT_NAME_INVALID), C(TIMESPAN_INVALID), C(PREPARE_FAILED).
    """
    wished = {name: (span, _seconds(name, span)) for name, span in sorted(timeouts.items())}
    wanted: List[WantedFile] = []
    notes: List[Reason] = []
    for name, (span, seconds) in wished.items():
        unit = read_unit(run, name)
        if not unit.is_loaded:
            notes.append(idle(PART, "there is no %s (%s)" % (name, unit.load_state)))
            continue
        file = drop_in(unit.name, _NAME, _TEXT % span)
        own_s = parse_timespan(unit.stop_timeout)
        later = _later_setting(files, unit)
        if later:
            notes.append(idle(PART, "%s sets the stop timeout of %s, and comes later" % (later, unit.name)))
            continue
        # With the drop-in, systemd tells its timeout.
        if file.path not in record.changes and own_s is not None and own_s <= seconds:
            notes.append(idle(PART, "%s has a stop timeout of %s" % (unit.name, unit.stop_timeout)))
        elif file.path not in [each.path for each in wanted]:
            wanted.append(file)
    return step_of_files(PART, files, record, wanted, is_ours, notes=notes)


def _later_setting(files: HostFiles, unit: Unit) -> str:
    """Drop-in that sets a unit's stop timeout and overrides ours; empty without one."""
    later = (path for path in unit.drop_ins if os.path.basename(path) > _NAME)
    return next((path for path in later if _SETTING.search(files.read_text(path) or "")), "")


def _seconds(name: str, span: str) -> float:
    check_service_name(name)
    seconds = None
    if span.isascii() and span.isprintable():
        # A bare number counts seconds.
        seconds = float(span) if span.isdigit() else parse_timespan(span)
    if seconds is None or not _LEAST_S <= seconds < INFINITY_S:
        raise PrepareError("TIMESPAN_INVALID", "%s can't have a stop timeout of %r, only of 1s or more" % (name, span))
    return seconds
