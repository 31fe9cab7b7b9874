# SPDX-License-Identifier: GPL-3.0-or-later
"""Medians, ratios and bars of the timed jumps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.fleet.kexec.tests.bench import table

BENCH = Path(table.__file__).parent
KERNEL = "6.12.117+deb13-cloud-amd64"


def run(variant: str, jump_ms: float, **other: Any) -> dict[str, Any]:
    return {"release": KERNEL, "machine": "tcg", "variant": variant, "jump_ms": jump_ms, "error_ms": 0.002, "stub": None, **other}


def stub(**other: Any) -> dict[str, Any]:
    times = {"entry_ms": 150.0, "moved_ms": 150.5, "exit_ms": 166.0}
    return {**times, "load_address": 0x1000000, "checked": True, "relocated": True, **other}


def jumps(today_ms: float, least_ms: float, ours_ms: float) -> list[dict[str, Any]]:
    return [run(table.TODAY, today_ms), run(table.LEAST, least_ms), run(table.OURS, ours_ms, stub=stub())]


def test_median_and_spread() -> None:
    (row,) = table.summarise(run(table.TODAY, jump_ms) for jump_ms in (9000.0, 9500.0, 9100.0))
    assert (row.jumps, row.median_ms, row.least_ms, row.most_ms, row.times_shorter) == (3, 9100.0, 9000.0, 9500.0, 1.0)


def test_kernels_are_not_mixed() -> None:
    rows = table.summarise([run(table.TODAY, 9000.0), run(table.TODAY, 100.0, release="6.1.0")])
    assert [row.median_ms for row in rows] == [9000.0, 100.0]
    assert len(table.judge(rows)) == 6


def test_the_stub_counts_from_its_entry() -> None:
    (row,) = table.summarise([run(table.OURS, 200.0, stub=stub())])
    assert (row.stub_entry_ms, row.stub_ms, row.load_addresses) == (150.0, 16.0, ("0x1000000",))
    assert row.times_shorter is None


@pytest.mark.parametrize(
    ("runs", "met", "code"),
    [
        (jumps(9000.0, 300.0, 350.0), [True, True, True], 0),
        (jumps(9000.0, 720.0, 900.0), [True, True, True], 0),
        (jumps(9000.0, 800.0, 900.1), [True, False, True], table.MISSED),
        (jumps(9000.0, 300.0, 376.0), [True, True, False], table.MISSED),
        (jumps(9000.0, 300.0, 350.0)[:2], [None, None, None], table.UNKNOWN),
        (jumps(9000.0, 300.0, 950.0)[::2], [True, False, None], table.MISSED),
        ([], [], table.UNKNOWN),
    ],
)
def test_bars(runs: list[dict[str, Any]], met: list[bool | None], code: int) -> None:
    bars = table.judge(table.summarise(runs))
    assert [each.met for each in bars] == met
    assert table.exit_code(bars) == code


@pytest.mark.parametrize(
    ("release", "reserved_ms", "exit_ms", "met"),
    [
        (KERNEL, 269.2, 92.2, [True, True]),
        (KERNEL, 269.3, 92.3, [False, False]),
        ("6.14.0", 318.1, 118.5, [True, True]),
        ("7.3.4", 318.2, 118.6, [False, False]),
    ],
)
def test_bars_of_the_reservation(release: str, reserved_ms: float, exit_ms: float, met: list[bool]) -> None:
    ours = run(table.OURS, 350.0, stub=stub(), release=release)
    reserved = run(table.RESERVED, reserved_ms, stub=stub(entry_ms=exit_ms - 16, exit_ms=exit_ms), release=release)
    bars = table.judge(table.summarise([ours, reserved]))
    assert [each.met for each in bars if each.says.startswith(table.RESERVED)] == met


@pytest.mark.parametrize("left", [stub(checked=False), stub(relocated=False), None])
def test_a_short_jump_that_left_something_out(left: dict[str, Any] | None) -> None:
    bars = table.judge(table.summarise([*jumps(9000.0, 300.0, 350.0), run(table.OURS, 350.0, stub=left)]))
    assert [each.met for each in bars] == [False, True, True]


def test_what_is_printed() -> None:
    rows = table.summarise(jumps(9000.0, 300.0, 350.0))
    text = table.render(rows, table.judge(rows))
    assert f"{table.OURS}     350.0     350.0     350.0  0.002   25.7 x" in text
    assert text.count("  met: ") == 3


def test_the_bars_name_variants_that_there_are() -> None:
    variants = yaml.safe_load((BENCH / "variants.yml").read_text(encoding="utf-8"))["bench_variants"]
    assert {table.TODAY, table.LEAST, table.OURS} <= {variant["name"] for variant in variants}
