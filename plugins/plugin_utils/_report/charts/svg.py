# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shapes and texts of charts as SVG (https://www.w3.org/TR/SVG2/). No other module writes SVG.

Every str is cleaned and escaped, so no name can end an attribute or begin an element. Colours come from the style sheet, by
class.

A chart takes the available width: positions along it are in percent, or in a nested SVG that is stretched. Its height and its
letters keep their size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from ..._text import clean
from .scale import Scale

# Width of a stretched drawing in its own units, finer than any screen.
_WIDTH = 10_000


def element(tag: str, attributes: Mapping[str, object], *children: Markup | str) -> Markup:
    """Write an element.

    :param attributes: underscores in names stand for dashes; None leaves an attribute out.
    """
    written = "".join(
        ' %s="%s"' % (name.replace("_", "-"), escape(_value(value))) for name, value in attributes.items() if value is not None
    )
    inner = "".join(child if isinstance(child, Markup) else escape(clean(child)) for child in children)
    return Markup("<%s%s>%s</%s>" % (tag, written, inner, tag) if inner else "<%s%s/>" % (tag, written))  # noqa: S704


def _value(value: object) -> str:
    return number(value) if isinstance(value, float) else clean(str(value))


def number(value: float) -> str:
    """Format a number with at most two decimals, and no trailing zeros."""
    text = "%.2f" % value
    return text.rstrip("0").rstrip(".") if "." in text else text


def _percent(scale: Scale, value: float) -> str:
    return number(scale.fraction(value) * 100) + "%"


def _units(scale: Scale, value: float) -> int:
    return round(scale.fraction(value) * _WIDTH)


@dataclass(frozen=True)
class Bar:
    """Bar from one value to another; top and height are in pixels."""

    start: float
    end: float
    top: float
    height: float


def chart(height: float, label: str, *children: Markup) -> Markup:
    """Frame a chart C(height) pixels high; C(label) describes it to screen readers."""
    attributes = {"class": "chart", "width": "100%", "height": float(height), "role": "img", "aria_label": label}
    return element("svg", attributes, *children)


def margin(height: float, *labels: Markup, width_px: int | None = None) -> Markup:
    """Column of labels to the left of a chart, hidden from screen readers; without C(width_px) it takes the available width."""
    width = "100%" if width_px is None else width_px
    return element("svg", {"class": "chart", "width": width, "height": float(height), "aria_hidden": "true"}, *labels)


def stretched(height: float, *children: Markup, flat: bool = False) -> Markup:
    """Drawing stretched to the width of the chart, for :func:`bars`, :func:`step_area` and :func:`step_line`.

    :param flat: use colours instead of patterns, for bars that are too low for them.
    """
    attributes = {
        "class": "flat" if flat else None,
        "width": "100%",
        "height": float(height),
        "viewBox": "0 0 %d %s" % (_WIDTH, number(height)),
        "preserveAspectRatio": "none",
    }
    return element("svg", attributes, *children)


def swatch(css: str, *, thin: bool = False) -> Markup:
    """Sample of a bar for a legend, or of a line if it is thin."""
    attributes = {"class": "swatch", "width": 14, "height": 12, "aria_hidden": "true"}
    shape = {"class": css, "width": 14, "y": 5 if thin else 0, "height": 2 if thin else 12, "rx": None if thin else 2}
    return element("svg", attributes, element("rect", shape))


def one_bar(css: str, scale: Scale, shape: Bar, title: str) -> Markup:
    """Draw a bar with a tooltip."""
    attributes = {
        "class": css,
        "x": _percent(scale, shape.start),
        "y": float(shape.top),
        "width": number((scale.fraction(shape.end) - scale.fraction(shape.start)) * 100) + "%",
        "height": float(shape.height),
    }
    return element("rect", attributes, element("title", {}, title))


def bars(css: str, scale: Scale, shapes: Iterable[Bar]) -> Markup:
    """Draw bars of one colour as one element, for a stretched drawing."""
    parts = []
    for shape in shapes:
        left, right = _units(scale, shape.start), _units(scale, shape.end)
        # Keeps the shortest bar visible.
        width = max(right - left, 4)
        parts.append("M%d %sh%dv%sh-%dz" % (left, number(shape.top), width, number(shape.height), width))
    return element("path", {"class": css, "d": "".join(parts)}) if parts else Markup()


def vertical(css: str, scale: Scale, value: float, top: float, bottom: float) -> Markup:
    at = _percent(scale, value)
    return element("line", {"class": css, "x1": at, "x2": at, "y1": float(top), "y2": float(bottom)})


def horizontal(css: str, scale: Scale, start: float, end: float, y: float) -> Markup:
    attributes = {"class": css, "x1": _percent(scale, start), "x2": _percent(scale, end), "y1": float(y), "y2": float(y)}
    return element("line", attributes)


def rule(css: str, y: float) -> Markup:
    """Draw a horizontal line across the whole chart."""
    return element("line", {"class": css, "x1": "0", "x2": "100%", "y1": float(y), "y2": float(y)})


def error_bar(scale: Scale, value: float, error: float, top: float, height: float) -> Markup:
    """Draw a line from the lowest to the highest value that the error allows."""
    low, high, middle = value - error, value + error, top + height / 2
    return element(
        "g",
        {"class": "error"},
        horizontal("error", scale, low, high, middle),
        vertical("error", scale, low, middle - 3, middle + 3),
        vertical("error", scale, high, middle - 3, middle + 3),
    )


def dot(css: str, scale: Scale, value: float, y: float, radius: float = 2.5) -> Markup:
    return element("circle", {"class": css, "cx": _percent(scale, value), "cy": float(y), "r": float(radius)})


def step_area(css: str, scale: Scale, points: Sequence[tuple[float, float]], highest: float, height: float) -> Markup:
    """Draw the area below a stepped line, for a stretched drawing.

    :param points: start and level of each step, which lasts until the next step or the end.
    :param highest: level at the top of the drawing.
    """
    parts = ["M0 %s" % number(height)]
    for start, level in points:
        parts.append("H%dV%s" % (_units(scale, start), number(height - height * level / highest)))
    parts.append("H%dV%sz" % (_WIDTH, number(height)))
    return element("path", {"class": css, "d": "".join(parts)})


def step_line(css: str, scale: Scale, points: Sequence[tuple[float, float]], highest: float, height: float) -> Markup:
    """Draw a stepped line, with the parameters of :func:`step_area`."""
    if not points:
        return Markup()
    parts: list[str] = []
    for start, level in points:
        y = number(height - height * level / highest)
        parts.append(("H%dV%s" if parts else "M%d %s") % (_units(scale, start), y))
    parts.append("H%d" % _WIDTH)
    return element("path", {"class": css, "d": "".join(parts)})


def room_behind(scale: Scale, value: float) -> bool:
    """Whether there is room for a short text to the right of a value."""
    return scale.fraction(value) <= 0.6


def text(css: str, scale: Scale, value: float, y: float, words: str, *, before: bool | None = None, shift: float = 0.0) -> Markup:
    """Draw text at a value.

    :param before: whether it ends at the value instead of beginning there; None to decide by the available room.
    :param shift: pixels between the value and the text.
    """
    ends = not room_behind(scale, value) if before is None else before
    attributes = {
        "class": css,
        "x": _percent(scale, value),
        "y": float(y),
        "dx": float(-shift if ends else shift),
        "text_anchor": "end" if ends else None,
    }
    return element("text", attributes, words)


def margin_label(css: str, y: float, words: str) -> Markup:
    """Draw text at the right edge of a :func:`margin`."""
    return element("text", {"class": css, "x": "100%", "y": float(y), "text_anchor": "end"}, words)


def tick_labels(scale: Scale, labels: Sequence[tuple[float, str]], y: float) -> Markup:
    """Label ticks; labels at the ends stay inside the chart. Most are minor: a narrow screen leaves them out."""
    made = []
    step = -(-len(labels) // 3)
    for at, (value, label) in enumerate(labels):
        fraction = scale.fraction(value)
        attributes = {
            "class": "tick minor" if at % step else "tick",
            "x": _percent(scale, value),
            "y": float(y),
            "text_anchor": "start" if fraction < 0.04 else "end" if fraction > 0.96 else "middle",
        }
        made.append(element("text", attributes, label))
    return Markup().join(made)
