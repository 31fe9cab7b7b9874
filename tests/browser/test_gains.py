# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings on the page of a report, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.tests.unit.plugins.plugin_utils._report.journals import Night, records_of

from .chromium import DESKTOP, PHONE, Browser
from .conftest import Page

RUN = Night(hosts=40, failures=0.08, refusals=0.08, seed=4)
OPENED = "document.querySelectorAll('details').forEach(e => e.open = true);"


@pytest.fixture(scope="module")
def found(page: Page) -> Path:
    return page(records_of(RUN))


@pytest.fixture(scope="module")
def redacted(page: Page) -> Path:
    return page(records_of(RUN), redact=True)


def test_they_are_ranked(browser: Browser, found: Path) -> None:
    browser.open(found)
    rows = browser.ask(
        """
        const width = e => e ? e.getBoundingClientRect().width : 0;
        return [...document.querySelectorAll('#gains tbody tr, #gains table > tr')].map(e =>
          [e.querySelector('th .faint').textContent, width(e.querySelector('.p-gain')), width(e.querySelector('td.wide'))])
        """
    )
    assert [code for code, _width, _room in rows] == ["STOP_TIMEOUT", "DHCP", "CONSOLE_SERIAL", "START_SLOW", "SMP_BRINGUP"]
    widths = [width for _code, width, _room in rows]
    assert widths == sorted(widths, reverse=True) and widths[3] > 0 and widths[4] == 0, "whose gain is unknown"
    assert all(width <= room for _code, width, room in rows)


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_all_of_it_can_be_read(browser: Browser, found: Path, screenshots: Path, screen: tuple[int, int], dark: bool) -> None:
    """What to do is no less needed on a phone, and nothing lies beside the screen."""
    browser.open(found, screen, dark=dark)
    browser.ask(OPENED)
    hidden, outside = browser.ask(
        """
        const texts = [...document.querySelectorAll(':is(#gains, .found) :is(p, th, td, span)')];
        const full = texts.filter(e => e.textContent.trim() && !e.closest('thead'));
        const boxes = full.map(e => [e.textContent, e.getBoundingClientRect()]);
        return [boxes.filter(([_text, box]) => !box.width || !box.height).map(([text]) => text),
                boxes.filter(([_text, box]) => box.left < 0 || box.right > innerWidth).map(([text]) => text)]
        """
    )
    assert (hidden, outside) == ([], [])
    assert browser.ask("return document.documentElement.scrollWidth") == screen[0]
    assert "TimeoutStopSec=5s" in browser.ask("return document.querySelector('#gains').innerText")
    assert "TimeoutStopSec=5s" in browser.ask("return document.querySelector('.found').innerText")
    name = "gains-%s-%s.png" % ("phone" if screen == PHONE else "desktop", "dark" if dark else "light")
    assert browser.shoot(screenshots / name, "#gains")


def test_they_are_printed(browser: Browser, found: Path) -> None:
    browser.open(found, dark=True, media="print")
    assert browser.ask("return document.querySelector('#gains').checkVisibility()")
    assert browser.ask("return [...document.querySelectorAll('.found')].every(e => e.checkVisibility())")
    assert browser.ask("return document.querySelectorAll('.found').length") > 3


def test_they_name_nobody_when_redacted(browser: Browser, found: Path, redacted: Path) -> None:
    text = "return [...document.querySelectorAll('#gains, .found')].map(e => e.innerText).join()"
    names = r"home-alice|vlan-berlin|ttyS0"
    for page, expected in ((found, True), (redacted, False)):
        browser.open(page)
        browser.ask(OPENED)
        assert bool(re.search(names, browser.ask(text))) is expected
    assert "postgresql@instance-1.service" in browser.ask(text)
