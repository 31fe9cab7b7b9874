# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._report.charts import layout
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.charts.layout import NAMED_ROWS, RowSize


@pytest.mark.parametrize(
    ("rows", "size"), [(0, NAMED_ROWS), (60, NAMED_ROWS), (61, RowSize(16, 15)), (500, RowSize(2, 2)), (1200, RowSize(1, 1))]
)
def test_more_rows_are_lower(rows: int, size: RowSize) -> None:
    assert layout.row_size(rows) == size


@pytest.mark.parametrize(("hosts", "every"), [(0, 0), (1, 1), (1200, 1), (1201, 2), (10_000, 9)])
def test_rows_stand_for_several_hosts_where_there_are_many(hosts: int, every: int) -> None:
    assert layout.hosts_per_row(hosts) == every


@pytest.mark.parametrize(("value_s", "text"), [(0, "0"), (0.25, "250 ms"), (1.5, "1.5 s"), (90, "90 s"), (180, "3m")])
def test_labels_of_times(value_s: float, text: str) -> None:
    assert layout.seconds(value_s) == text
