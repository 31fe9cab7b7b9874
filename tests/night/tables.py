# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""The summary of a night as Markdown, and the sections of the documentation that are made of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .results import Outcome, Row, Summary

#: Headings of the sections.
NIGHT = "## A night of the lab"
TESTED_WITH = "### Tested with"

_NONE_YET = "No night has been run to its end yet: `make night` fills this section."
_CHANGED = "\\* The collection, the scenario or the lab has changed since."


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows for people."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| %s |" % " | ".join(each.replace("|", "\\|") for each in line) for line in lines)


def night_section(summary: Summary) -> str:
    """Section of the measurements: every step, how it ended, and how long it took."""
    if not _ran(summary.rows):
        return "%s\n\n%s\n" % (NIGHT, _NONE_YET)
    counts = {outcome: sum(row.outcome is outcome for row in summary.rows) for outcome in Outcome}
    words = ", ".join("%d %s" % (count, outcome) for outcome, count in counts.items() if count)
    about = "`make night`, up to %s: %s. %s." % (summary.date, words, _versions(summary))
    if any(row.changed_since for row in summary.rows):
        about += " " + _CHANGED
    rows = [[row.guest, row.about, row.scenario, *_end(row), _details(row.details)] for row in summary.rows]
    return "%s\n\n%s\n\n%s\n" % (NIGHT, about, table(["Guest", "", "Scenario", "Result", "Date", "Time", "Seen"], rows))


def section_of_tested(summary: Summary) -> str:
    """Section of the README: guests that went through all of the scenario C(night), with their versions."""
    rows = [
        [row.about, *_guests_versions(row.details), _ways(row.details), _date(row)]
        for row in summary.rows
        if row.scenario == "night" and row.outcome is Outcome.PASSED and "versions" in row.details
    ]
    if not rows:
        return "%s\n\n%s\n" % (TESTED_WITH, _NONE_YET)
    about = (
        "By `make night`: each guest prepared, rebooted by every way that it offers and through firmware, broken in several\n"
        "ways, and put back as it was. %s." % _versions(summary)
    )
    head = ["Guest", "Linux", "systemd", "kexec-tools", "Rebooted by", "Date"]
    return "%s\n\n%s\n\n%s\n" % (TESTED_WITH, about, table(head, rows))


def with_section(text: str, section: str) -> str:
    """A page with the section of the same heading in place of the one that it has.

    :raises ValueError: the page has no such section.
    """
    heading = section.partition("\n")[0]
    level = heading.partition(" ")[0]
    found = re.search(
        r"^%s\n.*?(?=^#{1,%d} |\Z)" % (re.escape(heading), len(level)), text, re.MULTILINE | re.DOTALL
    )  # fmt: skip
    if found is None:
        raise ValueError("no section %r" % heading)
    rest = text[found.end() :]
    return text[: found.start()] + section + ("\n" + rest if rest else "")


def _ran(rows: Iterable[Row]) -> bool:
    return any(row.outcome is not Outcome.NOT_RUN for row in rows)


def _end(row: Row) -> list[str]:
    outcome = str(row.outcome) if row.outcome in (Outcome.PASSED, Outcome.NOT_RUN) else "**%s**" % row.outcome
    if row.outcome is Outcome.NOT_RUN:
        return [outcome, "", ""]
    return [outcome + ("\\*" if row.changed_since else ""), _date(row), _time(row.took_s)]


def _date(row: Row) -> str:
    return row.ended_at[:10]


def _versions(summary: Summary) -> str:
    accelerators = sorted({str(row.details["versions"]["accelerator"]) for row in summary.rows if "versions" in row.details})
    known = [("QEMU %s", summary.versions.get("qemu")), ("accelerator %s", " and ".join(accelerators).upper())]
    return ", ".join([form % value for form, value in known if value] + ["%s cores" % summary.versions.get("cores", "?")])


def _guests_versions(details: Mapping[str, Any]) -> list[str]:
    return [str(details["versions"]["kernel"]), str(details["versions"]["systemd"]), str(details.get("kexec_tools", ""))]


def _time(seconds: float) -> str:
    minutes = round(seconds / 60)
    return "%d h %02d min" % divmod(minutes, 60) if minutes >= 60 else "%d min" % minutes


def _ways(details: Mapping[str, Any]) -> str:
    ways = [
        "soft" if way["method"] == "soft" else "%s, `%s`, %s" % (way["image"], way["loader"], way["placement"])
        for way in details.get("ways", ())
    ]
    return "; ".join([*ways, *(["firmware"] if details.get("firmware") else [])])


def _details(details: Mapping[str, Any]) -> str:
    parts = [_ways(details)] if _ways(details) else []
    if details.get("refused"):
        parts.append("refused: " + ", ".join("`%s`" % code for code in details["refused"]))
    if details.get("faults"):
        parts.append("faults: " + ", ".join(details["faults"]))
    parts += details.get("seen", [])
    parts += ["no %s: %s" % item for item in sorted(details.get("skipped", {}).items())]
    return "; ".join(parts)
