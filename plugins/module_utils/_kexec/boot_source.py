# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel, initrds and command line to start from: those of the bootloader's default entry, unless the request names others."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import List, NamedTuple, Optional, Sequence, Tuple

from .._arch.architectures import architecture_of
from .._bootloader.boot_entry import BootChoice, DefaultEntry
from .._host.files import HostFiles
from .._host.installed import InstalledKernel, find_initrd, newest
from .._host.kernel import RunningKernel
from .._image.errors import ImageError
from .._image.initrd import MAGIC_BYTES, initrd_format
from .._image.pe import HEAD_BYTES
from .._image.unified import is_unified
from .._reasons import Reason, reason
from .._text import printable
from .candidate import Candidate, read_candidate
from .cmdline import line_changes
from .errors import KexecError
from .file_part import FilePart, split_unified
from .requests import DEFAULT, ENTRY, NEWEST, NO_INITRD, RUNNING, StagingRequest


class KernelVersion(NamedTuple):
    """Release and build of a kernel, as C(uname -r) and C(uname -v) show them; the build is empty if unknown."""

    release: str
    build: str = ""


@dataclass(frozen=True)
class BootSource:
    """Kernel and initrds to load, in order, and the command line before the user's edits."""

    kernel: FilePart
    initrds: Tuple[FilePart, ...]
    line: str


def find_source(
    request: StagingRequest, installed: Sequence[InstalledKernel], running: RunningKernel, files: HostFiles, choice: BootChoice
) -> BootSource:
    """Find what a request starts from.

    :raises KexecError: C(KERNEL_NOT_FOUND), C(NO_KERNEL), C(INITRD_NOT_FOUND) or C(INITRD_INVALID).
    :raises ImageError: C(KERNEL_INVALID) or C(KERNEL_TRUNCATED): the kernel is in a unified kernel image that is damaged.
    """
    entry = choice.entry
    from_entry = entry if request.kernel == DEFAULT else None
    path = from_entry.kernel if from_entry is not None else find_kernel(request.kernel, installed, running.release, files)
    if entry is not None and os.path.realpath(files.path(entry.kernel)) == os.path.realpath(files.path(path)):
        # Whatever the kernel was named by, these belong to it.
        from_entry = entry
    kernel, own_initrds = _split(path, from_entry, files)
    initrds = _initrds(request.initrd, path, own_initrds, files)
    line = entry.cmdline if entry is not None and request.base == ENTRY else running.passed_cmdline
    return BootSource(kernel, initrds, line)


def find_kernel(request: str, installed: Sequence[InstalledKernel], running_release: str, files: HostFiles) -> str:
    """Find the path of the requested kernel, the newest where the default entry can't be told.

    :raises KexecError: C(KERNEL_NOT_FOUND) or C(NO_KERNEL).
    """
    if request.startswith("/"):
        if not os.path.isfile(files.path(request)):
            raise KexecError("KERNEL_NOT_FOUND", "there is no kernel %s" % request)
        return request
    if request in (DEFAULT, NEWEST):
        latest = newest(list(installed), running_release)
        if latest is None:
            raise KexecError("NO_KERNEL", "no kernel is installed in /boot")
        return latest.kernel
    release = running_release if request == RUNNING else request
    for kernel in installed:
        if kernel.release == release:
            return kernel.kernel
    known = ", ".join(kernel.release for kernel in installed) or "none"
    raise KexecError("KERNEL_NOT_FOUND", "no kernel %s is installed; installed: %s" % (release, known))


def _split(path: str, entry: Optional[DefaultEntry], files: HostFiles) -> Tuple[FilePart, Optional[Tuple[FilePart, ...]]]:
    """Kernel in a file, and the initrds that belong to it; None for these if they have to be found."""
    if entry.unified if entry is not None else is_unified(files.read_bytes(path, HEAD_BYTES) or b""):
        return split_unified(files, path)
    return FilePart(path), tuple(map(FilePart, entry.initrds)) if entry is not None else None


def _initrds(request: Optional[str], kernel: str, own: Optional[Tuple[FilePart, ...]], files: HostFiles) -> Tuple[FilePart, ...]:
    if request == NO_INITRD:
        return ()
    if request is not None:
        initrds: Tuple[FilePart, ...] = (FilePart(request),)
    elif own is not None:
        # An entry, or a unified kernel image, without an initrd boots without one.
        initrds = own
    else:
        # Debian links /vmlinuz to the newest kernel.
        beside = find_initrd(files, kernel) or find_initrd(files, files.real_path(kernel))
        if beside is None:
            raise KexecError("INITRD_NOT_FOUND", "there is no initrd beside %s" % kernel)
        initrds = (FilePart(beside),)
    for initrd in initrds:
        _check_initrd(initrd, files)
    return initrds


def _check_initrd(initrd: FilePart, files: HostFiles) -> None:
    try:
        with initrd.open(files) as stream:
            head = stream.read(MAGIC_BYTES)
    except OSError as error:
        raise KexecError("INITRD_NOT_FOUND", "the initrd %s can't be read: %s" % (initrd, error.strerror)) from error
    if initrd_format(head) is None:
        raise KexecError("INITRD_INVALID", "%s does not start like an initrd" % initrd if head else "%s is empty" % initrd)


def default_candidate(
    installed: Sequence[InstalledKernel], running: RunningKernel, files: HostFiles, choice: BootChoice
) -> Optional[Candidate]:
    """Read the kernel that is booted if nothing is asked for; None if there is none or it is invalid."""
    try:
        source = find_source(StagingRequest(), installed, running, files, choice)
        return read_candidate(files, architecture_of(running.machine), source.kernel, source.initrds, source.line)
    except (ImageError, KexecError):
        return None


def default_kernel(
    choice: BootChoice, installed: Sequence[InstalledKernel], machine: str, files: HostFiles
) -> Optional[KernelVersion]:
    """Read which kernel the default entry boots; None if that can't be told."""
    entry = choice.entry
    if entry is None:
        return None
    try:
        kernel, _initrds_inside = _split(entry.kernel, entry, files)
        with kernel.open(files) as stream:
            header = architecture_of(machine).read_kernel(stream, str(kernel))
        if header.release:
            return KernelVersion(header.release, header.build)
    except (ImageError, KexecError, OSError):
        pass
    # A kernel that can't be read as one of this architecture is known by its name in /boot.
    path = os.path.realpath(files.path(entry.kernel))
    return next((KernelVersion(each.release) for each in installed if os.path.realpath(files.path(each.kernel)) == path), None)


def entry_risks(choice: BootChoice) -> List[Reason]:
    """Reasons why a kexec may not end in the system that the bootloader would boot."""
    found: List[Reason] = []
    if choice.elsewhere:
        found.append(reason("SYSTEM_ELSEWHERE", choice.elsewhere))
    elif choice.entry is None:
        found.append(reason("ENTRY_UNKNOWN", choice.unknown))
    if choice.one_shot:
        found.append(reason("ONE_SHOT_PENDING", choice.one_shot))
    return found


def entry_changes(running: RunningKernel, release: str, line: str) -> List[Reason]:
    """Note on what changes against the running system; empty if nothing does."""
    changes = line_changes(running.passed_cmdline, line)
    said = []
    if release and release != running.release:
        said.append("the kernel changes from %s to %s" % (running.release, release))
    if changes.added:
        said.append("arguments are added: " + printable(" ".join(changes.added)))
    if changes.removed:
        said.append("arguments are removed: " + printable(" ".join(changes.removed)))
    return [reason("ENTRY_CHANGES", "; ".join(said))] if said else []
