# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encrypted disks whose keys a TPM releases only if boot measurements match.

A kexec measures nothing and resets no TPM register, so such disks may stay locked after it. Volumes in a file that somebody else
than root can write to do not count, or any user who may set up loop devices (udisks) could stop a kexec.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Iterator, List

from .._cmdline import values_of
from .._text import shown_name
from .files import HostFiles
from .luks import HEAD_BYTES, bound_to_tpm, header_bytes

_UDEV = "/run/udev/data"
_CRYPTTAB = "/etc/crypttab"
# systemd-cryptsetup-generator(8); the value may begin with the UUID that it is for.
_ARGUMENTS = ("rd.luks.options", "luks.options")
_FOR_UUID = re.compile(r"[0-9a-fA-F-]+=(.+)", re.DOTALL)
_BY_TPM = "tpm2-device="
# More block devices than anybody puts upon one another.
_STACKED = 8


@dataclass(frozen=True)
class TpmDisks:
    """Encrypted disks that a TPM unlocks depending on measurements, and those whose header can't be read."""

    bound: List[str]
    unreadable: List[str]


def _is_in_users_file(files: HostFiles, sysfs: str, depth: int = _STACKED) -> bool:
    """Whether a block device is a loop device on a file that is not root's alone, or is a part of one or lies on one."""
    places = (sysfs, sysfs + "/..")
    paths = (files.read_line(place + "/loop/backing_file") for place in places)
    if any(path and not files.is_roots_alone(path) for path in paths):
        return True
    # A user who unlocks such a volume may have put another one into it.
    below = ("%s/slaves/%s" % (sysfs, name) for name in files.listdir(sysfs + "/slaves"))
    return depth > 0 and any(_is_in_users_file(files, device, depth - 1) for device in below)


def _encrypted_devices(files: HostFiles) -> Iterator[str]:
    for name in files.listdir(_UDEV):
        if (
            not re.fullmatch(r"b\d+:\d+", name)
            or "E:ID_FS_TYPE=crypto_LUKS" not in (files.read_text("%s/%s" % (_UDEV, name)) or "").split("\n")
            or _is_in_users_file(files, "/sys/dev/block/" + name[1:])
        ):
            continue
        for line in (files.read_text("/sys/dev/block/%s/uevent" % name[1:]) or "").split("\n"):
            if line.startswith("DEVNAME="):
                yield "/dev/" + line[len("DEVNAME=") :]


def _named_in_crypttab(files: HostFiles) -> List[str]:
    lines = [line.split() for line in (files.read_text(_CRYPTTAB) or "").split("\n") if not line.lstrip().startswith("#")]
    return [shown_name(words[0]) for words in lines if len(words) > 3 and _by_tpm(words[3])]


def _named_on_cmdline(files: HostFiles) -> List[str]:
    """Arguments of the running kernel that have a TPM unlock disks."""
    cmdline = files.read_line("/proc/cmdline") or ""
    named = []
    for name in _ARGUMENTS:
        for value in values_of(cmdline, name):
            of_uuid = _FOR_UUID.fullmatch(value)
            if _by_tpm(of_uuid.group(1) if of_uuid else value):
                named.append(shown_name("%s=%s" % (name, value)))
    return named


def _by_tpm(options: str) -> bool:
    return any(option.startswith(_BY_TPM) for option in options.split(","))


def read_tpm_disks(files: HostFiles) -> TpmDisks:
    bound: List[str] = []
    unreadable: List[str] = []
    for device in _encrypted_devices(files):
        size_bytes = header_bytes(files.read_bytes(device, HEAD_BYTES) or b"")
        verdict = bound_to_tpm(files.read_bytes(device, size_bytes) or b"")
        if verdict is None:
            unreadable.append(shown_name(device))
        elif verdict:
            bound.append(shown_name(device))
    return TpmDisks([*bound, *_named_in_crypttab(files), *_named_on_cmdline(files)], unreadable)
