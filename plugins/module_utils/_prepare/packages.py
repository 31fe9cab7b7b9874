# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install missing packages on a host with dpkg, and remove those again that were installed here.

dpkg itself tells which packages it unpacks: another process may install packages while this one waits for the lock, and a package
that was asked for may never come. Its words go into a file, so that a process that is killed loses nothing. Source: dpkg(1),
"--status-logger".
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from .._command import Runner
from .._host.changes import digest
from .._host.files import HostFiles
from .._paths import STATE_DIRECTORY
from .._reasons import Reason, reason
from .record import InstalledPackage, PreparationRecord
from .steps import COMMAND_TIMEOUT_S, LOCK_TIMEOUT_S, Step, run_tool

PART = "packages"

#: What dpkg said of the packages that were installed here, until the record has it.
LOG = STATE_DIRECTORY + "/packages.log"
# dpkg may run several times, and runs this each time.
_LOGGER = "umask 077; mkdir -p %s; exec cat >> %s" % (STATE_DIRECTORY, LOG)

_QUERY = ("dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Package}\n")
_ARCHITECTURE = ("dpkg", "--print-architecture")
_INSTALLED = "installed"
# Statuses of a package that is there, wholly or in part.
_THERE = ("half-installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending", _INSTALLED)

_SCRIPTS = "/var/lib/dpkg/info"
_BLOCKED = re.compile(r"dependency problems prevent removal of (\S+):")
_CHANGED_CONFFILE = re.compile(r"^\S*5\S* c (/.*)$", re.MULTILINE)
_CONFFILE = re.compile(r"^ (/\S+) ", re.MULTILINE)
_CONFIG_PATH = re.compile(r"/etc/[A-Za-z0-9_.+/-]*[A-Za-z0-9_+-]")


def _statuses(run: Runner) -> Dict[str, str]:
    pairs = (line.partition(" ")[::2] for line in run_tool(run, _QUERY).splitlines())
    found: Dict[str, str] = {}
    for status, name in pairs:
        # A package of several architectures is there if it is for one of them.
        found[name] = _INSTALLED if found.get(name) == _INSTALLED else status
    return found


def list_packages(run: Runner) -> Tuple[str, ...]:
    """Names of the installed packages, sorted.

    :raises PrepareError: C(PREPARE_FAILED).
    """
    return tuple(sorted(name for name, status in _statuses(run).items() if status == _INSTALLED))


def _command(*argv: str) -> Tuple[str, ...]:
    return ("env", "DEBIAN_FRONTEND=noninteractive", *argv)


def parse_log(text: str) -> Dict[str, bool]:
    """Parse what dpkg said into the packages that it unpacked and that were not there before: whether they are there now."""
    there: Dict[str, bool] = {}
    for line in text.splitlines():
        kind, _separator, rest = line.partition(": ")
        if kind == "processing":
            stage, _separator, name = rest.partition(": ")
            if stage == "install":
                there.setdefault(name.strip(), False)
        elif kind == "status":
            name, _separator, status = rest.rpartition(": ")
            if name in there:
                there[name] = status.strip() in _THERE
    return there


def plan_installing(
    files: HostFiles, run: Runner, record: PreparationRecord, names: Sequence[str], missing: Sequence[str]
) -> Step:
    """Install what is missing, and remember what came."""
    known = _with_log(files, run, record, names)
    if not missing:
        return Step(PART, record, known, known, obsolete=(LOG,) if known != record else ())
    had_config = {name for name, status in _statuses(run).items() if status == "config-files"}
    options = [
        "Dpkg::Options::=--force-confdef",
        "Dpkg::Options::=--force-confold",
        "Dpkg::Options::=--status-logger=" + _LOGGER,
        "DPkg::Lock::Timeout=%d" % LOCK_TIMEOUT_S,
    ]
    install = ["apt-get", "--quiet", "--yes", "--no-install-recommends", *("-o" + option for option in options)]
    commands = (_command("apt-get", "--quiet", "update"), _command(*install, "install", *missing))

    def finish(after: PreparationRecord) -> PreparationRecord:
        return _with_log(files, run, after, names, had_config)

    return Step(PART, record, known, known, commands=commands, finish=finish, obsolete=(LOG,))


def _added(known: Sequence[InstalledPackage], came: Sequence[InstalledPackage]) -> Tuple[InstalledPackage, ...]:
    names = {package.name for package in known}
    return (*known, *(package for package in came if package.name not in names))


def _with_log(
    files: HostFiles, run: Runner, record: PreparationRecord, requested: Sequence[str], had_config: Optional[Set[str]] = None
) -> PreparationRecord:
    """Add the packages to a record that dpkg said it has unpacked."""
    there = parse_log((files.read_bytes(LOG) or b"").decode("utf-8", "replace"))
    if not any(there.values()):
        return record
    native = run_tool(run, _ARCHITECTURE).strip()
    came = []
    for said in (name for name, is_there in there.items() if is_there):
        name, _separator, architecture = said.partition(":")
        full = name if architecture in ("", "all", native) else said
        came.append(InstalledPackage(full, name in requested, _config_of(files, run, full), name in (had_config or ())))
    return replace(record, packages=_added(record.packages, came))


def _config_of(files: HostFiles, run: Runner, name: str) -> Dict[str, str]:
    """Digests of the configuration that a package's own script removes when it is purged, by path.

    Other configuration are conffiles, of which dpkg itself knows the digests.
    """
    script = next(
        filter(None, (files.read_text("%s/%s.postrm" % (_SCRIPTS, each)) for each in (name, name.partition(":")[0]))), ""
    )
    conffiles = _CONFFILE.findall(run_tool(run, ("dpkg-query", "--show", "--showformat", "${Conffiles}\n", name)))
    found: Dict[str, str] = {}
    for path in sorted(set(_CONFIG_PATH.findall(script)) - set(conffiles)):
        content = digest(files.read_bytes(path))
        if content is not None:
            found[path] = content
    return found


def plan_removing(files: HostFiles, run: Runner, record: PreparationRecord, requested: Sequence[str]) -> Step:
    """Remove what was installed here, unless others have come to need it, and its configuration unless somebody has changed it.

    :param requested: packages that the role asks for; an earlier version did not record which of them it asked for.
    """
    known = _with_log(files, run, record, requested)
    after = replace(known, packages=())
    obsolete = (LOG,) if known != record else ()
    statuses = _statuses(run) if known.packages else {}
    there = {each.name: each for each in known.packages if statuses.get(each.name.partition(":")[0]) in _THERE}
    kept = dict(_kept(run, there, requested))
    names = [name for name in there if name not in kept]
    notes = [_stays(name, why) for name, why in sorted(kept.items())]
    purged: List[str] = []
    for name in names:
        why = next(_config_kept(files, run, there[name]), None)
        if why is None:
            purged.append(name)
        else:
            notes.append(reason("PACKAGE_STAYS", "%s is removed, and its configuration stays: %s" % (name, why)))
    commands = []
    if names and purged != names:
        commands.append(_command("dpkg", "--remove", *names))
    if purged:
        commands.append(_command("dpkg", "--purge", *purged))
    return Step(PART, record, known, after, commands=tuple(commands), notes=tuple(notes), obsolete=obsolete)


def _stays(name: str, why: str) -> Reason:
    return reason("PACKAGE_STAYS", "the package %s stays: %s" % (name, why))


def _kept(run: Runner, packages: Mapping[str, InstalledPackage], requested: Sequence[str]) -> Iterator[Tuple[str, str]]:
    """Packages that stay, and why."""
    if not packages:
        return
    manual = set(run_tool(run, ("apt-mark", "showmanual", *packages)).split())
    left = []
    for name, package in packages.items():
        ours = package.requested if package.requested is not None else name in requested
        if name in manual and not ours:
            yield name, "somebody has marked it as manually installed"
        else:
            left.append(name)
    # dpkg keeps what others need; apt would remove those others, too.
    while left:
        tried = run(["dpkg", "--no-act", "--purge", *left], COMMAND_TIMEOUT_S)
        blocked = set(_BLOCKED.findall(tried.stderr)) if tried.rc != 0 else set()
        if not blocked.intersection(left):
            return
        for name in sorted(blocked.intersection(left)):
            yield name, "other packages need it"
            left.remove(name)


def _config_kept(files: HostFiles, run: Runner, package: InstalledPackage) -> Iterator[str]:
    """Why the configuration of a package stays."""
    if package.had_config:
        yield "it was there before"
    for path in _CHANGED_CONFFILE.findall(run(["dpkg", "--verify", package.name], COMMAND_TIMEOUT_S).stdout):
        yield "%s was changed" % path
    for path, sha256 in sorted(package.config.items()):
        if digest(files.read_bytes(path)) not in (sha256, None):
            yield "%s was changed" % path
