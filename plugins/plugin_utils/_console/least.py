# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text about the least reboot that each host needs: part of a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.least import METHODS
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from .._text import UNICODE, Glyphs, by_path, clean, counted, difference, saving
from .names import listed

# Lines of names of each method; the task's result has all of them.
_NAMED_LINES = 4


def least_text(
    methods: Mapping[str, str | None],
    ruled_out: Mapping[str, Sequence[Reason]],
    saves_s: Mapping[str, Mapping[str, float]],
    autos: Mapping[str, str | None],
    *,
    columns: int = 80,
    glyphs: Glyphs = UNICODE,
) -> list[str]:
    """Say how many hosts are rebooted by which method, why not by a lesser one, and what it saves, in at most C(columns) columns.

    :param methods: of each host; None for a host that is not rebooted.
    :param ruled_out: host → why lesser methods were ruled out.
    :param saves_s: host → seconds of outage that it is spared against other methods; without those that are not known.
    :param autos: method that C(auto) would take for each host; None if unknown.
    """
    lines = []
    for method in (None, *METHODS):
        names = [name for name, of_host in methods.items() if of_host == method]
        if not names:
            continue
        how = "not rebooted, because nothing is pending" if method is None else by_path(method)
        lines += ["", "%s %s" % (counted(len(names), "host"), how)]
        lines += listed([clean(name) for name in names], "  ", columns, glyphs, _NAMED_LINES)
        codes = sorted({clean(why.code) for name in names for why in ruled_out.get(name, ())})
        said = ["not by less: %s" % ", ".join(codes)] if codes else []
        known = [saves_s[name] for name in names if saves_s.get(name)]
        if known:
            others = [other for other in METHODS if any(other in each for each in known)]
            total = saving({other: sum(each.get(other, 0.0) for each in known) for other in others})
            said.append("%s, in all%s" % (total, " (%d with figures)" % len(known) if len(known) < len(names) else ""))
        for each in said:
            lines += wrap(each, columns, initial_indent="  ", subsequent_indent="  ")
    return [*lines, *_against_auto(methods, saves_s, autos, columns)]


def _against_auto(
    methods: Mapping[str, str | None],
    saves_s: Mapping[str, Mapping[str, float]],
    autos: Mapping[str, str | None],
    columns: int,
) -> list[str]:
    """Line about what all hosts are spared against C(auto), of those for which that is known."""
    known = []
    for name, method in methods.items():
        auto = autos.get(name)
        saved_s = 0.0 if method == auto else saves_s.get(name, {}).get(auto or "")
        known += [saved_s] if auto is not None and saved_s is not None else []
    if not any(known):
        return []
    said = "in all, predicted outage %s than with method: auto" % difference(sum(known))
    return ["", *wrap(said + (" (%d hosts with figures)" % len(known) if len(known) < len(methods) else ""), columns)]
