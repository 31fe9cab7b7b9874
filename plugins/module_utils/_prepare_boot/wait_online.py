# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have the boot wait only for the network interfaces that are needed.

Each unit that waits for the network gets a drop-in with another command. Sources: systemd-networkd-wait-online.service(8);
nm-online(1), which can't be told an interface; and the script of Debian's ifupdown.
"""

from __future__ import annotations

import os
import re
from typing import Callable, Dict, List, Optional, Sequence

from .._command import Runner
from .._host.files import HostFiles
from .._kexec.host_files import WantedFile
from .._prepare.errors import PrepareError
from .._prepare.record import PreparationRecord
from .._prepare.steps import Step
from .._reasons import Reason
from .steps import Unit, drop_in, idle, read_unit, step_of_files

PART = "wait_online"
#: Stands for the interfaces of the default routes.
AUTO = "auto"

_NAME = "fleet-kexec-wait-online.conf"
_TEXT = """\
# Installed by fleet.kexec. The boot waits for these interfaces only.
[Service]
ExecStart=
ExecStart=%s
"""
# Those of systemd itself are bounded by --timeout, 120 s by default.
_BOUND = "TimeoutStartSec=%ds\n"

# dev_valid_name() of the kernel, without what systemd or a shell would interpret.
_INTERFACE = re.compile(r"[A-Za-z0-9_.:@-]{1,15}", re.ASCII)
_INTERFACES = "/sys/class/net"
_ROUTES_4, _ROUTES_6 = "/proc/net/route", "/proc/net/ipv6_route"
_LOOPBACK = "lo"
_CHOSEN = re.compile(r"(?:^|\s)(?:-i|--interface)(?:[=\s]|$)")
_EXEC = re.compile(r"^\s*ExecStart\s*=\s*(\S.*?)\s*$", re.MULTILINE)
_IFUPDOWN_DEFAULTS = "/etc/default/networking"
_IFUPDOWN_SETTING = re.compile(r"^\s*WAIT_ONLINE_(?:METHOD|IFACE|ADDRESS)=[\"']?[^\"'\s#]", re.MULTILINE)


def is_ours(path: str) -> bool:
    return os.path.basename(path) == _NAME


def plan(files: HostFiles, run: Runner, record: PreparationRecord, interfaces: Sequence[str]) -> Step:
    """Plan the drop-ins.

    :param interfaces: names, or C(auto); empty to give back all drop-ins.
    :raises PrepareError: C(INTERFACE_INVALID), C(PREPARE_FAILED).
    """
    if not interfaces:
        return step_of_files(PART, files, record, (), is_ours)
    names = _resolved(files, interfaces)
    wanted: List[WantedFile] = []
    notes: List[Reason] = []
    if not names:
        notes.append(idle(PART, "there is no default route"))
    units = [read_unit(run, name) for name in _COMMANDS] if names else []
    used = [unit for unit in units if unit.is_used]
    if names and not used:
        notes.append(idle(PART, "nothing waits for the network (%s)" % ", ".join(_COMMANDS)))
    for unit in used:
        theirs = _setting_of_others(files, unit)
        text = None if theirs else _COMMANDS[unit.name](files, unit, names)
        if text is None:
            notes.append(idle(PART, theirs or "the command of %s is none that is known" % unit.name))
        else:
            wanted.append(drop_in(unit.name, _NAME, text))
    return step_of_files(PART, files, record, wanted, is_ours, notes=notes)


def _resolved(files: HostFiles, interfaces: Sequence[str]) -> List[str]:
    names: Dict[str, None] = {}
    for each in interfaces:
        if each == AUTO:
            names.update(dict.fromkeys(default_route_interfaces(files)))
            continue
        if each in (".", "..") or not _INTERFACE.fullmatch(each):
            raise PrepareError("INTERFACE_INVALID", "%r is not the name of an interface" % each)
        if not files.exists("%s/%s" % (_INTERFACES, each)):
            # The boot would wait for it until its timeout.
            raise PrepareError("INTERFACE_INVALID", "the host has no interface %s" % each)
        names[each] = None
    return list(names)


def default_route_interfaces(files: HostFiles) -> List[str]:
    """Interfaces of the default routes, by name; those with names that can't be passed on are left out."""
    found = set()
    for line in (files.read_text(_ROUTES_4) or "").splitlines():
        fields = line.split()
        if len(fields) >= 8 and fields[1] == fields[7] == "00000000":
            found.add(fields[0])
    for line in (files.read_text(_ROUTES_6) or "").splitlines():
        fields = line.split()
        if len(fields) == 10 and fields[0] == "0" * 32 and fields[1] == "00":
            found.add(fields[9])
    return sorted(each for each in found if each != _LOOPBACK and _INTERFACE.fullmatch(each))


def _setting_of_others(files: HostFiles, unit: Unit) -> str:
    """Setting by which somebody has decided what a unit waits for, as a sentence; empty without one."""
    for path in unit.drop_ins:
        if not is_ours(path) and _EXEC.search(files.read_text(path) or ""):
            return "%s sets the command of %s" % (path, unit.name)
    if unit.name == _IFUPDOWN and _IFUPDOWN_SETTING.search(files.read_text(_IFUPDOWN_DEFAULTS) or ""):
        return "%s sets what %s waits for" % (_IFUPDOWN_DEFAULTS, unit.name)
    return ""


def _command_of(files: HostFiles, unit: Unit) -> Optional[str]:
    """The only command that a unit's own file has it run."""
    found = _EXEC.findall(files.read_text(unit.fragment) or "") if unit.fragment else []
    return str(found[0]) if len(found) == 1 else None


def _networkd(files: HostFiles, unit: Unit, names: Sequence[str]) -> Optional[str]:
    command = _command_of(files, unit)
    if command is None or "systemd-networkd-wait-online" not in command or _CHOSEN.search(command) or command.endswith("\\"):
        return None
    return _TEXT % " ".join([command, *("--interface=" + name for name in names)])


def _polled(command: str, test: str, bound_s: int) -> Callable[[HostFiles, Unit, Sequence[str]], Optional[str]]:
    """Text of a drop-in that has a shell ask for each interface until it is up.

    :param command: part of the command that this one stands for.
    :param test: takes the interface's name.
    """

    def text(files: HostFiles, unit: Unit, names: Sequence[str]) -> Optional[str]:
        if command not in (_command_of(files, unit) or ""):
            return None
        waits = "; ".join("until %s; do sleep 0.1; done" % (test % name) for name in names)
        return _TEXT % ("/bin/sh -c '%s'" % waits) + _BOUND % bound_s

    return text


_IFUPDOWN = "ifupdown-wait-online.service"
_COMMANDS: Dict[str, Callable[[HostFiles, Unit, Sequence[str]], Optional[str]]] = {
    "systemd-networkd-wait-online.service": _networkd,
    # NM_DEVICE_STATE_ACTIVATED. NM_ONLINE_TIMEOUT of its unit is 60.
    "NetworkManager-wait-online.service": _polled("nm-online", "nmcli -g GENERAL.STATE device show %s | grep -q ^100", 60),
    # WAIT_ONLINE_TIMEOUT of its script is 300.
    _IFUPDOWN: _polled("wait-online.sh", "ifquery --state %s >/dev/null", 300),
}
