# SPDX-License-Identifier: GPL-3.0-or-later
"""The recording of the live view is that of the live view as it is, and plays."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

from ansible_collections.fleet.kexec.tests import picture
from ansible_collections.fleet.kexec.tests.recording import Written, as_cast, as_svg

DOCS = Path(__file__).parents[2] / "docs"


def test_the_recording_is_of_the_live_view_as_it_is() -> None:
    header, *events = map(json.loads, (DOCS / "live.cast").read_text().splitlines())
    assert (header["version"], header["width"], header["height"]) == (2, picture.COLUMNS, picture.LINES)
    said = "".join(text for _at_s, _kind, text in events).replace("\r\n", "\n")
    assert said == "".join(each.text for each in picture.recorded()), "make it anew: make picture"


def test_times_ascend_and_everything_is_output() -> None:
    events = [json.loads(line) for line in as_cast(picture.recorded(), 100, 28, "t").splitlines()[1:]]
    assert [at_s for at_s, _kind, _text in events] == sorted(at_s for at_s, _kind, _text in events)
    assert {kind for _at_s, kind, _text in events} == {"o"} and events[-1][0] < 60


def test_a_picture_that_moves_shows_each_screen_at_its_time() -> None:
    written = [
        Written(0.0, "a <b>&\n"),
        Written(1.0, "\r\x1b[31mx\x1b[0m red\x1b[K\n\x1b[J"),
        Written(1.5, "\r\x1b[1A\x1b[Jgone"),
    ]
    svg = as_svg(written, 20, 5, 'a "title"', 4.0)
    root = ElementTree.fromstring(svg)
    texts = ["".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["a <b>&", "x red", "gone"]
    assert root.get("aria-label") == 'a "title"' and '<tspan class="bad">x</tspan>' in svg
    assert re.findall(r"([\d.]+)%\{transform", svg) == ["0.00", "25.00", "37.50"]


def test_what_is_shown_is_said_to_be_simulated() -> None:
    started = picture.simulated()[0][1]
    assert started["settings"]["reason"].startswith("A simulation") and "simulated" in picture.TITLE
    assert "simulated" in (DOCS / "live.svg").read_text()[:500]
