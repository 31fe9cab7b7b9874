# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Table of how hosts would reboot.

Each host has a row, followed by what there is to say about it. In a large fleet, hosts that would reboot alike share a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.verdict import REFUSE
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from .._preflight import Preflight, Remark
from .._text import UNICODE, Glyphs, clean, clipped, columns_of, counted, pad
from .names import listed

# Up to this number of hosts, each has a row of its own.
_ROWS_OF_HOSTS = 40
# Lines of names below a shared row. Those of refused and unread hosts are what the user came for.
_NAMED_LINES = 2
_NAMED_LINES_OF_TROUBLE = 20
_NAMES_MAX_COLUMNS = 100
_CELL_MAX_COLUMNS = 40
_HOST_LEAST_COLUMNS = 12
_GAP = "  "

#: Heads of the columns after the first. Where the terminal is too narrow, the first of _LEFT_OUT_FIRST are left out first.
_HEADS = ("METHOD", "IMAGE", "INTEGRITY", "LOADER", "PLACEMENT", "JUMP", "LAST BOOT", "KERNEL", "NEXT")
_LEFT_OUT_FIRST = ("INTEGRITY", "PLACEMENT", "LOADER", "IMAGE", "LAST BOOT", "JUMP", "KERNEL", "NEXT")


@dataclass(frozen=True)
class _Row:
    """Row of a table: the first cell, the others by their heads, and what follows the row."""

    title: str
    cells: Mapping[str, str]
    remarks: Sequence[Remark] = ()
    names: Sequence[str] = ()
    trouble: bool = False


def preflight_text(
    hosts: Mapping[str, Preflight | Reason], totals: Mapping[str, int], *, columns: int | None = None, glyphs: Glyphs = UNICODE
) -> list[str]:
    """Describe how hosts would reboot.

    :param hosts: in the order of the rows; a reason for a host that could not be read.
    :param columns: width of the terminal; None for a log, in which lines may be as long as they are.
    """
    if len(hosts) <= _ROWS_OF_HOSTS:
        lines = _table("HOST", [_row(clean(name), [found]) for name, found in hosts.items()], columns, glyphs)
    else:
        lines = _table("HOSTS", _folded(hosts), columns, glyphs)
    lines += _wrapped(
        "%s: %d via kexec (%d with a fast image), %d through firmware, %d refused, %d could not be read"
        % (
            counted(totals["hosts"], "host"),
            totals["kexec"],
            totals["fast_image"],
            totals["firmware"],
            totals["refused"],
            totals["unread"],
        ),
        "",
        columns,
    )
    lines.append("%d in need of a reboot" % totals["reboot_needed"])
    if totals["reboot_needed"]:
        least = [totals["least_%s" % method] for method in ("soft", "kexec", "firmware", "none")]
        said = "with method: least, %d softly, %d via kexec, %d through firmware, %d not rebooted"
        lines += _wrapped(said % (*least,), "", columns)
    if totals["unproven"] or totals["class_failed"]:
        said = "by the ledger, %d of a class that is not proven, %d of a class that failed"
        lines += _wrapped(said % (totals["unproven"], totals["class_failed"]), "", columns)
    return lines


def _folded(hosts: Mapping[str, Preflight | Reason]) -> list[_Row]:
    """One row for all hosts with the same cells and the same codes, the largest first."""
    groups: dict[object, list[tuple[str, Preflight | Reason]]] = {}
    for name, found in hosts.items():
        fixed = tuple(_fixed(found).values()) if isinstance(found, Preflight) else None
        key = fixed, tuple(each.code for each in _remarks(found))
        groups.setdefault(key, []).append((name, found))
    ordered = sorted(groups.values(), key=lambda group: -len(group))
    return [
        _row("%d" % len(group), [found for _name, found in group], [clean(name) for name, _found in group]) for group in ordered
    ]


def _row(title: str, found: Sequence[Preflight | Reason], names: Sequence[str] = ()) -> _Row:
    first = found[0]
    remarks = [_shared(each) for each in zip(*map(_remarks, found), strict=True)]
    if not isinstance(first, Preflight):
        return _Row(title, {"METHOD": "?", "KERNEL": "could not be read"}, remarks, names, trouble=True)
    jumps_ms = [each.jump_ms for each in found if isinstance(each, Preflight) and each.jump_ms is not None]
    cells = {**_fixed(first), "JUMP": "%s%.0f ms" % ("up to " if len(found) > 1 else "", max(jumps_ms)) if jumps_ms else "-"}
    return _Row(title, cells, remarks, names, first.method == REFUSE)


def _remarks(found: Preflight | Reason) -> Sequence[Remark]:
    return found.remarks if isinstance(found, Preflight) else [Remark(found.code, found.message)]


def _fixed(found: Preflight) -> dict[str, str]:
    """Cells without measured values, which differ from host to host."""
    following = "same" if found.release == found.kernel else clean(found.release) or "-"
    cells = {
        "METHOD": found.method,
        "IMAGE": found.image,
        "INTEGRITY": found.integrity,
        "LOADER": found.loader,
        "PLACEMENT": found.placement,
        "LAST BOOT": found.last_boot,
        "KERNEL": found.kernel,
        "NEXT": following + (", arguments change" if found.arguments_change else ""),
    }
    return {head: clean(text) or "-" for head, text in cells.items()}


def _shared(remarks: Sequence[Remark]) -> Remark:
    """Remark of several hosts with the same code; if their texts differ, the first one is an example."""
    first = remarks[0]
    alike = all(each.text == first.text for each in remarks)
    return first if alike else Remark(first.code, "for example, %s" % first.text)


def _table(title: str, rows: Sequence[_Row], columns: int | None, glyphs: Glyphs) -> list[str]:
    widths = {
        head: min(_CELL_MAX_COLUMNS, max(columns_of(each) for each in (head, *(row.cells.get(head, "") for row in rows))))
        for head in _HEADS
    }
    names = max(columns_of(each) for each in (title, *(row.title for row in rows)))
    left_out = []
    if columns is not None:
        names = min(names, max(_HOST_LEAST_COLUMNS, columns // 3))
        for head in _LEFT_OUT_FIRST:
            if names + sum(len(_GAP) + width for width in widths.values()) <= columns - 1:
                break
            left_out.append(head)
            del widths[head]
    lines = [_line(title, names, {head: head for head in widths}, widths, glyphs)]
    for row in rows:
        lines.append(_line(row.title, names, row.cells, widths, glyphs))
        most = _NAMED_LINES_OF_TROUBLE if row.trouble else _NAMED_LINES
        if row.names:
            lines += listed(row.names, "    ", (columns or _NAMES_MAX_COLUMNS) - 1, glyphs, most)
        for remark in row.remarks:
            lines += _wrapped("%s: %s" % (clean(remark.code), clipped(remark.text)), "    ", columns)
    if left_out:
        said = ", ".join(head for head in _HEADS if head in left_out)
        lines += _wrapped("Left out on %d columns: %s" % (columns or 0, said), "", columns)
    return lines


def _line(title: str, names: int, cells: Mapping[str, str], widths: Mapping[str, int], glyphs: Glyphs) -> str:
    padded = [pad(cells.get(head, ""), width, glyphs.more) for head, width in widths.items()]
    return _GAP.join([pad(title, names, glyphs.more), *padded]).rstrip()


def _wrapped(text: str, indent: str, columns: int | None) -> list[str]:
    if columns is None:
        return [indent + text]
    return wrap(text, max(20, columns - 1), initial_indent=indent, subsequent_indent=indent)
