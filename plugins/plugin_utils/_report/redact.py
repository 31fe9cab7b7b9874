# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redaction of journals, for reports that leave the house.

Records are redacted before anything else reads them, so page, JSON and metrics agree. A name stands for the same thing in all of
them, and in all runs that one report is made from. Whatever is not known to be harmless is searched for names.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CATALOGUE

from .._journal.events import Record

LEFT_OUT = "left out"

# Keys of names, by the kind of what they name. A list or the keys of a dictionary are names likewise.
_NAMES = {
    "host": "host",
    "hosts": "host",
    "bystanders": "host",
    "retried": "host",
    "left_out": "host",
    "controller": "controller",
    "operator": "user",
    "run_id": "run",
    "hook": "hook",
    "device": "device",
    "interface": "interface",
    "boot_id": "id",
    "boot_id_before": "id",
    "token": "id",
    "remembered": "id",
    # Serial numbers, paths, names of units.
    "subject": "part",
}
# Keys of words of the journal's own. Anything else found there is searched.
_WORDS = frozenset(
    (
        "event",
        "phase",
        "method",
        "path",
        "detected_by",
        "debt",
        "code",
        "effect",
        "basis",
        "within",
        "when",
        "source",
        "at",
        "start",
    )
)
_WORD = re.compile(r"[A-Za-z_]{1,40}|[0-9T:.-]{1,40}Z")
# Keys of what may hold anything, such as the output of a hook, and is on no chart.
_DROPPED = frozenset(("cmdline", "proof", "panic", "kernel", "initrd", "initrds"))
# Options in the journal that a report shows.
_SETTINGS = ("reason", "ticket", "deadline")
_UNIT = re.compile(r"(?P<name>[^@]*)(?P<instance>@.*)?\.(?P<type>[a-z]+)", re.DOTALL)
# Units that are named after a path or a device.
_PATH_UNITS = frozenset(("mount", "automount", "swap", "device", "path"))

# What to look for in a text; the first that matches counts. Words may be names of hosts, users and runs.
_SEARCHED = r"""
    (?P<url>    [a-z][a-z0-9+.-]*://[^\s"'<>]+ )
  | (?P<user>   [\w.+-]+@[\w-]+(?:\.[\w-]+)+ )
  | (?P<id>     \b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b )
  | (?P<mac>    \b[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5,7}\b )
  | (?P<v6>     (?<![\w:])(?:[0-9a-f]{0,4}:){2,7}(?:[0-9a-f]{0,4}|\d+\.\d+\.\d+\.\d+)(?![\w:]) )
  | (?P<v4>     \b\d{1,3}(?:\.\d{1,3}){3}\b )
  | (?P<path>   (?<![\w/.])~?/(?:[^\s"'<>:;,()/]+/?)+ )
  | (?P<word>   \w(?:[\w.-]*\w)? )
"""
# Dotted words of three parts and more that end in letters, unless they are units or files.
_DOMAIN = re.compile(
    r"(?:[a-z0-9_-]+\.){2,}(?!(?:service|socket|target|timer|scope|slice|mount|conf|py|sh|img|log)$)[a-z]{2,}", re.I
)


class Redactor:
    """Replaces names of hosts, users and runs, addresses, paths and boot IDs by others, such as C(host-012), in records."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}
        self._kinds: dict[str, str] = {}
        self._odd: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._width = 1

    def record(self, record: Record) -> Record:
        """Redact a record of a journal. The first one of a run has the names of its hosts."""
        for key in ("hosts", "bystanders"):
            names = record.get(key)
            if record.get("event") == "run_started" and isinstance(names, list):
                self._width = max(self._width, len(str(len(names))))
                self._names("host", names)
        own = {name: value for name, value in record.items() if name not in ("settings", "unit")}
        if "unit" in record:
            # Its name has the token in it.
            own["unit"] = LEFT_OUT
        settings = record.get("settings")
        if isinstance(settings, Mapping):
            own["settings"] = {name: settings[name] for name in _SETTINGS if name in settings}
        if str(own.get("event")).endswith("hook_ended") and own.get("message"):
            own["message"] = LEFT_OUT
        return {key: self._value(key, value) for key, value in own.items()}

    def text(self, text: str) -> str:
        """Redact what a text contains of names, addresses and paths."""
        if self._pattern is None:
            odd = "|".join(map(re.escape, sorted(self._odd, key=len, reverse=True)))
            first = r"(?P<odd>%s) | " % odd if odd else ""
            self._pattern = re.compile(first + _SEARCHED, re.VERBOSE | re.IGNORECASE)
        return self._pattern.sub(self._found, text)

    def user(self, name: str) -> str:
        """Stand-in for the name of a user."""
        return self._name("user", name) if name else name

    def _value(self, key: str, value: Any) -> Any:
        if key in _NAMES:
            return self._names(_NAMES[key], value)
        if isinstance(value, str):
            return self._words(key, value)
        if isinstance(value, Mapping):
            return self._mapping(value)
        if isinstance(value, list):
            return [self._value(key, each) for each in value]
        return value

    def _mapping(self, value: Mapping[str, Any]) -> dict[str, Any]:
        made = {key: self._value(key, each) for key, each in value.items()}
        if "subject" in value:
            # It has the subject in it.
            made["message"] = LEFT_OUT
        elif value.get("code") == "DEGRADED":
            # So has this, many times.
            made["message"] = ", ".join(code for code in re.findall(r"[A-Z_]+", str(value.get("message"))) if code in CATALOGUE)
        # Hints of the catalogue say the same to everybody.
        if value.get("hint") and value["hint"] == CATALOGUE.get(str(value.get("code"))):
            made["hint"] = value["hint"]
        return made

    def _words(self, key: str, text: str) -> str:
        if key in _DROPPED:
            return LEFT_OUT
        if key in _WORDS and _WORD.fullmatch(text):
            return text
        if key == "unit":
            return self._unit(text)
        if key == "of" and text and not text.startswith("the fleet"):
            return self._name("limit", text)
        return self.text(text)

    def _names(self, kind: str, value: Any) -> Any:
        if isinstance(value, str):
            return self._name(kind, value) if value else value
        if isinstance(value, list):
            return [self._names(kind, each) for each in value]
        if isinstance(value, Mapping):
            return {self._name(kind, str(name)): self._value("", each) for name, each in value.items()}
        return value

    def _name(self, kind: str, name: str) -> str:
        known = self._known.get((kind, name))
        if known is None:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            width = self._width if kind == "host" else 1
            known = self._known[kind, name] = "%s-%0*d" % (kind, width, self._counts[kind])
            if kind in ("host", "controller", "user", "run"):
                self._kinds.setdefault(name, kind)
                if not re.fullmatch(r"\w(?:[\w.-]*\w)?", name):
                    self._odd.add(name)
                    self._pattern = None
        return known

    def _unit(self, unit: str) -> str:
        found = _UNIT.fullmatch(unit)
        if found is None:
            return self.text(unit)
        if found["type"] in _PATH_UNITS:
            return "%s.%s" % (self._name("unit", unit), found["type"])
        instance = "@%s" % self._name("instance", found["instance"]) if found["instance"] else ""
        return "%s%s.%s" % (self.text(found["name"]), instance, found["type"])

    def _found(self, found: re.Match[str]) -> str:
        kind, text = str(found.lastgroup), found[0]
        return _KINDS[kind](self, text)

    def _word(self, word: str) -> str:
        kind = self._kinds.get(word)
        if kind is None and _DOMAIN.fullmatch(word):
            kind = "host"
        return self._name(kind, word) if kind else word

    def _address(self, text: str) -> str:
        try:
            ipaddress.ip_address(text)
        except ValueError:
            # A time of day looks like one, too.
            return text
        return self._name("address", text)


_KINDS: Mapping[str, Callable[[Redactor, str], str]] = {
    "odd": Redactor._word,
    "url": lambda redactor, text: redactor._name("address", text),
    "user": lambda redactor, text: redactor._name("user", text),
    "id": lambda redactor, text: redactor._name("id", text),
    "mac": lambda redactor, text: redactor._name("address", text),
    "v6": Redactor._address,
    "v4": Redactor._address,
    "path": lambda redactor, text: redactor._name("path", text),
    "word": Redactor._word,
}
