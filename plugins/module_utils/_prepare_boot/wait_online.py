# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have the boot wait only for the network interfaces that are needed.

Each unit that waits for the network gets a drop-in with another command. Sources: systemd-networkd-wait-online.service(8);
nm-online(1), which can't be told an interface; and the script of Debian's ifupdown.

Hosts may have several of them, of which one manages an interface. To the others it is never up, and a command that names it would
hold up each boot until its timeout.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

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
_TIMEOUT_S = 30.0
# linux/if_arp.h: ARPHRD_TUNNEL, _TUNNEL6, _SIT, _IPGRE, _IP6GRE, _NONE (WireGuard).
_TUNNEL_TYPES = (768, 769, 776, 778, 823, 0xFFFE)
_ROUTES_4, _ROUTES_6 = "/proc/net/route", "/proc/net/ipv6_route"
_LOOPBACK = "lo"
_CHOSEN = re.compile(r"(?:^|\s)(?:-i|--interface)(?:[=\s]|$)")
_EXEC = re.compile(r"^\s*ExecStart\s*=\s*(\S.*?)\s*$", re.MULTILINE)
_IFUPDOWN_DEFAULTS = "/etc/default/networking"
_IFUPDOWN_SETTING = re.compile(r"^\s*WAIT_ONLINE_(?:METHOD|IFACE|ADDRESS)=[\"']?[^\"'\s#]", re.MULTILINE)


@dataclass(frozen=True)
class _Poll:
    """Question that a shell asks again and again, until an interface is up.

    :ivar tool: command, to which the interface is added. Ends with 0 where it is up.
    :ivar begins: what its output begins with then; empty for anything.
    :ivar bound_s: time after which the boot goes on, in seconds, unless C(setting) says otherwise.
    :ivar setting: name of the variable by which the unit's own command is told it.
    """

    tool: Tuple[str, ...]
    begins: str
    bound_s: int
    setting: str

    def wait(self, name: str) -> str:
        """Line of a shell script; names are checked."""
        shown = "| grep -q ^" + self.begins if self.begins else ">/dev/null"
        return "until %s %s %s; do sleep 0.1; done" % (" ".join(self.tool), name, shown)


@dataclass(frozen=True)
class _Waiter:
    """Unit that waits for the network.

    :ivar program: part of the command that it runs.
    :ivar poll: what takes the command's place; None for one that can be told interfaces.
    """

    program: str
    poll: Optional[_Poll] = None


_IFUPDOWN = "ifupdown-wait-online.service"
_WAITERS: Dict[str, _Waiter] = {
    # To which an interface that it does not manage is up with its carrier and address.
    "systemd-networkd-wait-online.service": _Waiter("systemd-networkd-wait-online"),
    # NM_DEVICE_STATE_ACTIVATED.
    "NetworkManager-wait-online.service": _Waiter(
        "nm-online", _Poll(("nmcli", "-g", "GENERAL.STATE", "device", "show"), "100", 60, "NM_ONLINE_TIMEOUT")
    ),
    _IFUPDOWN: _Waiter("wait-online.sh", _Poll(("ifquery", "--state"), "", 300, "WAIT_ONLINE_TIMEOUT")),
}


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
        notes.append(idle(PART, "there is no default route, except through tunnels"))
    units = [read_unit(run, name) for name in _WAITERS] if names else []
    # An alias may lead to another unit.
    used = {unit.name: unit for unit in units if unit.is_used and unit.name in _WAITERS}
    if names and not used:
        notes.append(idle(PART, "nothing waits for the network (%s)" % ", ".join(_WAITERS)))
    for unit in used.values():
        text, why = _text(files, run, unit, names)
        if text:
            wanted.append(drop_in(unit.name, _NAME, text))
        else:
            notes.append(idle(PART, why))
    return step_of_files(PART, files, record, wanted, is_ours, notes=notes)


def _text(files: HostFiles, run: Runner, unit: Unit, names: Sequence[str]) -> Tuple[str, str]:
    """Text of a unit's drop-in; or why it gets none, as a sentence."""
    theirs = _setting_of_others(files, unit)
    if theirs:
        return "", theirs
    waiter, command = _WAITERS[unit.name], _command_of(files, unit)
    if command is None or waiter.program not in command or _CHOSEN.search(command) or command.endswith("\\"):
        return "", "the command of %s is none that is known" % unit.name
    if waiter.poll is None:
        return _TEXT % " ".join([command, *("--interface=" + name for name in names)]), ""
    bound_s = _bound_s(files, unit, waiter.poll)
    if not bound_s:
        return "", "%s does not wait" % unit.name
    up = [name for name in names if _is_up(run, waiter.poll, name)]
    if not up:
        return "", "to %s, which %s asks, none of these is up: %s" % (waiter.poll.tool[0], unit.name, ", ".join(names))
    return _TEXT % ("/bin/sh -c '%s'" % "; ".join(map(waiter.poll.wait, up))) + _BOUND % bound_s, ""


def _bound_s(files: HostFiles, unit: Unit, poll: _Poll) -> int:
    """Seconds that a unit waits at most, by what its file, drop-ins and defaults tell its command; the last of them counts."""
    places = [unit.fragment, *unit.drop_ins, *([_IFUPDOWN_DEFAULTS] if unit.name == _IFUPDOWN else [])]
    lines = [line for place in places for line in (files.read_text(place) or "").splitlines() if not line.startswith("#")]
    told = re.findall(r"\b%s=[\"']?([0-9]{1,6})\b" % poll.setting, "\n".join(lines))
    return int(told[-1]) if told else poll.bound_s


def _is_up(run: Runner, poll: _Poll, name: str) -> bool:
    shown = run([*poll.tool, name], _TIMEOUT_S)
    return shown.rc == 0 and shown.stdout.startswith(poll.begins)


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
    """Interfaces of the default routes, by name.

    Those with names that can't be passed on are left out, and so are tunnels, whose own services wait for the network.
    """
    found = set()
    for line in (files.read_text(_ROUTES_4) or "").splitlines():
        fields = line.split()
        if len(fields) >= 8 and fields[1] == fields[7] == "00000000":
            found.add(fields[0])
    for line in (files.read_text(_ROUTES_6) or "").splitlines():
        fields = line.split()
        if len(fields) == 10 and fields[0] == "0" * 32 and fields[1] == "00":
            found.add(fields[9])
    named = (each for each in found if each != _LOOPBACK and _INTERFACE.fullmatch(each))
    return sorted(each for each in named if not _is_tunnel(files, each))


def _is_tunnel(files: HostFiles, name: str) -> bool:
    directory = "%s/%s" % (_INTERFACES, name)
    return files.exists(directory + "/tun_flags") or files.read_int(directory + "/type") in _TUNNEL_TYPES


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
