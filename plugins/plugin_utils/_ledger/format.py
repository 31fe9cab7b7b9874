# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ledger as JSON, described in C(docs/ledger.md). Ledgers of others are not trusted: what is not as it should be is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from .._text import clean, clipped
from .errors import LedgerError
from .fold import TEXT_MAX_CHARS, class_text
from .histogram import BUCKETS, DurationHistogram
from .model import PHASES, Clearing, Ledger, LedgerClass, LedgerResult, LedgerSource, SourceKind, Tally, bounded

FORMAT = "fleet.kexec ledger"
#: Version of the format. It changes only if older readers would misread newer ledgers.
VERSION = 1

#: Size of the largest ledger that is read or written.
MAX_BYTES = 16 << 20
_NUMBER_MAX = 1 << 53
_ID = re.compile(r"[0-9a-f]{20}")
#: Times as the journal writes them.
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,39}")
_PATHS = (LedgerResult.KEXEC.value, LedgerResult.FIRMWARE.value)

Key = TypeVar("Key")


def encode(ledger: Ledger) -> bytes:
    """Encode a ledger, in the same order whenever it is the same. The oldest sources are left out if it gets too large."""
    while True:
        content = _encode(ledger)
        if len(content) <= MAX_BYTES:
            return content
        newest = list(ledger.sources.items())[len(ledger.sources) // 2 :]
        ledger = Ledger(dict(newest) if len(ledger.sources) > 1 else {}, ledger.failed, ledger.cleared)


def _encode(ledger: Ledger) -> bytes:
    keys = {*ledger.failed, *ledger.cleared, *(key for source in ledger.sources.values() for key in source.tallies)}
    keys |= {key for source in ledger.sources.values() for key in source.failed}
    numbers = {key: number for number, key in enumerate(sorted(keys))}
    made = {
        "format": FORMAT,
        "version": VERSION,
        "classes": [[key.host_class, key.before, key.after] for key in numbers],
        "failed": [{"class": numbers[key], "at": at} for key, at in sorted(ledger.failed.items())],
        "cleared": [
            {"class": numbers[key], "at": each.at, "by": each.by, "reason": each.reason}
            for key, each in sorted(ledger.cleared.items())
        ],
        "sources": [
            {
                "id": source.id,
                "kind": source.kind.value,
                "at": source.at,
                "version": source.version,
                "failed": [{"class": numbers[key], "at": at} for key, at in sorted(source.failed.items())],
                "lines": [_line(numbers[key], tally) for key, tally in sorted(source.tallies.items())],
            }
            for source in sorted(ledger.sources.values(), key=lambda each: (each.at, each.id))
        ],
    }
    # One source a line, so that a difference can be read.
    head = {name: value for name, value in made.items() if name != "sources"}
    text = ",\n".join('"%s": %s' % (name, _compact(value)) for name, value in head.items())
    sources = ",\n".join(" " + _compact(source) for source in made["sources"])  # type: ignore[attr-defined]
    return ('{%s,\n"sources": [\n%s\n]}\n' % (text, sources)).encode("ascii")


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _line(number: int, tally: Tally) -> dict[str, Any]:
    made: dict[str, Any] = {"class": number, "last_at": tally.last_at}
    made.update({result.value: tally.results[result] for result in LedgerResult if tally.results.get(result)})
    if tally.fallbacks:
        made["fallbacks"] = tally.fallbacks
    if tally.differences:
        made["differences"] = dict(sorted(tally.differences.items()))
    times: dict[str, dict[str, dict[str, int]]] = {}
    for (path, phase), durations in sorted(tally.times.items()):
        times.setdefault(path, {})[phase] = {str(bucket): count for bucket, count in durations.counts.items()}
    if times:
        made["durations"] = times
    return made


def decode(content: bytes, origin: str) -> Ledger:
    """Decode a ledger.

    :param origin: path of the file, for messages.
    :raises LedgerError: C(LEDGER_DAMAGED).
    """
    try:
        if len(content) > MAX_BYTES:
            raise ValueError("has more than %d bytes" % MAX_BYTES)
        values = json.loads(content.decode("utf-8"), parse_constant=_no_constant)
        return _decode(_mapping(values))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise LedgerError("LEDGER_DAMAGED", "%s is no ledger: %s" % (origin, clipped(str(error) or repr(error)))) from error


def _decode(values: Mapping[str, Any]) -> Ledger:
    if values.get("format") != FORMAT:
        raise ValueError("its format is not %r" % FORMAT)
    if values.get("version") != VERSION:
        raise ValueError(
            "it has version %r of the format, and this collection reads version %d" % (values.get("version"), VERSION)
        )
    classes = [LedgerClass(*map(_words, _list(each, 3))) for each in _list(values["classes"])]
    if len(set(classes)) < len(classes):
        raise ValueError("a class occurs twice")

    def class_of(each: Mapping[str, Any]) -> LedgerClass:
        return classes[_whole(each["class"])]

    def marks(given: Any) -> dict[LedgerClass, str]:
        return {class_of(each): _time(each["at"]) for each in map(_mapping, _list(given))}

    sources = {}
    for each in map(_mapping, _list(values["sources"])):
        tallies = {class_of(line): _tally(line) for line in map(_mapping, _list(each["lines"]))}
        source = LedgerSource(
            _match(_ID, each["id"]),
            SourceKind(each["kind"]),
            _time(each["at"]),
            _whole(each["version"]),
            tallies,
            marks(each["failed"]),
        )
        sources[source.id] = bounded(source)
    cleared = {
        class_of(each): Clearing(_time(each["at"]), _words(each["by"]), _words(each["reason"]))
        for each in map(_mapping, _list(values["cleared"]))
    }
    # Merged with nothing, so that the bounds hold.
    return Ledger().merged(Ledger(sources, marks(values["failed"]), cleared))


def _tally(line: Mapping[str, Any]) -> Tally:
    results = {result: _whole(line[result.value], 1) for result in LedgerResult if result.value in line}
    times = {}
    for path, phases in _mapping(line.get("durations", {})).items():
        for phase, counts in _mapping(phases).items():
            if path not in _PATHS or phase not in PHASES:
                raise ValueError("%r of %r is no duration" % (phase, path))
            times[(path, phase)] = DurationHistogram(
                {_bucket(name): _whole(count, 1) for name, count in _mapping(counts).items()}
            )
    return Tally(
        results,
        _whole(line.get("fallbacks", 0)),
        {_match(_CODE, code): _whole(count, 1) for code, count in _mapping(line.get("differences", {})).items()},
        times,
        _time(line["last_at"]),
    )


def _no_constant(name: str) -> Any:
    raise ValueError("%s is no JSON" % name)


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("%.80r is no dictionary" % (value,))
    return value


def _list(value: Any, length: int | None = None) -> list[Any]:
    if not isinstance(value, list) or (length is not None and len(value) != length):
        raise TypeError("%.80r is no list%s" % (value, "" if length is None else " of %d" % length))
    return value


def _whole(value: Any, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _NUMBER_MAX:
        raise ValueError("%.80r is no whole number from %d to %d" % (value, least, _NUMBER_MAX))
    return value


def _bucket(name: str) -> int:
    if not re.fullmatch(r"\d{1,3}", name) or int(name) >= BUCKETS:
        raise ValueError("%.80r is no bucket" % name)
    return int(name)


def _words(value: Any) -> str:
    """Text as the ledger writes it, so that it can be shown as it is."""
    if not isinstance(value, str) or value != clean(value) or class_text(value) != value:
        raise ValueError("%.80r is no clean text of at most %d characters" % (value, TEXT_MAX_CHARS))
    return value


def _time(value: Any) -> str:
    return _match(TIME, value)


def _match(pattern: re.Pattern[str], value: Any) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError("%.80r is not like %s" % (value, pattern.pattern))
    return value
