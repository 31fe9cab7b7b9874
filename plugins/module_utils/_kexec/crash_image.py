# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load what lies in the reservation for a crash kernel, by the system call itself, and unload it.

kexec-tools loads only crash images of its own making. Source of the call: kexec_load(2) and include/uapi/linux/kexec.h.
"""

from __future__ import annotations

import ctypes
import os
from typing import Callable, List, NamedTuple, Sequence, Union

from .._command import Runner
from .._host.atomic import write_atomically
from .._host.crash_area import CRASH_LOADED
from .._host.files import HostFiles
from .._paths import CRASH_MARKER
from .errors import KexecError
from .kdump import DISPLACED, OWN, PUT_BACK, PUT_BACK_TIMEOUT_S
from .placement import pages

_KEXEC_ON_CRASH = 0x1


class CrashSegment(NamedTuple):
    """Content for a physical address, and the memory it takes there, in whole pages; the rest of that is filled with zeros."""

    content: Union[bytes, memoryview]
    at: int
    memory_bytes: int


class _KexecSegment(ctypes.Structure):
    """C(struct kexec_segment)."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("bufsz", ctypes.c_size_t),
        ("mem", ctypes.c_void_p),
        ("memsz", ctypes.c_size_t),
    )


def _address_of(content: Union[bytes, memoryview]) -> int:
    if isinstance(content, bytes):
        return ctypes.cast(ctypes.c_char_p(content), ctypes.c_void_p).value or 0
    return ctypes.addressof(ctypes.c_char.from_buffer(content))


def load_crash_segments(call: int, entry: int, segments: Sequence[CrashSegment]) -> None:
    """Load segments into the reservation, in place of what is loaded there.

    :param call: number of the system call.
    :param entry: physical address where a panic enters.
    :raises OSError: the kernel refused; what was loaded before may be unloaded.
    """
    filled = [
        _KexecSegment(_address_of(each.content), len(each.content), each.at, pages(each.memory_bytes))
        for each in segments
        if len(each.content)
    ]
    table = (_KexecSegment * len(filled))(*filled)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    result = libc.syscall(
        ctypes.c_long(call), ctypes.c_ulong(entry), ctypes.c_ulong(len(filled)), table, ctypes.c_ulong(_KEXEC_ON_CRASH)
    )
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def crash_image_is_ours(files: HostFiles) -> bool:
    """Whether an image of ours is loaded in the reservation."""
    return files.read_int(CRASH_LOADED) == 1 and files.exists(CRASH_MARKER)


class CrashImages:
    """Crash images of a host: ours, and the one of the distribution that it displaces.

    :param kexec: path of the program.
    :param load: loads segments, as :func:`load_crash_segments` does.
    """

    def __init__(self, files: HostFiles, run: Runner, kexec: str, load: Callable[[int, Sequence[CrashSegment]], None]) -> None:
        self._files = files
        self._run = run
        self._kexec = kexec
        self._load = load

    def load(self, entry: int, segments: List[CrashSegment]) -> None:
        """Load an image of our own into the reservation.

        :raises KexecError: C(LOAD_FAILED) or C(LOAD_UNVERIFIED); what was loaded before may have to be put back.
        """
        # One that was displaced before and could not be put back is still to be put back.
        displaces = (self._loaded() and not self.ours()) or self._files.read_text(CRASH_MARKER) == DISPLACED
        # The marker comes first: a process that is killed leaves what it displaced on record.
        if not self.ours():
            write_atomically(self._files.path(CRASH_MARKER), (DISPLACED if displaces else OWN).encode("ascii"), 0o600)
        try:
            self._load(entry, segments)
        except OSError as error:
            raise KexecError("LOAD_FAILED", "the kernel took no image into the reservation: %s" % error.strerror) from error
        if not self._loaded():
            raise KexecError("LOAD_UNVERIFIED", "the image was taken into the reservation, but nothing is loaded there")

    def ours(self) -> bool:
        """Whether an image of ours is loaded."""
        return crash_image_is_ours(self._files)

    def owed(self) -> bool:
        """Whether an image of ours may be loaded, or a crash kernel still has to be put back."""
        return self._files.exists(CRASH_MARKER)

    def put_back(self) -> None:
        """Unload our image, if any, and have the distribution load the crash kernel that it displaced.

        :raises KexecError: C(KDUMP_NOT_RESTORED).
        """
        if not self.owed():
            return
        result = self._run(["/bin/sh", "-c", PUT_BACK, "fleet-kexec", self._kexec], PUT_BACK_TIMEOUT_S)
        if result.rc != 0:
            raise KexecError("KDUMP_NOT_RESTORED", "the crash kernel could not be put back: %s" % result.last_words())

    def _loaded(self) -> bool:
        return self._files.read_int(CRASH_LOADED) == 1
