# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bar in a cell of a table, for a share of a whole."""

from __future__ import annotations

from markupsafe import Markup

from .. import words
from . import svg
from .scale import Scale
from .svg import Bar

_HEIGHT = 12
# Keeps the smallest share visible.
_LEAST = 0.004


def share_bar(share: float, css: str) -> Markup:
    """Draw a bar for a share from 0 to 1."""
    filled = Bar(0.0, max(share, _LEAST), 1, 10)
    return svg.chart(_HEIGHT, words.share(share), svg.one_bar(css, Scale(0.0, 1.0), filled, words.share(share)))
