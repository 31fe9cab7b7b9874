# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start sshd without waiting for the network to be set up.

systemd can't take an ordering back by a drop-in, so a generator (systemd.generator(7)) writes sshd's unit anew at each boot, from
the distribution's file as it then is, without the ordering. Everything else stays sshd's own affair: host keys, and Port,
ListenAddress and AddressFamily of sshd_config. A socket unit would have to repeat those, and its service would keep the ordering.

Only where sshd listens on all addresses: the others may not be there yet.
"""

from __future__ import annotations

import re
from typing import List, Optional, Sequence

from .._command import Runner, find_executable
from .._host.files import HostFiles
from .._kexec.host_files import WantedFile
from .._prepare.record import PreparationRecord
from .._prepare.steps import Step
from .steps import UNIT_DIRECTORY, Unit, idle, read_unit, step_of_files, turned_off

PART = "ssh_early"

GENERATOR = "/etc/systemd/system-generators/fleet-kexec-ssh-early"
# Arguments: directories for units of normal, early and late precedence. A fourth one is the root directory, for tests.
GENERATOR_TEXT = """\
#!/bin/sh
# Installed by fleet.kexec. Writes sshd's unit without its ordering after the network. Where an administrator has
# a unit of that name, or anything is not as expected, sshd starts as it always did.
PATH=/usr/bin:/bin
[ -d "$2" ] || exit 0
for unit in ssh.service sshd.service; do
    for directory in /etc/systemd/system /run/systemd/system /usr/local/lib/systemd/system; do
        if [ -e "$4$directory/$unit" ] || [ -L "$4$directory/$unit" ]; then
            continue 2
        fi
    done
    for directory in /usr/lib/systemd/system /lib/systemd/system; do
        file=$4$directory/$unit
        if [ -f "$file" ] && [ ! -L "$file" ]; then
            sed '/^After=/s/[[:space:]=]\\(network\\|network-online\\)\\.target/ /g; s/^After /After=/' \\
                "$file" > "$2/$unit.new" && mv "$2/$unit.new" "$2/$unit" || rm -f "$2/$unit.new"
            break
        fi
    done
done
exit 0
"""
# Where administrators have units of their own, before those of the distribution.
_OWN_DIRECTORIES = (UNIT_DIRECTORY, "/run/systemd/system", "/usr/local/lib/systemd/system")
_UNITS = ("ssh.service", "sshd.service")
_TIMEOUT_S = 30.0
_ORDERING = re.compile(r"^After=.*\bnetwork(?:-online)?\.target\b", re.MULTILINE)
_LISTEN = re.compile(r"^listenaddress (\S+):\d+$", re.MULTILINE)
_ANY = ("0.0.0.0", "[::]", "::")  # noqa: S104  Nothing is bound here.


def is_ours(path: str) -> bool:
    return path == GENERATOR


def plan(files: HostFiles, run: Runner, record: PreparationRecord, wanted: bool) -> Step:
    """Plan the generator.

    :raises PrepareError: C(PREPARE_FAILED).
    """
    why = (turned_off(files, record, GENERATOR) or _obstacle(files, run)) if wanted else None
    there: List[WantedFile] = []
    if wanted and why is None:
        there.append(WantedFile(GENERATOR, GENERATOR_TEXT.encode("ascii"), 0o755))
    return step_of_files(PART, files, record, there, is_ours, notes=[idle(PART, why)] if why else [])


def _obstacle(files: HostFiles, run: Runner) -> Optional[str]:
    unit = next((each for each in (read_unit(run, name) for name in _UNITS) if each.is_loaded), None)
    if unit is None:
        return "there is no unit for sshd"
    for path in _own_units(files, unit):
        return "%s is the administrator's" % path
    vendor = next((path for path in _vendor_files(unit.name) if files.exists(path)), None)
    if vendor is None or not _ORDERING.search(files.read_text(vendor) or ""):
        return "%s does not wait for the network" % unit.name
    program = find_executable("sshd", files.root)
    shown = run([program, "-T"], _TIMEOUT_S) if program else None
    if shown is None or shown.rc != 0:
        return "sshd does not tell its configuration: %s" % (shown.last_words() if shown else "there is no sshd")
    addresses = _LISTEN.findall(shown.stdout)
    special = [each for each in addresses if each not in _ANY]
    if special or not addresses:
        return "sshd listens on %s only, which has to be there first" % (", ".join(special) or "nothing known")
    return None


def _vendor_files(name: str) -> Sequence[str]:
    return tuple("%s/%s" % (directory, name) for directory in ("/usr/lib/systemd/system", "/lib/systemd/system"))


def _own_units(files: HostFiles, unit: Unit) -> List[str]:
    """Files with which an administrator replaces the unit; an alias of another name is none."""
    paths = ("%s/%s" % (directory, unit.name) for directory in _OWN_DIRECTORIES)
    return [path for path in paths if files.exists(path) or files.link_name(path) is not None]
