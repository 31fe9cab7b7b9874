# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernels installed on the host, and the newest of them."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from typing import List, Optional, Tuple

from .._arch.architectures import architecture_of
from .._image.errors import ImageError
from .files import HostFiles

# Initrd names that distributions derive from a kernel release.
_INITRD_NAMES = ("initrd.img-%s", "initramfs-%s.img", "initrd-%s", "initrd-%s.img")

# A release is a version and a flavour: 6.12.117+deb13 and cloud-amd64, or 5.14.0-503.el9.x86_64 and debug.
# "-rc3" and "+deb13" belong to the version.
_RELEASE = re.compile(r"^(?P<version>.*?)(?:-(?P<flavour>(?!rc\d)[a-z][^~]*)|\+(?P<suffix>[a-z]+(?:-[a-z]+)*))?$")

# Words of a flavour that change from build to build: a revision, a commit, and the number after a name, as in xanmod2, fleet.6
# and arch1-1.
_REVISION = re.compile(r"r?(\d+)")
_COMMIT = re.compile(r"g[0-9a-f]{7,40}|dirty")
_NUMBERED = re.compile(r"([a-z]+)(?:\.(\d+(?:\.\d+)*)|(?<!amd)(?<!arm)(?<!ppc)(\d+))")

# Words of an RPM's version that name another kernel than the distribution's own: rt7, el8uek, elrepo, plus.
_RPM_FLAVOUR = re.compile(r"\.(?:(rt)\d+|el\d+(uek)|(elrepo|plus))(?=\.|$)")
# Amazon Linux supports several series side by side.
_SERIES = re.compile(r"^(\d+\.\d+)\..*\.amzn\d")

# What package managers and administrators append to a file's name that they keep.
_COPY = re.compile(r"\.(?:old|bak|orig|rpmsave|rpmnew|rpmorig|dpkg-\w+)$|~$")

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
    """Split a release into version and flavour, which may be empty.

    Another flavour, or another vendor's kernel, is no update. Numbers in a flavour count as part of the version.
    """
    match = _RELEASE.match(release)
    if not match:
        return release, ""
    version, words = match.group("version"), []
    for word in (match.group("flavour") or match.group("suffix") or "").split("-"):
        revision, numbered = _REVISION.fullmatch(word), _NUMBERED.fullmatch(word)
        if revision:
            version += "-" + revision.group(1)
        elif numbered:
            version += "-" + (numbered.group(2) or numbered.group(3))
            words.append(numbered.group(1))
        elif word and not _COMMIT.fullmatch(word):
            words.append(word)
    vendor = ["".join(filter(None, found)) for found in _RPM_FLAVOUR.findall(version)]
    series = _SERIES.match(version)
    if series:
        vendor.append("amzn" + series.group(1))
    return version, "-".join([*vendor, *words])


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
    """List the kernels in C(/boot), oldest first, without copies of them.

    The release is the one in the kernel's header. Only where that can't be read, the file's name has to do.
    """
    found = []
    for name in files.listdir(boot):
        if not name.startswith("vmlinuz-") or not os.path.isfile(files.path(os.path.join(boot, name))):
            continue
        if name.startswith("vmlinuz-0-rescue") or _COPY.search(name):
            continue
        kernel = os.path.join(boot, name)
        release = _read_release(files, kernel) or name[len("vmlinuz-") :]
        original = os.path.join(boot, "vmlinuz-" + release)
        if kernel != original and files.exists(original):
            continue
        initrd = find_initrd(files, kernel)
        initrd_bytes = files.size_bytes(initrd) if initrd else None
        found.append(InstalledKernel(release, kernel, initrd, files.size_bytes(kernel) or 0, initrd_bytes))
    return sorted(found, key=lambda kernel: (version_key(split_release(kernel.release)[0]), kernel.release))


def _read_release(files: HostFiles, kernel: str) -> Optional[str]:
    """Read the release from a kernel's header; None if that is invalid or names none."""
    try:
        with files.open(kernel) as stream:
            return architecture_of(platform.machine()).read_kernel(stream, kernel).release or None
    except (OSError, ImageError):
        return None


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
