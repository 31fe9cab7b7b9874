# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Writes the sections of the documentation that show the summary of a night.

With the summary of a run as argument, its results are kept in the repository first, beside those of earlier runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from .results import Summary, gone_on_with, summary_of
from .tables import night_section, section_of_tested, with_section

ROOT = Path(__file__).resolve().parents[2]
KEPT = Path(__file__).with_name("summary.json")
#: Pages, below the repository, with the section that each has.
PAGES: dict[str, Callable[[Summary], str]] = {"README.md": section_of_tested, "docs/measurements.md": night_section}


def pages(summary: Summary, root: Path = ROOT) -> dict[Path, str]:
    """Text of each page as it has to be."""
    return {root / name: with_section((root / name).read_text(encoding="utf-8"), make(summary)) for name, make in PAGES.items()}


def main(arguments: Sequence[str]) -> None:
    """Write them."""
    kept = summary_of(KEPT.read_text(encoding="utf-8"))
    for given in arguments:
        kept = gone_on_with(kept, summary_of(Path(given).read_text(encoding="utf-8")))
        KEPT.write_text(kept.as_json(), encoding="utf-8")
    for path, text in pages(kept).items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
