# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Speed of this host at the work a reboot does, measured once and stored."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Dict

from .._arch.interface import Cpu
from .._json import parse_json
from .._paths import STATE_DIRECTORY
from .files import HostFiles

PATH = STATE_DIRECTORY + "/throughput.json"
_FORMAT = 1

# Typical of a current server CPU, for hosts without measurements. Copying and checking are bound by memory; the hash is the
# purgatory's, plain C at -Os; the decompressors are the kernel's own, in bytes of output.
_TYPICAL_COPY = 5.0e9
_TYPICAL_CRC32C = 8.0e9
_TYPICAL_SHA256 = 0.3e9
_TYPICAL_UNPACK = {"gzip": 0.14e9, "xz": 0.09e9, "lz4": 1.3e9, "zstd": 0.55e9}
_TYPICAL_UNPACK_OTHER = 0.1e9


@dataclass(frozen=True)
class Throughput:
    """Speeds in bytes per second, on one core.

    :ivar cpu_model: processor they were measured on; empty for typical figures.
    :ivar copy: copying memory that is not cached.
    :ivar crc32c: the stub's check.
    :ivar sha256: SHA-256 in plain C, as in the purgatory.
    :ivar unpack: decompressing a kernel, by format, for the formats measured here.
    """

    cpu_model: str = ""
    copy: float = _TYPICAL_COPY
    crc32c: float = _TYPICAL_CRC32C
    sha256: float = _TYPICAL_SHA256
    unpack: Dict[str, float] = field(default_factory=dict)

    @property
    def measured(self) -> bool:
        return bool(self.cpu_model)

    def unpacking(self, kind: str) -> float:
        return self.unpack.get(kind) or _TYPICAL_UNPACK.get(kind, _TYPICAL_UNPACK_OTHER)

    def to_json(self) -> str:
        return json.dumps(dict(asdict(self), format=_FORMAT), sort_keys=True) + "\n"


def read_throughput(files: HostFiles, cpu: Cpu) -> Throughput:
    """Read the speeds measured on this processor, or return typical ones."""
    try:
        values = parse_json(files.read_text(PATH) or "")
        if values.pop("format") == _FORMAT and values["cpu_model"] == cpu.model:
            return Throughput(**values)
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    return Throughput()
