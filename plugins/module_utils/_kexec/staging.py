# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Staging: from what the user wants and what the host has to an image in memory.

:func:`plan` decides and touches nothing; :class:`Stager` acts.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from dataclasses import dataclass, field
from typing import Callable, Iterator, Optional

from .._host.facts import HostFacts
from .._host.files import HostFiles
from .._host.installed import find_initrd, newest
from .._image.bzimage import BzImage, read_bzimage
from .._image.initrd import MAGIC_BYTES, initrd_format
from .cmdline import Edits, base_line, check_length, with_token
from .errors import KexecError
from .kexec_tools import Kexec
from .record import DIRECTORY, Record, StagedImage, drop_record, identify, read_record, write_record
from .verdict import choose_loader, host_blockers, memory_obstacle

NEWEST = "newest"
RUNNING = "running"
NO_INITRD = "none"

TOKEN_BYTES = 8


@dataclass(frozen=True)
class Request:
    """What the user asks for.

    :ivar kernel: C(newest), C(running), a release, or an absolute path.
    :ivar initrd: an absolute path, C(none), or None for the one that belongs
        to the kernel.
    :ivar loader: C(auto), C(kexec_load) or C(kexec_file_load).
    """

    kernel: str = NEWEST
    initrd: Optional[str] = None
    edits: Edits = field(default_factory=Edits)
    loader: str = "auto"


def find_kernel(request: str, facts: HostFacts, files: HostFiles) -> str:
    """Path of the kernel that is asked for.

    :raises KexecError: C(KERNEL_NOT_FOUND) or C(NO_KERNEL).
    """
    if request.startswith("/"):
        if not os.path.isfile(files.path(request)):
            raise KexecError("KERNEL_NOT_FOUND", "there is no kernel %s" % request)
        return request
    if request == NEWEST:
        candidate = newest(facts.installed, facts.kernel.release)
        if candidate is None:
            raise KexecError("NO_KERNEL", "no kernel is installed in /boot")
        return candidate.kernel
    release = facts.kernel.release if request == RUNNING else request
    for kernel in facts.installed:
        if kernel.release == release:
            return kernel.kernel
    installed = ", ".join(kernel.release for kernel in facts.installed) or "none"
    raise KexecError("KERNEL_NOT_FOUND", "no kernel %s is installed; installed: %s" % (release, installed))


def check_initrd(request: Optional[str], kernel: str, files: HostFiles) -> Optional[str]:
    """Path of the initrd to load with a kernel, or None for none.

    :raises KexecError: C(INITRD_NOT_FOUND) or C(INITRD_INVALID).
    """
    if request == NO_INITRD:
        return None
    initrd = request or find_initrd(files, kernel)
    if initrd is None:
        raise KexecError("INITRD_NOT_FOUND", "no initrd lies beside %s" % kernel)
    try:
        with open(files.path(initrd), "rb") as stream:
            head = stream.read(MAGIC_BYTES)
    except OSError as error:
        raise KexecError("INITRD_NOT_FOUND", "the initrd %s can't be read: %s" % (initrd, error.strerror)) from error
    if initrd_format(head) is None:
        raise KexecError("INITRD_INVALID", "%s does not start like an initrd" % initrd if head else "%s is empty" % initrd)
    return initrd


def _read_kernel(path: str, files: HostFiles) -> BzImage:
    try:
        with open(files.path(path), "rb") as stream:
            return read_bzimage(stream, path)
    except OSError as error:
        raise KexecError("KERNEL_NOT_FOUND", "the kernel %s can't be read: %s" % (path, error.strerror)) from error


def plan(request: Request, facts: HostFacts, files: HostFiles) -> StagedImage:
    """What staging would load.

    :raises KexecError: the host can't kexec, or the request can't be met.
    :raises ImageError: the kernel is no good.
    """
    for obstacle in host_blockers(facts):
        raise KexecError(obstacle.code, obstacle.message)
    loader = choose_loader(facts, request.loader)
    kernel_path = find_kernel(request.kernel, facts, files)
    kernel = _read_kernel(kernel_path, files)
    initrd_path = check_initrd(request.initrd, kernel_path, files)
    cmdline = base_line(facts.kernel.cmdline, request.edits)
    # One token is as long as another.
    check_length(with_token(cmdline, bytes(TOKEN_BYTES).hex()), kernel.cmdline_max_bytes)
    identities = [identify(files, path) for path in (kernel_path, initrd_path) if path is not None]
    too_much = memory_obstacle(facts, sum(identity.size_bytes for identity in identities))
    if too_much is not None:
        raise KexecError(too_much.code, too_much.message)
    return StagedImage(
        kernel=identities[0],
        initrd=identities[1] if initrd_path is not None else None,
        release=kernel.release,
        cmdline=cmdline,
        loader=loader,
    )


class Stager:
    """Loads and unloads images, and keeps the record of it.

    :param kexec: the host's kexec-tools; None where there are none, and so
        nothing to load with.
    :param random: gives so many random bytes.
    """

    def __init__(self, files: HostFiles, kexec: Optional[Kexec], random: Callable[[int], bytes] = os.urandom) -> None:
        self._files = files
        self._kexec = kexec
        self._random = random

    def stage(self, image: StagedImage, boot_id: str) -> Record:
        """Load an image, replacing whatever is loaded.

        :raises KexecError: C(LOAD_FAILED), C(LOAD_UNVERIFIED), C(STAGE_BUSY).
        """
        if self._kexec is None:
            raise KexecError("NO_KEXEC_TOOLS", "there is no kexec program on the host")
        with self._lock():
            drop_record(self._files)
            token = self._random(TOKEN_BYTES).hex()
            initrd = image.initrd.path if image.initrd else None
            self._kexec.load(image.kernel.path, initrd, with_token(image.cmdline, token), image.loader)
            record = Record(image, token, boot_id)
            try:
                write_record(self._files, record)
            except OSError as error:
                self._kexec.unload()
                raise KexecError("LOAD_FAILED", "the record of the staged image could not be written: %s" % error) from error
            return record

    def unstage(self) -> bool:
        """Unload whatever is loaded, whoever loaded it.

        :return: whether anything was.
        :raises KexecError: C(UNLOAD_FAILED), C(STAGE_BUSY).
        """
        if self._files.read_int("/sys/kernel/kexec_loaded") != 1:
            return False
        if self._kexec is None:
            raise KexecError("UNLOAD_FAILED", "an image is loaded, but there is no kexec program to unload it with")
        with self._lock():
            self._kexec.unload()
            drop_record(self._files)
        return True

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Hold off other stagers; the lock falls with the process."""
        directory = self._files.path(DIRECTORY)
        os.makedirs(directory, mode=0o700, exist_ok=True)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise KexecError("STAGE_BUSY", "another process is staging on this host") from error
            yield
        finally:
            os.close(descriptor)


def current_record(files: HostFiles) -> Optional[Record]:
    """What is staged by the collection and still loaded, or None."""
    if files.read_int("/sys/kernel/kexec_loaded") != 1:
        return None
    return read_record(files)
