# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have cloud-init not run any more, on a host that it has set up.

It runs in each boot, before the network and before sshd, to find that its instance is the one of before. What it has set up
stays: network configuration, host keys, users and mounts are files of the host. Where it has work to do in each boot, it is left
on. Sources: cloud-init's documentation (boot stages; how to disable it) and, for what it does in each boot, its modules of the
frequency C(always).
"""

from __future__ import annotations

import re
from typing import Iterator, Optional

from .._command import Runner
from .._host.files import HostFiles
from .._kexec.host_files import WantedFile
from .._prepare.record import PreparationRecord
from .._prepare.steps import Step
from .steps import idle, read_unit, step_of_files

PART = "cloud_init_disabled"

MARKER = "/etc/cloud/cloud-init.disabled"
MARKER_TEXT = "Installed by fleet.kexec. cloud-init has set up this host, and need not run in each boot.\n"

_TARGET = "cloud-init.target"
_INSTANCE = "/var/lib/cloud/instance"
_FINISHED = _INSTANCE + "/boot-finished"
# Programs that it runs in each boot.
_PROGRAMS = ("/var/lib/cloud/scripts/per-boot", _INSTANCE + "/boothooks")
_CONFIG = "/etc/cloud/cloud.cfg"
_CONFIG_DIRECTORY = "/etc/cloud/cloud.cfg.d"
# Data of the user and of the vendor, merged.
_DATA = tuple("%s/%s" % (_INSTANCE, name) for name in ("cloud-config.txt", "vendor-cloud-config.txt", "vendor2-cloud-config.txt"))
# Keys, with a value other than an empty one, of what it does in each boot; and modules that are made to run in each.
_EACH_BOOT = re.compile(
    r"^(bootcmd|chef|disable_ec2_metadata|manage_etc_hosts|updates):"
    r"(?![ \t]*(?:false|off|no|null|~|\[\s*\]|\{\s*\})[ \t]*(?:#.*)?$)",
    re.MULTILINE | re.IGNORECASE,
)
# As people write it, and as cloud-init itself writes merged data.
_ALWAYS = re.compile(
    r"^[ \t]*-[ \t]*(?:"
    r"\[\s*[\"']?([\w-]+)[\"']?\s*,\s*[\"']?always[\"']?\s*[,\]]"
    r"|-[ \t]+[\"']?([\w-]+)[\"']?[ \t]*\r?\n[ \t]+-[ \t]+[\"']?always\b)",
    re.MULTILINE,
)


def is_ours(path: str) -> bool:
    return path == MARKER


def plan(files: HostFiles, run: Runner, record: PreparationRecord, wanted: bool) -> Step:
    """Plan the file that disables it.

    :raises PrepareError: C(PREPARE_FAILED).
    """
    why = _obstacle(files, run, record) if wanted else None
    there = [WantedFile(MARKER, MARKER_TEXT.encode("ascii"), 0o644)] if wanted and why is None else []
    return step_of_files(PART, files, record, there, is_ours, notes=[idle(PART, why)] if why else [], reload=False)


def _obstacle(files: HostFiles, run: Runner, record: PreparationRecord) -> Optional[str]:
    if not read_unit(run, _TARGET).is_loaded:
        return "there is no cloud-init"
    if MARKER not in record.changes and files.exists(MARKER):
        return "cloud-init is disabled already"
    if not files.exists(_FINISHED):
        return "cloud-init has not finished setting up the host (%s)" % _FINISHED
    for directory in _PROGRAMS:
        if files.listdir(directory):
            return "cloud-init runs what is in %s in each boot" % directory
    for path in _configuration(files):
        text = files.read_text(path) or ""
        found = _EACH_BOOT.search(text) or _ALWAYS.search(text)
        if found:
            named = next(each for each in found.groups() if each)
            return "cloud-init has work in each boot: %s in %s" % (named.lower(), path)
    return None


def _configuration(files: HostFiles) -> Iterator[str]:
    yield _CONFIG
    yield from ("%s/%s" % (_CONFIG_DIRECTORY, name) for name in sorted(files.listdir(_CONFIG_DIRECTORY)) if name.endswith(".cfg"))
    yield from _DATA
