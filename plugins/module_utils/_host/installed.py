# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernels installed on the host, and the newest of them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import List, Optional, Tuple

from .files import HostFiles

# Initrd names that distributions derive from a kernel release.
_INITRD_NAMES = ("initrd.img-%s", "initramfs-%s.img", "initrd-%s", "initrd-%s.img")

# A release is a version and a flavour: 6.12.117+deb13 and cloud-amd64, or 5.14.0-503.el9.x86_64 and debug.
# "-rc3" and "+deb13" belong to the version.
_RELEASE = re.compile(r"^(?P<version>.*?)(?:-(?P<flavour>(?!rc\d)[a-z][^~]*)|\+(?P<suffix>[a-z]+(?:-[a-z]+)*))?$")

# These make a version older than the same one without them.
_PRERELEASE = ("~", "-rc")

VersionKey = Tuple[Tuple[int, int, str], ...]


@dataclass(frozen=True)
class InstalledKernel:
    """A kernel in C(/boot), with its initrd if there is one."""

    release: str
    kernel: str
    initrd: Optional[str]
    kernel_bytes: int
    initrd_bytes: Optional[int]

    @property
    def size_bytes(self) -> int:
        return self.kernel_bytes + (self.initrd_bytes or 0)


def split_release(release: str) -> Tuple[str, str]:
    """Split a release into version and flavour, which may be empty."""
    match = _RELEASE.match(release)
    if not match:
        return release, ""
    return match.group("version"), match.group("flavour") or match.group("suffix") or ""


def version_key(version: str) -> VersionKey:
    """Sort key that orders versions as package managers do: C(6.9) < C(6.10), C(7.3~rc2) < C(7.3)."""
    key: List[Tuple[int, int, str]] = []
    for piece in re.findall(r"~|-rc|\d+|[a-z]+", version.lower()):
        if piece in _PRERELEASE:
            key.append((-1, 0, piece))
        elif piece.isdigit():
            key.append((2, int(piece), ""))
        else:
            key.append((1, 0, piece))
    key.append((0, 0, ""))
    return tuple(key)


def list_installed(files: HostFiles, boot: str = "/boot") -> List[InstalledKernel]:
    """List the kernels in C(/boot), oldest first."""
    names = files.listdir(boot)
    found = []
    for name in names:
        if not name.startswith("vmlinuz-") or not os.path.isfile(files.path(os.path.join(boot, name))):
            continue
        release = name[len("vmlinuz-") :]
        if release.startswith("0-rescue") or release.endswith((".old", ".bak", ".dpkg-tmp", ".dpkg-new")):
            continue
        kernel = os.path.join(boot, name)
        initrd = find_initrd(files, kernel)
        initrd_bytes = files.size_bytes(initrd) if initrd else None
        found.append(InstalledKernel(release, kernel, initrd, files.size_bytes(kernel) or 0, initrd_bytes))
    return sorted(found, key=lambda kernel: (version_key(split_release(kernel.release)[0]), kernel.release))


def find_initrd(files: HostFiles, kernel: str) -> Optional[str]:
    """Find the initrd beside a kernel named C(vmlinuz-RELEASE); None if there is none."""
    directory, name = os.path.split(kernel)
    if not name.startswith("vmlinuz-"):
        return None
    for pattern in _INITRD_NAMES:
        initrd = os.path.join(directory, pattern % name[len("vmlinuz-") :])
        if os.path.isfile(files.path(initrd)):
            return initrd
    return None


def newest(kernels: List[InstalledKernel], running_release: str) -> Optional[InstalledKernel]:
    """Newest kernel of the running kernel's flavour, or the newest of all if no kernel has it.

    A debug or realtime kernel is not an update of a standard one.
    """
    flavour = split_release(running_release)[1]

    def rank(kernel: InstalledKernel) -> Tuple[bool, VersionKey]:
        version, its_flavour = split_release(kernel.release)
        return its_flavour == flavour, version_key(version)

    return max(kernels, key=rank) if kernels else None
