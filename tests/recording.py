# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Recordings of a terminal: as asciinema keeps them, and as a picture that moves.

The format of the first is version 2 (https://docs.asciinema.org/manual/asciicast/v2/). The second is an SVG that a style sheet
animates: all frames below each other, of which one at a time is in view. Equal lines are drawn once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from xml.sax.saxutils import escape

from ansible_collections.fleet.kexec.tests.unit.plugins.plugin_utils._console.terminal import Terminal

# Pixels.
_CELL_WIDTH, _LINE_HEIGHT, _MARGIN = 8.4, 18, 12
# Select graphic rendition → class. The ratio of each colour to the ground is 4.5 or more.
_CLASSES = {32: "good", 31: "bad", 33: "alert", 2: "faint"}
_STYLE = """\
.ground{fill:#14171b}
text{fill:#e6e9ed;font:14px ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;white-space:pre}
.good{fill:#43c59e}.bad{fill:#ff9455}.alert{fill:#f0b840}.faint{fill:#9aa4af}
"""


@dataclass(frozen=True)
class Written:
    """Text that was written to the terminal, in seconds since the beginning."""

    at_s: float
    text: str


def as_cast(written: Sequence[Written], columns: int, lines: int, title: str) -> str:
    """Write a recording in the format of asciinema."""
    header = {"version": 2, "width": columns, "height": lines, "title": title, "env": {"TERM": "xterm-256color"}}
    # A terminal in raw mode, as asciinema plays it, does not return the carriage by itself.
    events = [[round(each.at_s, 3), "o", each.text.replace("\n", "\r\n")] for each in written]
    return "".join(json.dumps(each) + "\n" for each in (header, *events))


def as_svg(written: Sequence[Written], columns: int, lines: int, title: str, end_s: float) -> str:
    """Draw a recording, which begins anew after C(end_s) seconds."""
    frames = _frames(written, columns, lines)
    width, height = columns * _CELL_WIDTH + 2 * _MARGIN, lines * _LINE_HEIGHT + 2 * _MARGIN
    known: dict[str, int] = {}
    drawn, steps = [], []
    for number, (at_s, rows) in enumerate(frames):
        uses = []
        for at, row in enumerate(rows):
            if row:
                name = known.setdefault(row, len(known))
                y = number * height + _MARGIN + (at + 1) * _LINE_HEIGHT - 5
                uses.append('<use href="#l%d" x="%d" y="%d"/>' % (name, _MARGIN, y))
        drawn.append("".join(uses))
        steps.append("%.2f%%{transform:translateY(%dpx)}" % (100 * at_s / end_s, -number * height))
    animation = ".roll{animation:roll %.1fs step-end infinite}@keyframes roll{%s}" % (end_s, "".join(steps))
    # Whoever wants nothing to move sees how it ends.
    still = "@media (prefers-reduced-motion:reduce){.roll{animation:none;transform:translateY(%dpx)}}" % (
        -(len(frames) - 1) * height
    )
    return "\n".join(
        (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">'
            % (width, height, width, height, escape(title, {'"': "&quot;"})),
            # REUSE-IgnoreStart
            "<!-- SPDX-License-Identifier: GPL-3.0-or-later -->",
            # REUSE-IgnoreEnd
            "<style>%s%s%s</style>" % (_STYLE, animation, still),
            "<defs>%s</defs>" % "".join('<text id="l%d">%s</text>' % (name, row) for row, name in known.items()),
            '<rect class="ground" width="100%" height="100%" rx="6"/>',
            '<g class="roll">%s</g>' % "\n".join(drawn),
            "</svg>\n",
        )
    )


def _frames(written: Sequence[Written], columns: int, lines: int) -> list[tuple[float, list[str]]]:
    """What is on the screen from each moment on, as the marked-up rows."""
    terminal = Terminal(columns, lines)
    frames: list[tuple[float, list[str]]] = []
    for at_s, same in groupby(written, key=lambda each: each.at_s):
        for each in same:
            terminal.write(each.text)
        rows = [_marked_up(row, tints) for row, tints in zip(terminal.rows, terminal.tints, strict=True)]
        if not frames or frames[-1][1] != rows:
            frames.append((at_s, rows))
    return frames


def _marked_up(row: str, tints: str) -> str:
    if not row.strip():
        return ""
    parts = []
    for tint, cells in groupby(zip(row, tints, strict=True), key=lambda cell: cell[1]):
        text = escape("".join(char for char, _tint in cells))
        css = _CLASSES.get(ord(tint))
        parts.append('<tspan class="%s">%s</tspan>' % (css, text) if css else text)
    return "".join(parts).rstrip()
