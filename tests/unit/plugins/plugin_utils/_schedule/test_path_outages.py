# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.path_outages import PathOutages

OUTAGES = PathOutages(
    {
        ("soft", "R650"): [7.0, 5.0, 6.0],
        ("kexec", "R650"): [15.0],
        ("firmware", "R650"): [240.0],
        ("firmware", "R750"): [300.0],
        ("kexec", "R750"): [],
        ("unknown", "R650"): [1.0],
    }
)


def test_what_a_lesser_method_saves_is_the_difference_of_the_medians() -> None:
    assert OUTAGES.saved_s("soft", "R650") == {"kexec": 9.0, "firmware": 234.0}
    assert OUTAGES.saved_s("kexec", "R650") == {"firmware": 225.0}
    assert OUTAGES.saved_s("firmware", "R650") == {}


def test_a_host_that_is_not_rebooted_is_spared_all_of_it() -> None:
    assert OUTAGES.saved_s(None, "R650") == {"soft": 6.0, "kexec": 15.0, "firmware": 240.0}
    assert OUTAGES.saved_s(None, "R750") == {"firmware": 300.0}


def test_nothing_is_guessed_from_other_classes() -> None:
    assert OUTAGES.saved_s("soft", "R750") == OUTAGES.saved_s("kexec", "R750") == OUTAGES.saved_s("soft", "") == {}
