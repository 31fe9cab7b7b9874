# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text about the least reboot that each host needs: part of a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.least import METHODS
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from .._text import UNICODE, Glyphs, by_path, clean, counted, saving
from .names import listed

# Lines of names of each method; the task's result has all of them.
_NAMED_LINES = 4


def least_text(
    methods: Mapping[str, str | None],
    ruled_out: Mapping[str, Sequence[Reason]],
    saves_s: Mapping[str, Mapping[str, float]],
    *,
    columns: int = 80,
    glyphs: Glyphs = UNICODE,
) -> list[str]:
    """Say how many hosts are rebooted by which method, why not by a lesser one, and what it saves, in at most C(columns) columns.

    :param methods: of each host; None for a host that is not rebooted.
    :param ruled_out: host → why lesser methods were ruled out.
    :param saves_s: host → seconds of outage that it is spared against other methods; without those that are not known.
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
    return lines
