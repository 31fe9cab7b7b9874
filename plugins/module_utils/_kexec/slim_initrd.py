# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leave modules of other machines out of an initrd, and survey how much of it they are."""

from __future__ import annotations

import os
import time
from typing import Callable, FrozenSet, List, Mapping, Sequence, Set, Tuple

from .._host.atomic import write_atomically
from .._host.files import HostFiles
from .._host.initrd_survey import PATH, InitrdSurvey, modified_ns, surveys_to_json
from .._host.modules import module_name, read_loaded_modules, read_needed_modules
from .._image.elf import Content
from .._image.initrd import archives_end, leave_out, split_initrd, uncompress_initrd
from .._image.payload import Unpacker
from .._paths import STATE_DIRECTORY
from .errors import KexecError
from .memory_file import memory_file

_REPETITIONS = 3
_PIECE_BYTES = 128 << 10


def needed_modules(files: HostFiles, release: str) -> FrozenSet[str]:
    """Modules of a kernel release that the host uses or has devices for.

    :raises KexecError: C(MODULES_UNKNOWN).
    """
    needed = read_needed_modules(files, release)
    # Without loaded modules, either /proc is not what it seems, or there is nothing to be told from it.
    if needed is None or not read_loaded_modules(files):
        raise KexecError("MODULES_UNKNOWN", "the modules that %s needs here can't be told" % release)
    return needed


def slimmed(
    parts: List[Content], needed: FrozenSet[str], release: str, name: str = "the initrd"
) -> Tuple[List[Content], Tuple[str, ...]]:
    """Leave modules of a kernel release that are not needed out of an initrd that C(uncompress_initrd) has uncompressed.

    Return its parts, and the names of these modules.

    :raises ImageError: C(INITRD_INVALID).
    """
    left_out: Set[str] = set()

    def is_unneeded(path: str) -> bool:
        module = module_name(path)
        if module is None or module in needed or "/modules/%s/" % release not in "/" + path:
            return False
        left_out.add(module)
        return True

    # Of several parts, the archive that was compressed is the third.
    number = 0 if len(parts) == 1 else 2
    slim = leave_out(memoryview(parts[number]), is_unneeded, name)
    return [*parts[:number], *slim, *parts[number + 1 :]], tuple(sorted(left_out))


def survey_initrd(
    files: HostFiles,
    unpacker: Unpacker,
    path: str,
    release: str,
    *,
    limit_bytes: int,
    clock: Callable[[], float] = time.perf_counter,
) -> InitrdSurvey:
    """Unpack an initrd of a kernel release, and see what is in it.

    :param limit_bytes: size beyond which it is not unpacked.
    :raises KexecError: C(MODULES_UNKNOWN).
    :raises ImageError: it is damaged or too large, or can't be unpacked here.
    :raises OSError: it can't be read.
    """
    needed = needed_modules(files, release)
    mtime_ns = modified_ns(files, path)
    with files.open(path) as stream:
        packed = stream.read()
    data = memoryview(packed)
    parts = uncompress_initrd(data, unpacker, limit_bytes, path)
    begin, kind = split_initrd(data, path)
    unpack_ms = 0.0
    if kind is not None:
        compressed = data[begin : archives_end(data)]
        unpack_ms = _least_ms(lambda: unpacker.test_stream(kind, compressed, limit_bytes), clock)
    write_ms = _least_ms(lambda: _write_to_memory(parts), clock)
    slim, left_out = slimmed(parts, needed, release, path)
    unpacked_bytes = sum(map(len, parts))
    return InitrdSurvey(
        size_bytes=len(packed),
        mtime_ns=mtime_ns,
        unpacked_bytes=unpacked_bytes,
        unpack_ms=round(unpack_ms, 1),
        write_ms=round(write_ms, 1),
        unneeded=len(left_out),
        unneeded_bytes=unpacked_bytes - sum(map(len, slim)),
    )


def _least_ms(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """Least time of several runs; longer ones were disturbed."""
    took = []
    for _repetition in range(_REPETITIONS):
        begin = clock()
        work()
        took.append(clock() - begin)
    return min(took) * 1000


def _write_to_memory(parts: Sequence[Content]) -> None:
    """Write to the page cache in pieces, as the kernel does while it unpacks an initrd."""

    def fill(descriptor: int) -> None:
        for part in parts:
            view = memoryview(part)
            for begin in range(0, len(view), _PIECE_BYTES):
                os.write(descriptor, view[begin : begin + _PIECE_BYTES])

    with memory_file("fleet-kexec-survey", fill):
        pass


def write_surveys(files: HostFiles, surveys: Mapping[str, InitrdSurvey]) -> None:
    """Store surveys; raises OSError."""
    os.makedirs(files.path(STATE_DIRECTORY), mode=0o700, exist_ok=True)
    write_atomically(files.path(PATH), surveys_to_json(surveys).encode("utf-8"), 0o600)
