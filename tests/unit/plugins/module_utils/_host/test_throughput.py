# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._arch.interface import Cpu
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._host.throughput import PATH, Throughput, read_throughput
from ansible_collections.fleet.kexec.tests.unit.conftest import write_tree

CPU = Cpu("A CPU", sse42=True, five_level_paging=False, confidential=None)
MEASURED = Throughput("A CPU", 1e9, 2e9, 3e8, {"zstd": 5e8})


def test_figures_hold_for_the_processor_they_were_measured_on(tmp_path: Path) -> None:
    files = HostFiles(str(tmp_path))
    assert not read_throughput(files, CPU).measured
    write_tree(tmp_path, {PATH: MEASURED.to_json()})
    assert read_throughput(files, CPU) == MEASURED
    assert read_throughput(files, replace(CPU, model="Another")) == Throughput()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 9}', '{"format": 1, "cpu_model": "A CPU", "speed": 1}'])
def test_what_cannot_be_understood_was_not_measured(tmp_path: Path, text: str) -> None:
    write_tree(tmp_path, {PATH: text})
    assert read_throughput(HostFiles(str(tmp_path)), CPU) == Throughput()


def test_unpacking() -> None:
    assert MEASURED.unpacking("zstd") == 5e8
    # Of what was not unpacked here, the typical order holds.
    assert Throughput().unpacking("lz4") > Throughput().unpacking("zstd") > Throughput().unpacking("xz")
