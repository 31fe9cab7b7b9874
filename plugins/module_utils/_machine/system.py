# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processors, memory, platform devices, configured modules and units of a machine.

Source: Documentation/ABI/testing/sysfs-devices-system-cpu, sysfs-devices-memory and sysfs-devices-edac of the kernel,
modules-load.d(5), systemctl(1).
"""

from __future__ import annotations

import re
from typing import Dict, List, Optional, Set, Tuple

from .._command import Runner
from .._host.files import HostFiles
from .._host.memory import read_memory
from .._host.watchdog import SOFTWARE_IDENTITIES
from .snapshot import MemorySize
from .wording import legible

_CPU = "/sys/devices/system/cpu"
_MEMORY = "/sys/devices/system/memory"
_NODE = "/sys/devices/system/node"
_HUGE_PAGES = "/sys/kernel/mm/hugepages"
_EDAC = "/sys/devices/system/edac/mc"
_CLOCK_SOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
_MODULE_DIRECTORIES = ("/etc/modules-load.d", "/run/modules-load.d", "/usr/local/lib/modules-load.d", "/usr/lib/modules-load.d")
# Units of users, who can let them fail as they like.
_OF_USERS = re.compile(r"user@.*\.service|user-runtime-dir@.*\.service|session-.*\.scope|user-.*\.slice")
# Units of single connections to a socket unit with C(Accept=yes): whoever connects, or lets a process crash, has one. Source:
# instance_from_socket() in src/core/socket.c of systemd; 258 adds a cookie and a number of the process's descriptor.
_OF_CONNECTIONS = re.compile(r"(.+)@\d+-(?:(?:\d+-)?(?:unknown|\d+(?:_\d+)?-\d+)|\S+:\d+-\S+:\d+)\.service")
_UNIT_DIRECTORIES = ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
_TIMEOUT_S = 10.0
_MAX_UNITS = 200


def count_listed(text: Optional[str]) -> int:
    """Count the numbers of a list as the kernel writes it: 6 in C(0-3,8,10)."""
    count = 0
    for first, last in re.findall(r"(\d+)(?:-(\d+))?", text or ""):
        count += int(last or first) - int(first) + 1
    return count


def read_cpus(files: HostFiles) -> int:
    return count_listed(files.read_text(_CPU + "/online"))


def read_microcode(files: HostFiles) -> Optional[int]:
    text = files.read_text(_CPU + "/cpu0/microcode/version") or ""
    return int(text, 16) if re.fullmatch(r"0x[0-9a-f]+", text) else None


def read_memory_size(files: HostFiles) -> MemorySize:
    usable_bytes = read_memory(files).total_bytes + (files.read_int("/sys/kernel/kexec_crash_size") or 0)
    block = files.read_text(_MEMORY + "/block_size_bytes") or ""
    blocks = sum(re.fullmatch(r"memory\d+", name) is not None for name in files.listdir(_MEMORY))
    known = blocks and re.fullmatch(r"[0-9a-f]+", block)
    block_bytes = int(block, 16) if known else None
    return MemorySize(blocks * block_bytes if block_bytes is not None else None, usable_bytes, block_bytes)


def read_numa_nodes(files: HostFiles) -> int:
    return count_listed(files.read_text(_NODE + "/has_memory") or files.read_text(_NODE + "/online"))


def read_huge_pages(files: HostFiles) -> Dict[str, int]:
    pages = {}
    for name in files.listdir(_HUGE_PAGES):
        found = re.fullmatch(r"hugepages-(\d+)kB", name)
        number = files.read_int("%s/%s/nr_hugepages" % (_HUGE_PAGES, name)) if found else None
        if found and number:
            pages[found.group(1)] = number
    return pages


def read_clock_source(files: HostFiles) -> Optional[str]:
    text = files.read_text(_CLOCK_SOURCE)
    return legible(text) if text else None


def read_memory_errors(files: HostFiles) -> Tuple[int, int]:
    """Read the numbers of corrected and uncorrected errors since boot."""
    controllers = [name for name in files.listdir(_EDAC) if re.fullmatch(r"mc\d+", name)]
    corrected, uncorrected = (
        sum(files.read_int("%s/%s/%s" % (_EDAC, name, count)) or 0 for name in controllers) for count in ("ce_count", "ue_count")
    )
    return corrected, uncorrected


def read_tpms(files: HostFiles) -> int:
    """Count the TPMs. Proxies (C(/dev/vtpmx)), which containers get while they run, have no device."""
    names = (name for name in files.listdir("/sys/class/tpm") if re.fullmatch(r"tpm\d+", name))
    return sum(files.exists("/sys/class/tpm/%s/device" % name) for name in names)


def read_watchdog_identities(files: HostFiles) -> List[str]:
    """Read the identities of hardware watchdogs."""
    base = "/sys/class/watchdog"
    identities = (files.read_text("%s/%s/identity" % (base, name)) for name in files.listdir(base))
    return sorted(legible(each) for each in identities if each and each not in SOFTWARE_IDENTITIES)


def _wanted_modules(files: HostFiles) -> Set[str]:
    # A file takes the place of those of the same name in later directories.
    named: Dict[str, str] = {}
    for directory in _MODULE_DIRECTORIES:
        for name in files.listdir(directory):
            if name.endswith(".conf"):
                named.setdefault(name, "%s/%s" % (directory, name))
    paths = ["/etc/modules", *named.values()]
    lines = [line.strip() for path in paths for line in (files.read_text(path) or "").splitlines()]
    # /etc/modules may have parameters after the name.
    return {line.split()[0].replace("-", "_") for line in lines if line and line[0] not in "#;"}


def read_wanted_modules(files: HostFiles, release: str) -> List[str]:
    """Read the modules that the configuration asks for and that are loaded, or built in.

    Others are loaded when something uses them.
    """
    wanted = _wanted_modules(files)
    found = {name for name in wanted if files.exists("/sys/module/" + name)}
    if wanted - found:
        text = files.read_text("/lib/modules/%s/modules.builtin" % release) or ""
        built_in = {path.rpartition("/")[2].partition(".ko")[0].replace("-", "_") for path in text.splitlines()}
        found |= wanted & built_in
    return sorted(legible(name) for name in found)


def _is_lasting(files: HostFiles, unit: str) -> bool:
    """Whether a unit is neither a user's nor a connection's."""
    connection = _OF_CONNECTIONS.fullmatch(unit)
    of_connection = connection is not None and any(
        files.exists("%s/%s.socket" % (directory, connection.group(1))) for directory in _UNIT_DIRECTORIES
    )
    return not of_connection and not _OF_USERS.fullmatch(unit)


def read_units(files: HostFiles, run: Runner) -> Tuple[Optional[str], Optional[List[str]]]:
    """Ask systemd for its state and its failed units, without those of users and connections; None for what it does not tell."""
    shown = run(["systemctl", "show", "--property=SystemState", "--property=NFailedUnits"], _TIMEOUT_S)
    said = dict(line.partition("=")[::2] for line in shown.stdout.splitlines()) if shown.rc == 0 else {}
    state = said.get("SystemState") or None
    if state is None or said.get("NFailedUnits") == "0":
        return state, None if state is None else []
    listing = ["list-units", "--all", "--state=failed", "--plain", "--no-legend", "--no-pager", "--full"]
    listed = run(["systemctl", *listing], _TIMEOUT_S)
    if listed.rc != 0:
        return legible(state), None
    units = [line.split()[0] for line in listed.stdout.splitlines() if line.strip()]
    return legible(state), sorted(legible(unit) for unit in units if _is_lasting(files, unit))[:_MAX_UNITS]
