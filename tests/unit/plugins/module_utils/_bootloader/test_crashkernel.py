# SPDX-License-Identifier: GPL-3.0-or-later
"""What crashkernel= means, as kernel/crash_reserve.c reads it."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.crashkernel import (
    CrashKernel,
    CrashReservation,
    Range,
    parse_crashkernel,
    resolve_crashkernel,
)

MIB = 1 << 20
GIB = 1 << 30
RAM_BYTES = 4 * GIB


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        ("256M", CrashKernel(256 * MIB)),
        ("0x10000000", CrashKernel(256 * MIB)),
        ("0400M", CrashKernel(256 * MIB)),
        ("64M@16M", CrashKernel(64 * MIB, offset_bytes=16 * MIB)),
        ("64M@0", CrashKernel(64 * MIB, offset_bytes=0)),
        ("1G,high", CrashKernel(GIB, suffix="high")),
        ("256M,low", CrashKernel(256 * MIB, suffix="low")),
        ("128M,cma", CrashKernel(128 * MIB, suffix="cma")),
        ("2G-:256M", CrashKernel(None, (Range(2 * GIB, None, 256 * MIB),))),
        (
            "512M-2G:64M,2G-:128M",
            CrashKernel(None, (Range(512 * MIB, 2 * GIB, 64 * MIB), Range(2 * GIB, None, 128 * MIB))),
        ),
        ("512M-2G:64M@16M", CrashKernel(None, (Range(512 * MIB, 2 * GIB, 64 * MIB),), offset_bytes=16 * MIB)),
        ("0-:0", CrashKernel(None, (Range(0, None, 0),))),
    ],
)
def test_all_forms(value: str, parsed: CrashKernel) -> None:
    assert parse_crashkernel(value) == parsed


@pytest.mark.parametrize(
    "value",
    [
        "",
        "auto",
        "M",
        "256MB",
        "256M@",
        "256M@x",
        "256M@16M,high",
        "256M,",
        "256M,highest",
        "256M,high,low",
        "256M high",
        "256M-",
        "-256M",
        ",high",
        ":",
        ":256M",
        "2G:256M",
        "2G-4G",
        "-2G:64M",
        "2G-x:64M",
        "2G-2G:64M",
        "4G-2G:64M",
        "2G-:",
        "2G-:x",
        "2G-:64M,",
        "2G-:64M;4G-:128M",
        "2G-:64M@",
        "2G-:64M@x",
        "2G-:64M@16M@16M",
        # A suffix belongs to a size.
        "2G-:256M,high",
    ],
)
def test_what_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_crashkernel(value)


@pytest.mark.parametrize(
    ("value", "ram_bytes", "size_bytes"),
    [
        ("512M-2G:64M,2G-:128M", 384 * MIB, 0),
        # What there is, is rounded up to 128 MiB before a range is looked for.
        ("512M-2G:64M,2G-:128M", 384 * MIB + 1, 64 * MIB),
        ("512M-2G:64M,2G-:128M", 512 * MIB, 64 * MIB),
        ("512M-2G:64M,2G-:128M", 2 * GIB - 128 * MIB, 64 * MIB),
        ("512M-2G:64M,2G-:128M", 2 * GIB - 128 * MIB + 1, 128 * MIB),
        ("512M-2G:64M,2G-:128M", 2 * GIB, 128 * MIB),
        # The first that holds counts.
        ("0-:64M,1G-:128M", 4 * GIB, 64 * MIB),
        ("512M-2G:64M,4G-:128M", 3 * GIB, 0),
        ("256M", 1, 256 * MIB),
    ],
)
def test_the_size_that_ranges_say(value: str, ram_bytes: int, size_bytes: int) -> None:
    assert parse_crashkernel(value).size_on(ram_bytes) == size_bytes


def test_the_kernel_stops_at_a_range_with_more_than_all_memory() -> None:
    value = "8G-16G:%s,2G-8G:256M"
    assert parse_crashkernel(value % "3G").size_on(RAM_BYTES) == 256 * MIB
    with pytest.raises(ValueError, match="4G"):
        parse_crashkernel(value % "4G").size_on(RAM_BYTES)


@pytest.mark.parametrize(
    ("values", "reservation"),
    [
        ([], CrashReservation()),
        (["256M"], CrashReservation(256 * MIB)),
        (["256M", "128M"], CrashReservation(128 * MIB)),
        (["256M", "0"], CrashReservation(0)),
        (["1G,high"], CrashReservation(GIB, 256 * MIB)),
        (["1G,high", "128M,low"], CrashReservation(GIB, 128 * MIB)),
        (["128M,low", "1G,high"], CrashReservation(GIB, 128 * MIB)),
        (["1G,high", "0,low"], CrashReservation(GIB, 0)),
        (["1G,high", "512M,high"], CrashReservation(512 * MIB, 256 * MIB)),
        # Where there is a plain one, high and low are not looked at.
        (["1G,high", "256M"], CrashReservation(256 * MIB)),
        (["256M", "128M,low"], CrashReservation(256 * MIB)),
        (["256M", "64M,cma"], CrashReservation(256 * MIB, 0, 64 * MIB)),
        (["1G,high", "64M,cma"], CrashReservation(GIB, 256 * MIB, 64 * MIB)),
        (["2G-:256M", "64M,cma"], CrashReservation(256 * MIB, 0, 64 * MIB)),
    ],
)
def test_the_last_value_of_each_kind_counts(values: list[str], reservation: CrashReservation) -> None:
    assert resolve_crashkernel(values, RAM_BYTES) == reservation
    assert reservation.total_bytes == reservation.size_bytes + reservation.low_bytes


@pytest.mark.parametrize("values", [["256M,low"], ["64M,cma"], ["256M", "nonsense"], ["nonsense", "256M"]])
def test_values_of_which_the_kernel_makes_nothing(values: list[str]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        resolve_crashkernel(values, RAM_BYTES)


SIZES = st.sampled_from(["0", "64M", "0x100M", "010G", "1G", "4G"])
VALUES = st.one_of(
    SIZES,
    st.builds("{}@{}".format, SIZES, SIZES),
    st.builds("{},{}".format, SIZES, st.sampled_from(["high", "low", "cma"])),
    st.lists(st.builds("{}-{}:{}".format, SIZES, st.one_of(st.just(""), SIZES), SIZES), min_size=1).map(",".join),
    st.text(alphabet="0123456789xKMG@-:,higlowcma "),
)


@given(st.lists(VALUES, max_size=4), st.integers(1, 1 << 45))
def test_any_values_make_a_reservation_or_a_value_error(values: list[str], ram_bytes: int) -> None:
    with contextlib.suppress(ValueError):
        assert resolve_crashkernel(values, ram_bytes).total_bytes >= 0
