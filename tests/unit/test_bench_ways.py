# SPDX-License-Identifier: GPL-3.0-or-later
"""What reboots by several ways come to."""

from __future__ import annotations

from ansible_collections.fleet.kexec.tests.bench.ways import Reboot, Row, summarise, table

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
    assert row == "| fleet.kexec, fast image | 3 | 10.0 | 9.0 to 12.0 | 15.0 | 8.4 | 1.0 | 0.6 |"
