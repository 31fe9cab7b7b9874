# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a report in a real browser: it shows everything, fetches nothing, and fits a telephone and a sheet of paper."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.tests.unit.plugins.plugin_utils._report.journals import (
    HOSTILE,
    Night,
    big,
    hostile_run,
    records_of,
)

from .chromium import DESKTOP, PHONE, Browser
from .conftest import Page

SIZES = ("three", "forty", "thousand", "hostile", "runs")


@pytest.fixture(scope="module")
def pages(page: Page, page_of_runs: Path) -> dict[str, Path]:
    """Pages of runs of all sizes, of one in which everything is hostile, and of many."""
    before = records_of(Night(seed=2, run_id="20261117T015830Z-77aa", slower=1.2))
    return {
        "three": page(records_of(Night(hosts=3, failures=0, refusals=0, firmware=0))),
        "forty": page(records_of(Night(hosts=40, failures=0.08, refusals=0.08, seed=4)), before),
        "thousand": page(big(1000)),
        "hostile": page(hostile_run()),
        "runs": page_of_runs,
    }


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_it_is_shown_and_fetches_nothing(
    browser: Browser, pages: dict[str, Path], screenshots: Path, size: str, screen: tuple[int, int]
) -> None:
    for dark in (False, True):
        browser.open(pages[size], screen, dark=dark)
        assert browser.said() == []
        assert browser.requested() == [pages[size].as_uri()]
        # No wider than the screen, whatever names are in it.
        assert browser.ask("return document.documentElement.scrollWidth") == screen[0]
        name = "%s-%s-%s.png" % (size, "phone" if screen == PHONE else "desktop", "dark" if dark else "light")
        assert shown(browser.shoot(screenshots / name))


def shown(picture: bytes) -> bool:
    """Whether a picture is of more than one colour, which an empty page would be."""
    data = b"".join(re.findall(rb"IDAT(.*?)(?=.{8}(?:IDAT|IEND))", picture, re.DOTALL))
    width, height = struct.unpack(">II", picture[16:24])
    # What is of one colour packs to nearly nothing.
    return len(zlib.decompressobj().decompress(data)) > 0 and len(picture) > width * height / 200


def test_the_rows_are_there(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["forty"])
    names = browser.ask("return [...document.querySelectorAll('#fleet .names div:not(.wave)')].map(e => e.textContent)")
    assert sorted(names) == ["web%02d" % number for number in range(1, 41)]
    # Beside each name its bars, at the same height.
    apart = browser.ask(
        """
        const rows = [...document.querySelectorAll('#fleet .names div:not(.wave)')].map(e => e.getBoundingClientRect());
        const bars = [...document.querySelectorAll('#fleet .plot > div:nth-child(2) rect.s-preparing')];
        const middle = box => (box.top + box.bottom) / 2;
        const apart = bars.map((e, at) => Math.abs(middle(e.getBoundingClientRect()) - middle(rows[at])));
        return [rows.length, bars.length, Math.max(...apart)]
        """
    )
    assert apart[0] == apart[1] == 40
    assert apart[2] < 2


def test_the_scale_of_unavailable_hosts_is_there(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["forty"])
    places = browser.ask(
        """
        const chart = document.querySelector('#fleet .capacity').getBoundingClientRect();
        return [...document.querySelectorAll('#fleet .scale text')].map(e => e.getBoundingClientRect())
          .map(box => chart.left - box.right)
        """
    )
    assert len(places) > 2 and all(0 <= apart < 20 for apart in places), places


def test_a_thousand_rows_are_there(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["thousand"])
    down = browser.ask("return document.querySelector('#fleet path.s-down').getAttribute('d')")
    refused = browser.ask("return document.querySelectorAll('.hosts tr.refused').length")
    assert down.count("M") == 1000 - refused
    assert browser.ask("return document.querySelectorAll('.hosts tr').length") == 1001
    assert browser.ask("return document.documentElement.scrollHeight") < 20_000


def overlapping(browser: Browser, selector: str) -> list[str]:
    """Texts that cover each other by more than a hair."""
    found: list[str] = browser.ask(
        """
        const texts = [...document.querySelectorAll(%r)].filter(e => getComputedStyle(e).display != 'none');
        const boxes = texts.map(e => e.getBoundingClientRect());
        const found = [];
        for (let i = 0; i < boxes.length; i++) for (let j = i + 1; j < boxes.length; j++) {
          const a = boxes[i], b = boxes[j];
          const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
          const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
          if (wide > 2 && high > 4) found.push(texts[i].textContent + ' / ' + texts[j].textContent);
        }
        return found
        """
        % selector
    )
    return found


@pytest.mark.parametrize("size", ["three", "forty", "thousand", "runs"])
@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_no_label_covers_another(browser: Browser, pages: dict[str, Path], size: str, screen: tuple[int, int]) -> None:
    browser.open(pages[size], screen)
    for selector in (".tick", "#fleet .mark", ".capacity text", "#fleet .wave-name", ".waterfall .value"):
        assert overlapping(browser, selector) == [], selector


@pytest.mark.parametrize("size", ["three", "forty", "thousand"])
@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_texts_stay_inside_of_the_page(browser: Browser, pages: dict[str, Path], size: str, screen: tuple[int, int]) -> None:
    browser.open(pages[size], screen)
    outside = browser.ask(
        """
        return [...document.querySelectorAll('svg text')].filter(e => {
          const box = e.getBoundingClientRect();
          return box.width && !e.closest('.scroll') && (box.left < 0 || box.right > innerWidth);
        }).map(e => e.textContent)
        """
    )
    assert outside == []


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_line_of_a_wave_ends_clear_of_its_text(browser: Browser, pages: dict[str, Path], screen: tuple[int, int]) -> None:
    browser.open(pages["three"], screen)
    ends = browser.ask(
        """
        const all = [...document.querySelectorAll('#fleet line.wave')];
        const lines = all.filter(e => e.getAttribute('x1') != e.getAttribute('x2'));
        return [...document.querySelectorAll('#fleet .wave-time')].map((e, at) =>
          lines[at].getBoundingClientRect().right - e.getBoundingClientRect().right)
        """
    )
    # The first text lies behind its line, the last one on it.
    assert len(ends) == 2 and ends[0] < 0 and ends[1] > 15, ends


def test_hostile_names_are_only_text(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["hostile"])
    elements = "document.scripts.length + document.images.length + document.querySelectorAll('iframe').length"
    assert browser.ask("return " + elements) == 0
    names = "[...document.querySelectorAll('*')].flatMap(e => [...e.attributes]).map(a => a.name)"
    assert browser.ask("return %s.filter(name => name.startsWith('on'))" % names) == []
    assert browser.ask("return document.styleSheets.length") == 1
    assert HOSTILE[0] in browser.ask("return document.body.textContent")


def test_the_policy_holds(browser: Browser, pages: dict[str, Path]) -> None:
    """What could still get in would do nothing."""
    browser.open(pages["three"])
    injected = browser.ask(
        """
        window.ran = false;
        const html = '<img src="x" onerror="window.ran = true"><p id="styled" style="color: red">';
        document.body.insertAdjacentHTML('beforeend', html);
        const script = document.createElement('script');
        script.textContent = 'window.ran = true';
        document.body.append(script);
        return [window.ran, getComputedStyle(document.getElementById('styled')).color]
        """
    )
    assert injected[0] is False and injected[1] != "rgb(255, 0, 0)"
    assert any("Content Security Policy" in said for said in browser.said())


def test_the_trend_links_to_the_page_of_a_run(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["runs"])
    assert browser.ask("return document.querySelectorAll('#outages rect.box').length") >= 12
    browser.ask("document.querySelector('.runs a').click()")
    assert browser.ask("return document.querySelector('h1').textContent") == "week11"


CONTRAST = """
const luminance = colour => {
  const linear = v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map(v => linear(v / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = e => {
  for (; e; e = e.parentElement) {
    const colour = getComputedStyle(e).backgroundColor;
    if (colour != 'rgba(0, 0, 0, 0)') return colour;
  }
  return 'rgb(255, 255, 255)';
};
const poor = {};
const texts = 'p, h1, h2, h3, h4, td, th, a, li, li *, summary, .badge, .state, .names div, pre, text';
for (const e of document.querySelectorAll(texts)) {
  const style = getComputedStyle(e);
  const svg = e.tagName == 'text';
  const one = luminance(svg ? style.fill : style.color);
  const two = luminance(ground(svg ? e.closest('div, td, article, section') : e));
  const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
  if (e.textContent.trim() && ratio < 4.5) poor[e.tagName + '.' + e.getAttribute('class')] = ratio;
}
return poor
"""


@pytest.mark.parametrize("size", ["forty", "runs"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_texts_have_contrast(browser: Browser, pages: dict[str, Path], size: str, dark: bool) -> None:
    """By WCAG 2.2, 1.4.3."""
    browser.open(pages[size], dark=dark)
    assert browser.ask(CONTRAST) == {}


# Texts of charts, with the lowest contrast against the shapes that they lie on; or against what is drawn around their letters,
# if that is wide enough to keep the shapes away.
ON_SHAPES = (
    CONTRAST.split("const ground", maxsplit=1)[0]
    + """
const contrast = (one, two) => {
  const [dark, light] = [luminance(one), luminance(two)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
};
// A tint of the ground is none; a pattern is the worst that it can be.
const shade = e => {
  const fill = getComputedStyle(e).fill;
  if (fill == 'none' || parseFloat((fill.match(/rgba\\(.*, ([\\d.]+)\\)/) || [0, 1])[1]) < 0.2) return [];
  return [fill.startsWith('rgb') ? fill : null];
};
const poor = {};
let seen = 0;
for (const text of document.querySelectorAll('.chart .mark, .chart .limit-name, .chart .wave-time, .chart .value')) {
  text.scrollIntoView({block: 'center'});
  const box = text.getBoundingClientRect(), style = getComputedStyle(text);
  const halo = style.paintOrder.startsWith('stroke') && parseFloat(style.strokeWidth) >= 8;
  for (let x = 0.05; x < 1; x += 0.15) {
    const under = document.elementsFromPoint(box.left + box.width * x, box.top + box.height / 2);
    const shades = under.filter(e => ['rect', 'path'].includes(e.tagName)).flatMap(shade);
    if (!shades.length) continue;
    seen++;
    const ratio = halo ? contrast(style.fill, style.stroke) : shades[0] ? contrast(style.fill, shades[0]) : 1;
    if (ratio < 4.5) poor[text.getAttribute('class') + ' ' + text.textContent] = ratio;
  }
}
return [seen, poor]
"""
)


@pytest.mark.parametrize("size", ["forty", "thousand"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_texts_on_shapes_have_contrast(browser: Browser, pages: dict[str, Path], size: str, dark: bool) -> None:
    for screen in (DESKTOP, PHONE):
        browser.open(pages[size], screen, dark=dark)
        seen, poor = browser.ask(ON_SHAPES)
        assert poor == {} and seen, (screen, poor)


def test_it_prints_light_and_with_everything_open(browser: Browser, pages: dict[str, Path], screenshots: Path) -> None:
    browser.open(pages["forty"], dark=True, media="print")
    assert browser.ask("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    browser.shoot(screenshots / "forty-print.png")
    closed = browser.ask(
        "return [...document.querySelectorAll('details')].filter(e => !e.querySelector('table, pre, p').checkVisibility()).length"
    )
    assert closed == 0
