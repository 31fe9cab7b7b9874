# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts as SVG (https://www.w3.org/TR/SVG2/): the one place that writes it.

Everything that comes in as a str is cleaned and escaped as it is put in, so that
no name can end an attribute or begin an element. Colours are the style sheet's,
by class.

A chart is as wide as there is room: what lies along its width is in percent, or
in a nested SVG that is stretched. Its height, and its letters, stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from .._text import clean

# Width of a stretched drawing, in its own units: finer than any screen.
_WIDTH = 10_000

_TIME_STEPS_S = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400),
)


def element(tag: str, attributes: Mapping[str, object], *children: Markup | str) -> Markup:
    """An element.

    :param attributes: an underscore in a name stands for a dash; those that are None are left out.
    :param children: elements, and texts, which are escaped.
    """
    written = "".join(
        ' %s="%s"' % (name.replace("_", "-"), escape(_value(value))) for name, value in attributes.items() if value is not None
    )
    inner = "".join(child if isinstance(child, Markup) else escape(clean(child)) for child in children)
    return Markup("<%s%s>%s</%s>" % (tag, written, inner, tag) if inner else "<%s%s/>" % (tag, written))  # noqa: S704


def _value(value: object) -> str:
    return number(value) if isinstance(value, float) else clean(str(value))


def number(value: float) -> str:
    """A number, no longer than it has to be."""
    text = "%.2f" % value
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True)
class Axis:
    """What lies along the width of a chart.

    :ivar origin: value that ticks are counted from, such as midnight for a time of day.
    """

    start: float
    end: float
    origin: float = 0.0

    def fraction(self, value: float) -> float:
        """Where a value lies, from 0 to 1; what is beyond an end is at it."""
        if self.end <= self.start:
            return 0.0
        return min(1.0, max(0.0, (value - self.start) / (self.end - self.start)))

    def percent(self, value: float) -> str:
        """Where a value lies, for an attribute."""
        return number(self.fraction(value) * 100) + "%"

    def units(self, value: float) -> str:
        """Where a value lies in a stretched drawing."""
        return "%d" % round(self.fraction(value) * _WIDTH)

    def time_ticks(self, most: int = 6) -> list[float]:
        """Round values, in seconds, at which to draw a line."""
        return self._ticks(next((step for step in _TIME_STEPS_S if (self.end - self.start) / step <= most), 604_800))

    def count_ticks(self, most: int = 4) -> list[float]:
        """Round whole values."""
        step = 1
        while (self.end - self.start) / step > most:
            digits = str(step)
            step = step * 5 // 2 if digits[0] == "2" else step * 2
        return self._ticks(step)

    def _ticks(self, step: float) -> list[float]:
        first = -int(-(self.start - self.origin) / step // 1)
        last = int((self.end - self.origin) / step // 1)
        ticks = [self.origin + index * step for index in range(first, last + 1)]
        return [tick for tick in ticks if self.start <= tick <= self.end]


@dataclass(frozen=True)
class Bar:
    """A bar from one value to another.

    :ivar top: in pixels from the top of the chart.
    """

    start: float
    end: float
    top: float
    height: float


def chart(height: float, label: str, *children: Markup) -> Markup:
    """A chart, so many pixels high.

    :param label: what it shows, for those who can't see it.
    """
    attributes = {"class": "chart", "width": "100%", "height": float(height), "role": "img", "aria_label": label}
    return element("svg", attributes, *children)


def swatch(css: str, *, thin: bool = False) -> Markup:
    """A sample for a legend, of a bar or of a line."""
    attributes = {"class": "swatch", "width": 14, "height": 12, "aria_hidden": "true"}
    shape = {"class": css, "width": 14, "y": 5 if thin else 0, "height": 2 if thin else 12, "rx": None if thin else 2}
    return element("svg", attributes, element("rect", shape))


def stretched(height: float, *children: Markup, flat: bool = False) -> Markup:
    """A drawing in the units of :meth:`Axis.units`, stretched to the width of the chart.

    :param flat: colours in place of patterns, for bars that are too low for them.
    """
    attributes = {
        "class": "flat" if flat else None,
        "width": "100%",
        "height": float(height),
        "viewBox": "0 0 %d %s" % (_WIDTH, number(height)),
        "preserveAspectRatio": "none",
    }
    return element("svg", attributes, *children)


def one_bar(css: str, axis: Axis, shape: Bar, title: str) -> Markup:
    """One bar, which tells something to whoever points at it."""
    attributes = {
        "class": css,
        "x": axis.percent(shape.start),
        "y": float(shape.top),
        "width": number((axis.fraction(shape.end) - axis.fraction(shape.start)) * 100) + "%",
        "height": float(shape.height),
    }
    return element("rect", attributes, element("title", {}, title))


def bars(css: str, axis: Axis, shapes: Iterable[Bar]) -> Markup:
    """Many bars alike, for a stretched drawing: one element, however many they are."""
    parts = []
    for shape in shapes:
        left, right = round(axis.fraction(shape.start) * _WIDTH), round(axis.fraction(shape.end) * _WIDTH)
        # Something is never drawn as nothing.
        parts.append("M%d %sh%dv%sh-%dz" % (left, number(shape.top), *_box(right - left, shape.height)))
    return element("path", {"class": css, "d": "".join(parts)}) if parts else Markup()


def _box(width: int, height: float) -> tuple[int, str, int]:
    width = max(width, 4)
    return width, number(height), width


def line(css: str, axis: Axis, value: float, top: float, bottom: float) -> Markup:
    """A line from top to bottom at a value."""
    at = axis.percent(value)
    return element("line", {"class": css, "x1": at, "x2": at, "y1": float(top), "y2": float(bottom)})


def across(css: str, axis: Axis, start: float, end: float, top: float) -> Markup:
    """A level line from one value to another."""
    attributes = {"class": css, "x1": axis.percent(start), "x2": axis.percent(end), "y1": float(top), "y2": float(top)}
    return element("line", attributes)


def error_bar(axis: Axis, value: float, error: float, top: float, height: float) -> Markup:
    """How far a value may be off: a line with an end on both sides."""
    low, high, middle = value - error, value + error, top + height / 2
    return element(
        "g",
        {"class": "error"},
        across("error", axis, low, high, middle),
        line("error", axis, low, middle - 3, middle + 3),
        line("error", axis, high, middle - 3, middle + 3),
    )


def dot(css: str, axis: Axis, value: float, y: float, radius: float = 2.5) -> Markup:
    """A point."""
    return element("circle", {"class": css, "cx": axis.percent(value), "cy": float(y), "r": float(radius)})


def text(css: str, axis: Axis, value: float, y: float, words: str, *, before: bool | None = None, shift: float = 0.0) -> Markup:
    """A text at a value.

    :param before: whether it ends there, rather than begins; by itself where it would run out of the chart.
    :param shift: pixels between the value and the text.
    """
    ends = axis.fraction(value) > 0.6 if before is None else before
    attributes = {
        "class": css,
        "x": axis.percent(value),
        "y": float(y),
        "dx": float(-shift if ends else shift),
        "text_anchor": "end" if ends else None,
    }
    return element("text", attributes, words)


def tick_labels(axis: Axis, labels: Sequence[tuple[float, str]], y: float) -> Markup:
    """Labels below ticks; those at the ends stay inside. Most can be left out where there is little room."""
    made = []
    step = -(-len(labels) // 3)
    for at, (value, label) in enumerate(labels):
        fraction = axis.fraction(value)
        attributes = {
            "class": "tick minor" if at % step else "tick",
            "x": axis.percent(value),
            "y": float(y),
            "text_anchor": "start" if fraction < 0.04 else "end" if fraction > 0.96 else "middle",
        }
        made.append(element("text", attributes, label))
    return Markup().join(made)


def step_area(css: str, axis: Axis, points: Sequence[tuple[float, float]], highest: float, height: float) -> Markup:
    """What is below a stepped line, for a stretched drawing.

    :param points: where a step is, and how high it goes from there on to the next; the last one goes to the end.
    :param highest: value at the top.
    """
    parts = ["M0 %s" % number(height)]
    for start, value in points:
        parts.append("H%sV%s" % (axis.units(start), number(height - height * value / highest)))
    parts.append("H%dV%sz" % (_WIDTH, number(height)))
    return element("path", {"class": css, "d": "".join(parts)})


def step_line(css: str, axis: Axis, points: Sequence[tuple[float, float]], highest: float, height: float) -> Markup:
    """A stepped line, for a stretched drawing; C(points) and C(highest) as for :func:`step_area`."""
    if not points:
        return Markup()
    parts: list[str] = []
    for start, value in points:
        y = number(height - height * value / highest)
        parts.append("H%sV%s" % (axis.units(start), y) if parts else "M%s %s" % (axis.units(start), y))
    parts.append("H%d" % _WIDTH)
    return element("path", {"class": css, "d": "".join(parts)})
