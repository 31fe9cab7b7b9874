# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from ansible_collections.fleet.kexec.plugins.plugin_utils._report.charts import svg
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.charts.scale import Scale
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.charts.svg import Bar

SCALE = Scale(0.0, 200.0)


@given(st.text())
def test_no_text_ends_an_element_or_an_attribute(text: str) -> None:
    made = svg.one_bar(text, SCALE, Bar(0, 1, 0, 1), text) + svg.text("x", SCALE, 0, 0, text)
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
    made = svg.bars("down", SCALE, [Bar(0, 100, 0, 3), Bar(50, 200, 4, 3)])
    assert made == '<path class="down" d="M0 0h5000v3h-5000zM2500 4h7500v3h-7500z"/>'
    assert svg.bars("down", SCALE, []) == ""
    # A bar of no length is still seen.
    assert "h4v3h-4z" in svg.bars("down", SCALE, [Bar(7, 7, 0, 3)])


def test_a_bar_is_where_it_should_be() -> None:
    made = svg.one_bar("down", SCALE, Bar(50, 150, 4, 12), "web1: down")
    assert made == '<rect class="down" x="25%" y="4" width="50%" height="12"><title>web1: down</title></rect>'


def test_an_area_below_steps() -> None:
    made = svg.step_area("out", SCALE, [(0, 0), (50, 1), (100, 2), (150, 0)], highest=2, height=100)
    assert made == '<path class="out" d="M0 100H0V100H2500V50H5000V0H7500V100H10000V100z"/>'
