# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of values that users give, so that the same mistake gets the same message everywhere.

Each value knows where it stands, and the error to refuse it with. Variables from a command line or an INI file are text, so
numbers and booleans may be text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError

from ._errors import RolloutError

# Longer numbers mean nothing anywhere, and are slow to parse in Python.
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
# ASCII host; everything else percent-encoded.
_URL = re.compile(r"https?://[\x21-\x7e]+", re.IGNORECASE)
# RFC 9110, 5.6.2. A value can hold no control character but a tab, and nothing outside Latin-1.
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
_STATUS_MAX = 599


@dataclass(frozen=True)
class Value:
    """Value given by a user.

    :ivar path: where it stands, such as C(before[0].http.url).
    :ivar error: makes the exception for a message.
    :ivar secret: whether any part of it may be secret; no message shows it then.
    """

    raw: Any = field(repr=False)
    path: str
    error: Callable[[str], CodedError]
    secret: bool = False

    def wrong(self, wanted: str) -> CodedError:
        """Error for an invalid value; C(wanted) completes "has to be …"."""
        given = "" if self.secret else " is %r, but" % (self.raw,)
        return self.error("%s%s has to be %s" % (self.path, given, wanted))

    def misplaced(self, why: str) -> CodedError:
        """Error for a value that the other options rule out; C(why) completes "has to be left out …"."""
        return self.error("%s has to be left out %s" % (self.path, why))

    def as_secret(self) -> Value:
        """The same value, hidden from messages."""
        return replace(self, secret=True)

    def below(self, name: str, raw: Any) -> Value:
        """Value inside this one; C(name) extends the path, such as C(.url) or C([0])."""
        return replace(self, path=self.path + name, raw=raw)

    # Containers.

    def items(self, wanted: str = "a list") -> list[Value]:
        if not isinstance(self.raw, (list, tuple)):
            raise self.wrong(wanted)
        return [self.below("[%d]" % index, each) for index, each in enumerate(self.raw)]

    def one_or_more(self, wanted: str) -> list[Value]:
        """Items of a list that is not empty; a value that is no list counts as one item."""
        found = self.items() if isinstance(self.raw, (list, tuple)) else [self]
        if not found:
            raise self.wrong(wanted)
        return found

    def dictionary(self, wanted: str = "a dictionary") -> Mapping[Any, Any]:
        if not isinstance(self.raw, Mapping):
            raise self.wrong(wanted)
        return self.raw

    def entries(self, wanted: str = "a dictionary") -> dict[str, Value]:
        """Entries of a dictionary with any keys; those that are None count as left out."""
        return {str(key): self.below(".%s" % key, each) for key, each in self.dictionary(wanted).items() if each is not None}

    def options(self, known: Iterable[str], aliases: Mapping[str, str] | None = None) -> Options:
        """Entries of a dictionary with only these keys; those that are None count as left out.

        :param aliases: other keys that it takes → the keys that they stand for.
        """
        known, aliases = tuple(known), aliases or {}
        found: dict[str, Value] = {}
        for key, each in self.dictionary().items():
            if each is None:
                continue
            option = aliases.get(key, key)
            if option not in known:
                raise self.error("%s has no %r; it takes %s" % (self.path, key, ", ".join(known)))
            if option in found:
                raise self.error("%s has %s under both of its names; leave one out" % (self.path, option))
            found[option] = self.below(".%s" % key, each)
        return Options(self, found)

    # Parsed values.

    def text(self) -> str:
        """Text, or a whole number as text. Other YAML values (C(yes), C(1.10)) no longer are what the user wrote."""
        if isinstance(self.raw, bool) or not isinstance(self.raw, (str, int)):
            raise self.wrong("text; put it in quotes")
        return str(self.raw)

    def choice(self, choices: Iterable[str]) -> str:
        choices = tuple(choices)
        if self.raw not in choices:
            raise self.wrong("one of " + ", ".join(choices))
        return str(self.raw)

    def boolean(self) -> bool:
        """Boolean in any form that Ansible accepts."""
        try:
            return bool(boolean(self.raw))
        except TypeError:
            raise self.wrong("true or false") from None

    def count(self, least: int = 0, most: int | None = None) -> int:
        valid = not isinstance(self.raw, bool) and _WHOLE.fullmatch(str(self.raw).strip()) is not None
        if not valid or int(self.raw) < least or (most is not None and int(self.raw) > most):
            bounds = "of at least %d" % least if most is None else "from %d to %d" % (least, most)
            raise self.wrong("a whole number " + bounds)
        return int(self.raw)

    def seconds(self, *, above_zero: bool = False, most: float = math.inf) -> float:
        try:
            seconds = float(str(self.raw))
        except ValueError:
            seconds = math.nan
        if not (seconds > 0 if above_zero else seconds >= 0) or not seconds < math.inf or seconds > most:
            least = "more than 0" if above_zero else "0 or more"
            raise self.wrong("a number of seconds, %s" % (least if most == math.inf else "%s and at most %g" % (least, most)))
        return seconds

    def url(self, *, with_credentials: bool = False) -> str:
        """HTTP URL; hidden from messages, since part of it may be secret."""
        hidden = self.as_secret()
        url = self.raw if isinstance(self.raw, str) else ""
        if not _URL.fullmatch(url):
            raise hidden.wrong("a URL that begins with http:// or https://, in ASCII and without spaces")
        try:
            parts = urlsplit(url)
            valid = bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if not valid:
            raise hidden.wrong("a URL with a host, and with a port from 1 to 65535 if any")
        if "@" in parts.netloc and not with_credentials:
            raise hidden.wrong("a URL without credentials; there are username and password for them")
        return url

    def headers(self) -> dict[str, str]:
        """HTTP headers; hidden from messages."""
        headers = {}
        for name, each in self.as_secret().entries().items():
            if not _HEADER_NAME.fullmatch(name):
                raise self.as_secret().wrong("a dictionary whose keys are names of headers")
            headers[name] = each.text()
            if not _HEADER_VALUE.fullmatch(headers[name]):
                raise each.wrong("one line of Latin-1 text")
        return headers

    def statuses(self, least: int) -> frozenset[int]:
        """Statuses that an HTTP response may have; a single one needs no list."""
        return frozenset(each.count(least, _STATUS_MAX) for each in self.one_or_more("a status, or a list of at least one"))


class Options:
    """Options in a user's dictionary C(owner)."""

    def __init__(self, owner: Value, given: Mapping[str, Value]) -> None:
        self._owner = owner
        self._given = given

    def __contains__(self, key: str) -> bool:
        return key in self._given

    def __getitem__(self, key: str) -> Value:
        return self._given[key]

    def get(self, key: str, default: Any) -> Value:
        """The option, or its default."""
        return self._given[key] if key in self._given else self._owner.below("." + key, default)

    def required(self, key: str, because: str = "") -> Value:
        """Option that can't be left out; C(because) says what it is and when it is needed, if that is not obvious."""
        if key not in self._given:
            raise self._owner.error("%s needs %s%s" % (self._owner.path, key, because and ": " + because))
        return self._given[key]

    def one_of(self, keys: Iterable[str]) -> str:
        """Name of the one option given among several that exclude each other."""
        keys = tuple(keys)
        found = [key for key in keys if key in self._given]
        if len(found) != 1:
            has = " and ".join(found) or "none"
            raise self._owner.error("%s needs exactly one of %s; it has %s" % (self._owner.path, ", ".join(keys), has))
        return found[0]

    def both(self, one: str, other: str) -> bool:
        """Whether two options that go together are given; one without the other is an error."""
        for has, lacks in ((one, other), (other, one)):
            if has in self._given and lacks not in self._given:
                raise self._owner.error("%s has %s, but no %s; they go together" % (self._owner.path, has, lacks))
        return one in self._given


def setting(raw: Any, option: str) -> Value:
    """Option of a rollout, refused with C(SETTINGS_INVALID)."""
    return Value(raw, option, partial(RolloutError, "SETTINGS_INVALID"))
