# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from ansible_collections.fleet.kexec.plugins.plugin_utils._report import svg
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.svg import Axis, Bar

AXIS = Axis(0.0, 200.0)


@given(st.text())
def test_no_text_ends_an_element_or_an_attribute(text: str) -> None:
    made = svg.one_bar(text, AXIS, Bar(0, 1, 0, 1), text) + svg.text("x", AXIS, 0, 0, text)
    root = ElementTree.fromstring("<svg>%s</svg>" % made)
    assert [child.tag for child in root.iter()] == ["svg", "rect", "title", "text"][: len(list(root.iter()))]
    assert set(root[0].attrib) == {"class", "x", "y", "width", "height"}


def test_texts_are_escaped_and_elements_are_not() -> None:
    made = svg.element("g", {"class": '"><script>', "skipped": None}, "<b>&", Markup("<i/>"))
    assert made == '<g class="&#34;&gt;&lt;script&gt;">&lt;b&gt;&amp;<i/></g>'


@pytest.mark.parametrize(
    ("value", "written"), [(0.0, "0"), (1.5, "1.5"), (100.0, "100"), (0.125, "0.12"), (-3.0, "-3"), (1234567.0, "1234567")]
)
def test_numbers(value: float, written: str) -> None:
    assert svg.number(value) == written


def test_bars_of_one_kind_are_one_element() -> None:
    made = svg.bars("down", AXIS, [Bar(0, 100, 0, 3), Bar(50, 200, 4, 3)])
    assert made == '<path class="down" d="M0 0h5000v3h-5000zM2500 4h7500v3h-7500z"/>'
    assert svg.bars("down", AXIS, []) == ""
    # What takes no time is still seen.
    assert "h4v3h-4z" in svg.bars("down", AXIS, [Bar(7, 7, 0, 3)])


def test_a_bar_is_where_it_should_be() -> None:
    made = svg.one_bar("down", AXIS, Bar(50, 150, 4, 12), "web1: down")
    assert made == '<rect class="down" x="25%" y="4" width="50%" height="12"><title>web1: down</title></rect>'


def test_an_area_below_steps() -> None:
    made = svg.step_area("out", AXIS, [(0, 0), (50, 1), (100, 2), (150, 0)], highest=2, height=100)
    assert made == '<path class="out" d="M0 100H0V100H2500V50H5000V0H7500V100H10000V100z"/>'


@pytest.mark.parametrize(
    ("start", "end", "ticks"),
    [
        (0, 0.25, [0, 0.05, 0.1, 0.15, 0.2, 0.25]),
        (0, 59, [0, 10, 20, 30, 40, 50]),
        (0, 61, [0, 15, 30, 45, 60]),
        (0, 3600, [0, 600, 1200, 1800, 2400, 3000, 3600]),
        (0, 10 * 604_800, [604_800.0 * week for week in range(11)]),
        (5, 5, [5]),
    ],
)
def test_ticks_are_at_round_times(start: float, end: float, ticks: list[float]) -> None:
    assert Axis(start, end).time_ticks() == pytest.approx(ticks)


def test_ticks_are_counted_from_an_origin() -> None:
    # It is 01:58:30 at 0.
    assert Axis(0.0, 200.0, -(1 * 3600 + 58 * 60 + 30)).time_ticks(4) == [30, 90, 150]


@given(st.floats(0, 1e9), st.floats(0.001, 1e7), st.integers(2, 9))
def test_there_are_never_too_many_ticks(start: float, length: float, most: int) -> None:
    ticks = Axis(start, start + length).time_ticks(most)
    assert len(ticks) <= max(most + 1, length / 604_800 + 2)


@pytest.mark.parametrize("highest", [1, 1.25, 2.5, 5, 12.5, 62.5, 1250, 12_500])
def test_counts_have_whole_ticks(highest: float) -> None:
    ticks = Axis(0, highest).count_ticks()
    assert 2 <= len(ticks) <= 5
    assert all(tick == int(tick) for tick in ticks)


def test_what_is_beyond_an_axis_is_at_its_end() -> None:
    assert (AXIS.fraction(-5), AXIS.fraction(500)) == (0, 1)
    assert Axis(3, 3).fraction(7) == 0
