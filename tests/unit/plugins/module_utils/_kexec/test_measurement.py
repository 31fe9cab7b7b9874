# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._arch.interface import Cpu
from ansible_collections.fleet.kexec.plugins.module_utils._host.cpu import read_cpu
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._host.throughput import PATH, Throughput, read_throughput
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.measurement import measure, with_unpacking, write_throughput

CPU = Cpu("A CPU", sse42=True, five_level_paging=False, confidential=None)
MEASURED = with_unpacking(Throughput("A CPU", 1e9, 2e9, 3e8), "zstd", 50_000_000, 100.0)


def test_figures_are_kept_for_root_alone(tmp_path: Path) -> None:
    files = HostFiles(str(tmp_path))
    write_throughput(files, MEASURED)
    assert read_throughput(files, CPU) == MEASURED
    assert os.stat(files.path(PATH)).st_mode & 0o777 == 0o600


def test_unpacking() -> None:
    assert MEASURED.unpacking("zstd") == pytest.approx(5e8)


def test_measuring_this_machine() -> None:
    measured = measure(read_cpu(HostFiles("/")))
    assert measured.measured
    # Plain C hashes slower than memory is copied, on any machine.
    assert 1e6 < measured.sha256 < measured.copy < 1e12
    assert 1e6 < measured.crc32c < 1e12
