# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast this host does what a reboot does: measured once, kept, and read again."""

from __future__ import annotations

import importlib
import json
import os
import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Callable, Dict, Optional

from .._arch.architectures import own_architecture
from .._arch.interface import Cpu
from .atomic import write_atomically
from .fast_images import DIRECTORY
from .files import HostFiles

PATH = DIRECTORY + "/throughput.json"
_FORMAT = 1
_SAMPLE_BYTES = 32 << 20
# Larger than a slow algorithm needs, small enough to take no notable time.
_HASH_SAMPLE_BYTES = 8 << 20
_REPETITIONS = 3

# Of a server CPU of today, for a host where nothing was measured yet. Copy and
# check are bound by memory; the hash is the purgatory's, plain C at -Os; the
# decompressors are the kernel's own, in bytes that come out.
_TYPICAL_COPY = 5.0e9
_TYPICAL_CRC32C = 8.0e9
_TYPICAL_SHA256 = 0.3e9
_TYPICAL_UNPACK = {"gzip": 0.14e9, "xz": 0.09e9, "lz4": 1.3e9, "zstd": 0.55e9}
_TYPICAL_UNPACK_OTHER = 0.1e9


@dataclass(frozen=True)
class Throughput:
    """Bytes per second, on one core.

    :ivar cpu_model: the processor it was measured on; empty if nothing was.
    :ivar copy: copying memory that is in no cache.
    :ivar crc32c: the stub's check.
    :ivar sha256: SHA-256 in plain C, which is what the purgatory does.
    :ivar unpack: unpacking a kernel, by format, as far as it was done here.
    """

    cpu_model: str = ""
    copy: float = _TYPICAL_COPY
    crc32c: float = _TYPICAL_CRC32C
    sha256: float = _TYPICAL_SHA256
    unpack: Dict[str, float] = field(default_factory=dict)

    @property
    def measured(self) -> bool:
        """Whether these are figures of this host, not typical ones."""
        return bool(self.cpu_model)

    def unpacking(self, kind: str) -> float:
        """Bytes per second that come out of a decompressor of a format."""
        return self.unpack.get(kind) or _TYPICAL_UNPACK.get(kind, _TYPICAL_UNPACK_OTHER)


def read_throughput(files: HostFiles, cpu: Cpu) -> Throughput:
    """What was measured on this processor, or typical figures."""
    try:
        values = json.loads(files.read_text(PATH) or "")
        if values.pop("format") == _FORMAT and values["cpu_model"] == cpu.model:
            return Throughput(**values)
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    return Throughput()


def write_throughput(files: HostFiles, throughput: Throughput) -> None:
    """Keep figures for later.

    :raises OSError: they can't be written.
    """
    os.makedirs(files.path(DIRECTORY), mode=0o700, exist_ok=True)
    content = json.dumps(dict(asdict(throughput), format=_FORMAT), sort_keys=True) + "\n"
    write_atomically(files.path(PATH), content.encode("utf-8"), 0o600)


def _best(work: Callable[[], Any], size_bytes: int, clock: Callable[[], float]) -> float:
    """Bytes per second of the quickest of some runs: the others were disturbed."""
    took = []
    for _repetition in range(_REPETITIONS):
        begin = clock()
        work()
        took.append(clock() - begin)
    return size_bytes / max(min(took), 1e-9)


def measure(cpu: Cpu, clock: Callable[[], float] = time.perf_counter) -> Throughput:
    """Measure all but unpacking, in about a tenth of a second."""
    # Written to: a page that never was is no memory yet.
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
        return _TYPICAL_CRC32C
    try:
        checksummer = fast.checksummer()
    except OSError:
        return _TYPICAL_CRC32C
    return _best(lambda: checksummer.sums(sample), _SAMPLE_BYTES, clock)


def _plain_sha256() -> Optional[Callable[[bytes], Any]]:
    """Python's own SHA-256, which is plain C. That of hashlib is OpenSSL's, with instructions that no purgatory uses."""
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
        return _TYPICAL_SHA256
    sample = bytes(_HASH_SAMPLE_BYTES)
    return _best(lambda: sha256(sample).digest(), _HASH_SAMPLE_BYTES, clock)


def with_unpacking(throughput: Throughput, kind: str, size_bytes: int, took_ms: float) -> Throughput:
    """The same figures and one more: how fast a format was unpacked."""
    return replace(throughput, unpack=dict(throughput.unpack, **{kind: size_bytes * 1000 / max(took_ms, 1e-3)}))
