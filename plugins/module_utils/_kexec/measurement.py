# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure once how fast the host does the work of a reboot, and store the figures."""

from __future__ import annotations

import importlib
import os
import time
from dataclasses import replace
from typing import Any, Callable, Optional

from .._arch.architectures import own_architecture
from .._arch.interface import Cpu
from .._host.atomic import write_atomically
from .._host.files import HostFiles
from .._host.throughput import PATH, Throughput
from .._paths import STATE_DIRECTORY

_SAMPLE_BYTES = 32 << 20
# Larger than a slow algorithm needs, yet small enough to take no noticeable time.
_HASH_SAMPLE_BYTES = 8 << 20
_REPETITIONS = 3
# Figures for what can't be measured.
_TYPICAL = Throughput()


def _best(work: Callable[[], Any], size_bytes: int, clock: Callable[[], float]) -> float:
    """Best rate of several runs, in bytes per second; the slower runs were disturbed."""
    took = []
    for _repetition in range(_REPETITIONS):
        begin = clock()
        work()
        took.append(clock() - begin)
    return size_bytes / max(min(took), 1e-9)


def measure(cpu: Cpu, clock: Callable[[], float] = time.perf_counter) -> Throughput:
    """Measure everything except unpacking, in about a tenth of a second."""
    # Filled, because a page that was never written has no memory behind it.
    source = bytearray(b"\x5a" * _SAMPLE_BYTES)
    target = bytearray(b"\xa5" * _SAMPLE_BYTES)
    view = memoryview(target)

    def copy() -> None:
        view[:] = source

    return Throughput(
        cpu_model=cpu.model,
        copy=_best(copy, _SAMPLE_BYTES, clock),
        crc32c=_measure_crc32c(source, cpu, clock),
        sha256=_measure_sha256(clock),
    )


def _measure_crc32c(sample: bytearray, cpu: Cpu, clock: Callable[[], float]) -> float:
    fast = own_architecture().fast
    if fast is None or fast.check_obstacle(cpu) is not None:
        return _TYPICAL.crc32c
    try:
        checksummer = fast.checksummer()
    except OSError:
        return _TYPICAL.crc32c
    return _best(lambda: checksummer.sums(sample), _SAMPLE_BYTES, clock)


def _plain_sha256() -> Optional[Callable[[bytes], Any]]:
    """Python's own SHA-256 in plain C: hashlib's is OpenSSL's, with instructions that no purgatory uses."""
    for name in ("_sha2", "_sha256"):
        try:
            sha256: Callable[[bytes], Any] = importlib.import_module(name).sha256
        except (ImportError, AttributeError):
            continue
        return sha256
    return None


def _measure_sha256(clock: Callable[[], float]) -> float:
    sha256 = _plain_sha256()
    if sha256 is None:
        return _TYPICAL.sha256
    sample = bytes(_HASH_SAMPLE_BYTES)
    return _best(lambda: sha256(sample).digest(), _HASH_SAMPLE_BYTES, clock)


def with_unpacking(throughput: Throughput, kind: str, size_bytes: int, took_ms: float) -> Throughput:
    """Add the measured unpacking speed of a format to the figures."""
    return replace(throughput, unpack=dict(throughput.unpack, **{kind: size_bytes * 1000 / max(took_ms, 1e-3)}))


def write_throughput(files: HostFiles, throughput: Throughput) -> None:
    os.makedirs(files.path(STATE_DIRECTORY), mode=0o700, exist_ok=True)
    write_atomically(files.path(PATH), throughput.to_json().encode("utf-8"), 0o600)
