# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.fleet.kexec.plugins.plugin_utils._report.charts.share import share_bar


def test_a_share_is_a_bar() -> None:
    made = share_bar(0.25, "p-kernel")
    assert 'aria-label="25 %"' in made and '<rect class="p-kernel" x="0%" y="1" width="25%" height="10">' in made


def test_the_smallest_share_can_be_seen() -> None:
    assert 'width="0.4%"' in share_bar(0.0, "p-kernel")
