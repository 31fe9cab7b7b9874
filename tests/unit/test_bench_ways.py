# SPDX-License-Identifier: GPL-3.0-or-later
"""What reboots by several ways come to."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from ansible_collections.fleet.kexec.tests.bench.ways import (
    Reboot,
    Row,
    Silences,
    comparison,
    has_banner,
    preparable_ms,
    summarise,
    table,
)

REBOOTS = [
    Reboot("fast", outage_ms, 100, outage_ms / 1000 + 5, "kexec", {"kernel": 1000.0, "initrd": initrd_ms})
    for outage_ms, initrd_ms in ((9000, 500.0), (12000, 700.0), (10000, 600.0))
]


def test_medians_of_each_way() -> None:
    slow = Reboot("builtin", 40000, 1100, 60.0, "firmware", {"kernel": 4000.0})
    assert summarise([*REBOOTS, slow]) == [
        Row("fast", 3, 10000, 9000, 12000, 100, 15.0, 8400.0, {"kernel": 1000.0, "initrd": 600.0}),
        Row("builtin", 1, 40000, 40000, 40000, 1100, 60.0, 36000.0, {"kernel": 4000.0}),
    ]


def test_a_table_has_the_phases_that_there_are() -> None:
    header, _rule, row = table(summarise(REBOOTS)).splitlines()
    assert header.endswith("| until the kernel | kernel | initrd |")
    assert row == "| `fleet.kexec.reboot`, fast image | 3 | 10.0 | 9.0 to 12.0 | 15.0 | 8.4 | 1.0 | 0.6 |"


def test_the_gain_of_what_can_be_prepared() -> None:
    findings: list[dict[str, Any]] = [
        {"gain_ms": 2000.0, "prepare_boot": "ssh_early"},
        {"gain_ms": None, "prepare_boot": "initrd"},
        {"gain_ms": 5000.0, "prepare_boot": None},
    ]
    assert preparable_ms({"gain_ms": 6000.0}, findings) == 2000.0
    assert preparable_ms({"gain_ms": 1500.0}, findings) == 1500.0


def test_ways_are_compared_with_systemctl_kexec() -> None:
    outages = {"systemctl_kexec": 40000, "fast": 30000, "prepared": 18000, "soft": 10000}
    rows = summarise(Reboot(way, outage_ms, 100, 60.0, "kexec", {}, 11000.0) for way, outage_ms in outages.items())
    assert comparison(rows).splitlines() == [
        "Of the outage by systemctl kexec: with prepare_boot 0.45, soft 0.25",
        "prepare_boot and the slim initrd: predicted 11.0 s, gained 12.0 s",
    ]


def test_the_longest_silence_is_the_outage() -> None:
    silences = Silences(100.0)
    for at, up in [(100.5, True), (101.0, False), (101.5, True), (102.0, True), (102.5, False), (102.6, False), (110.0, True)]:
        silences.observe(at, up)
    assert silences.longest is not None
    assert (silences.longest.duration_ms, silences.longest.error_ms) == (8000, 500)


@pytest.mark.parametrize(
    ("said", "answers"), [(b"SSH-2.0-OpenSSH_10.0\r\n", True), (b"Exceeded MaxStartups\r\n", False), (b"", False)]
)
def test_only_a_banner_is_an_answer(said: bytes, answers: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask() -> bool:
        async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(said)
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0, family=socket.AF_INET) as server:
            monkeypatch.setattr("%s.SSH_PORT" % has_banner.__module__, server.sockets[0].getsockname()[1])
            return await has_banner("127.0.0.1")

    assert asyncio.run(ask()) is answers
