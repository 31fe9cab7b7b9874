# SPDX-License-Identifier: GPL-3.0-or-later
"""The page and its JSON: nothing in them is anything but text, and they stay small."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import events
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.figures import Figures, figures_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.page import render
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.read import RunReport, read_run, run_from_records
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.values import as_json, values_of

from .. import stories
from .journals import HOSTILE, Night, Timed, big, host_timeline, hostile_run, records_of, stamped, write_journal

# What pages are made of.
_KNOWN = """
html head meta title style link body svg defs pattern rect path line circle g text header footer section article div p
h1 h2 h3 h4 b bdi span ul li table caption thead tbody tr th td details summary pre
"""
_ATTRIBUTES = """
lang charset name content http-equiv rel href class id width height title viewbox preserveaspectratio role aria-label
aria-hidden x y x1 x2 y1 y2 dx cx cy r rx d text-anchor patternunits scope open data-name
"""


class Elements(HTMLParser):
    """Counts elements, and keeps what belongs to no page of ours."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: dict[str, int] = {}
        self.strange: list[str] = []
        self.text: list[str] = []
        self.open: list[str] = []

    KNOWN = frozenset(_KNOWN.split())
    VOID = frozenset(("meta", "link"))
    ATTRIBUTES = frozenset(_ATTRIBUTES.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        if tag not in self.KNOWN:
            self.strange.append(tag)
        self.strange += ["%s %s" % (tag, name) for name, _value in attrs if name not in self.ATTRIBUTES]
        self.strange += [str(value) for name, value in attrs if name == "href" and value != "data:,"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.strange.append("/" + tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(page: str) -> Elements:
    elements = Elements()
    elements.feed(page)
    elements.close()
    assert elements.strange == []
    assert elements.open == []
    return elements


def made(timed: list[Timed]) -> tuple[RunReport, Figures]:
    run = run_from_records(stamped(timed))
    return run, figures_of(run, {})


def test_nothing_hostile_becomes_anything_but_text() -> None:
    run, figures = made(hostile_run())
    page = render(run, figures, made(hostile_run()))
    elements = parsed(page)
    assert elements.tags["html"] == elements.tags["body"] == elements.tags["style"] == elements.tags["title"] - _titles(page) == 1
    # It is there, for people to read.
    text = "".join(elements.text)
    assert "<script>alert(1)</script>" in text
    assert "{{ 7 * 7 }}" in text
    # And nothing is there that acts on what shows it.
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]", page)


def _titles(page: str) -> int:
    """Of bars."""
    return page.count("<title>") - 1


def test_hostile_texts_in_json_are_the_very_texts() -> None:
    run, figures = made(hostile_run())
    text = as_json(values_of(run, figures))
    assert text.isascii()
    values = json.loads(text)
    assert {each["host"] for each in values["hosts"]} == set(HOSTILE)


def test_the_page_forbids_itself_everything_but_its_style() -> None:
    page = render(*made(records_of(Night(hosts=3))))
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert style and policy
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy[1] == "default-src 'none'; style-src 'sha256-%s'; img-src data:" % digest
    assert " style=" not in page and "<script" not in page and not re.search(r"https?://", page)


def test_the_page_is_the_same_every_time() -> None:
    timed = records_of(Night(hosts=40))
    assert render(*made(timed)) == render(*made(timed))


def test_what_is_on_the_page() -> None:
    page = render(
        *made(records_of(Night(hosts=40, failures=0.1, refusals=0.1, seed=3))), made(records_of(Night(seed=2, run_id="before")))
    )
    elements = parsed(page)
    text = " ".join(" ".join(elements.text).split())
    for expected in (
        "of 40 hosts rebooted",
        "host-hours saved against firmware",
        "all limits were kept",
        "REBOOT_TIMEOUT",
        "Look at the console of the host",
        "nvme nvme0: I/O 0 QID 0 timeout",
        "LOCKDOWN",
        "PowerEdge R7625",
        "postgresql@16-main.service",
        "Compared with before",
        "Times are UTC",
        "beyond their p95",
        "What would shorten the outage most",
        "Units killed at their stop timeout STOP_TIMEOUT",
        "What would have shortened it",
        "vlan-berlin",
    ):
        assert expected in text, expected
    for number in range(1, 41):
        assert "web%02d" % number in text


def test_the_tile_of_paths_counts_unknown_ones_apart() -> None:
    timed = records_of(Night(hosts=3, failures=0, refusals=0, firmware=1, timelines=0))
    assert "unknown path" not in " ".join(parsed(render(*made(timed))).text)
    elsewhere = [(at_s, dict(record, path="unknown") if record.get("path") == "firmware" else record) for at_s, record in timed]
    assert "0 through firmware, 3 by an unknown path" in " ".join(parsed(render(*made(elsewhere))).text)


def test_what_is_not_known_is_said_to_be() -> None:
    timed = records_of(Night(hosts=3, failures=0, refusals=0, firmware=0, timelines=0))[:-1]
    text = " ".join(parsed(render(*made(timed))).text)
    assert "n/a" in text and "no comparable reboot through firmware was measured" in text
    assert "no timeline, only what the controller saw" in text
    assert "Not ended" in text and "The journal has no end" in text


@pytest.mark.parametrize(
    "timed",
    [
        [(0.0, stories.started([]))],
        [(0.0, stories.started(["web1"]))],
        [(0.0, stories.started(["web1"])), (0.0, events.HostPreparing(host="web1").as_record())],
        [(0.0, dict(stories.started(["web1"]), waves=[])), (1.0, events.HostPreparing(host="web1").as_record())],
        [(float(at_s), record) for at_s, record in enumerate(stories.night())],
        [(0.0, stories.started(["web1"])), (1.0, host_timeline("web1", {"path": "kexec", "start": "", "phases": []}))],
    ],
)
def test_runs_of_which_there_is_little_to_say(timed: list[Timed]) -> None:
    run, figures = made(timed)
    parsed(render(run, figures, (run, figures)))
    json.loads(as_json(values_of(run, figures, (run, figures))))


def test_a_thousand_hosts_are_rendered_quickly_and_the_page_is_small(tmp_path: Path) -> None:
    journal = write_journal(tmp_path, big(1000))
    began = time.process_time()
    run = read_run(str(journal))
    page = render(run, figures_of(run, {}))
    took_s = time.process_time() - began
    assert took_s < 5, took_s
    assert len(page.encode()) < 5_000_000
    elements = parsed(page)
    # Rows are few elements, however many hosts there are; all hosts are in the table.
    assert elements.tags["rect"] < 1500
    text = " ".join(elements.text)
    assert all("web%04d" % number in text for number in range(1, 1001))
    assert elements.tags["article"] < 25


def test_ten_thousand_hosts_do_not_fall_over(tmp_path: Path) -> None:
    run = read_run(str(write_journal(tmp_path, big(10_000, timelines=0.02))))
    figures = figures_of(run, {})
    page = render(run, figures)
    assert len(page.encode()) < 5_000_000
    assert "Each row stands for 9 hosts" in page
    assert len(values_of(run, figures)["hosts"]) == 10_000


DOCUMENTATION = (Path(__file__).resolve().parents[5] / "docs/report.md").read_text()


def documented(after: str, before: str) -> set[str]:
    """Names in the first column of a table between two headings."""
    part = DOCUMENTATION.split(after)[1].split(before)[0]
    return {name for row in re.findall(r"^\| (`.*?) \|", part, re.MULTILINE) for name in re.findall(r"`([a-z_]+)`", row)}


def test_what_is_written_is_documented() -> None:
    run, figures = made(records_of(Night(hosts=40, failures=0.1, refusals=0.1)))
    values = values_of(run, figures, (run, figures))
    assert values.keys() == documented("## JSON", "`figures`:")
    assert values["figures"].keys() == documented("`figures`:", "A spread is")
    for name in ("run", "budget", "outage", "saved"):
        known = values.get(name) or values["figures"][name]
        assert all("`%s`" % field in DOCUMENTATION for field in known), name
