# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that users give, read in one place, so that a mistake is told in the same words wherever it is made.

Each value knows where it stands, and which error it is refused with. Variables
from a command line or an INI file are text, so numbers and booleans may be text.
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

# Longer ones mean nothing anywhere, and take Python long to read.
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
# The host of a URL in ASCII, everything else percent-encoded.
_URL = re.compile(r"https?://[\x21-\x7e]+", re.IGNORECASE)
# RFC 9110, 5.6.2. In a value no control character can be sent but a tab, and nothing that is not Latin-1.
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
_STATUS_MAX = 599


@dataclass(frozen=True)
class Value:
    """Value that a user has given.

    :ivar path: where it stands, such as C(before[0].http.url).
    :ivar error: makes the exception for a message.
    :ivar secret: whether it, or anything in it, may be secret. Then it is in no message.
    """

    raw: Any = field(repr=False)
    path: str
    error: Callable[[str], CodedError]
    secret: bool = False

    def wrong(self, wanted: str) -> CodedError:
        """The error for another value than is wanted, which is said as in "has to be …"."""
        given = "" if self.secret else " is %r, but" % (self.raw,)
        return self.error("%s%s has to be %s" % (self.path, given, wanted))

    def misplaced(self, why: str) -> CodedError:
        """The error for a value that goes with nothing else that is given, which is said as in "has to be left out …"."""
        return self.error("%s has to be left out %s" % (self.path, why))

    def as_secret(self) -> Value:
        """The same value, which no message shows."""
        return replace(self, secret=True)

    def below(self, name: str, raw: Any) -> Value:
        """A value in this one.

        :param name: how it is told from others there, such as C(.url) or C([0]).
        """
        return replace(self, path=self.path + name, raw=raw)

    # What holds others.

    def items(self, wanted: str = "a list") -> list[Value]:
        """Items of a list."""
        if not isinstance(self.raw, (list, tuple)):
            raise self.wrong(wanted)
        return [self.below("[%d]" % index, each) for index, each in enumerate(self.raw)]

    def one_or_more(self, wanted: str) -> list[Value]:
        """Items of a list that has any; a value that is no list stands for itself."""
        found = self.items() if isinstance(self.raw, (list, tuple)) else [self]
        if not found:
            raise self.wrong(wanted)
        return found

    def dictionary(self, wanted: str = "a dictionary") -> Mapping[Any, Any]:
        """A dictionary as it was given."""
        if not isinstance(self.raw, Mapping):
            raise self.wrong(wanted)
        return self.raw

    def entries(self, wanted: str = "a dictionary") -> dict[str, Value]:
        """Entries of a dictionary with any keys. Those that are None are as if left out."""
        return {str(key): self.below(".%s" % key, each) for key, each in self.dictionary(wanted).items() if each is not None}

    def options(self, known: Iterable[str]) -> Options:
        """Entries of a dictionary with no other keys than these. Those that are None are as if left out."""
        known = tuple(known)
        for key, each in self.dictionary().items():
            if key not in known and each is not None:
                raise self.error("%s has no %r; it takes %s" % (self.path, key, ", ".join(known)))
        return Options(self, self.entries())

    # What is read.

    def text(self) -> str:
        """Text, or a whole number as it reads; what YAML makes of other things (C(yes), C(1.10)) is not what was written."""
        if isinstance(self.raw, bool) or not isinstance(self.raw, (str, int)):
            raise self.wrong("text; put it in quotes")
        return str(self.raw)

    def choice(self, choices: Iterable[str]) -> str:
        """One of several texts."""
        choices = tuple(choices)
        if self.raw not in choices:
            raise self.wrong("one of " + ", ".join(choices))
        return str(self.raw)

    def boolean(self) -> bool:
        """A boolean, as Ansible takes them."""
        try:
            return bool(boolean(self.raw))
        except TypeError:
            raise self.wrong("true or false") from None

    def count(self, least: int = 0, most: int | None = None) -> int:
        """A whole number."""
        valid = not isinstance(self.raw, bool) and _WHOLE.fullmatch(str(self.raw).strip()) is not None
        if not valid or int(self.raw) < least or (most is not None and int(self.raw) > most):
            bounds = "of at least %d" % least if most is None else "from %d to %d" % (least, most)
            raise self.wrong("a whole number " + bounds)
        return int(self.raw)

    def seconds(self, *, above_zero: bool = False, most: float = math.inf) -> float:
        """A duration."""
        try:
            seconds = float(str(self.raw))
        except ValueError:
            seconds = math.nan
        if not (seconds > 0 if above_zero else seconds >= 0) or not seconds < math.inf or seconds > most:
            least = "more than 0" if above_zero else "0 or more"
            raise self.wrong("a number of seconds, %s" % (least if most == math.inf else "%s and at most %g" % (least, most)))
        return seconds

    def url(self, *, with_credentials: bool = False) -> str:
        """Address for HTTP. It is not in messages: a part of it may be secret."""
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
        """Headers of a request. No message shows them."""
        headers = {}
        for name, each in self.as_secret().entries().items():
            if not _HEADER_NAME.fullmatch(name):
                raise self.as_secret().wrong("a dictionary whose keys are names of headers")
            headers[name] = each.text()
            if not _HEADER_VALUE.fullmatch(headers[name]):
                raise each.wrong("one line of Latin-1 text")
        return headers

    def statuses(self, least: int) -> frozenset[int]:
        """Statuses that HTTP may answer with, of which one may stand for itself."""
        return frozenset(each.count(least, _STATUS_MAX) for each in self.one_or_more("a status, or a list of at least one"))


class Options:
    """Dictionary of options that a user has given.

    :param owner: the dictionary.
    :param given: what is in it.
    """

    def __init__(self, owner: Value, given: Mapping[str, Value]) -> None:
        self._owner = owner
        self._given = given

    def __contains__(self, key: str) -> bool:
        return key in self._given

    def __getitem__(self, key: str) -> Value:
        return self._given[key]

    def get(self, key: str, default: Any) -> Value:
        """The option, or what stands for it where it is left out."""
        return self._given[key] if key in self._given else self._owner.below("." + key, default)

    def required(self, key: str, because: str = "") -> Value:
        """An option that can't be left out.

        :param because: what it is, and when it is needed, where that is not plain.
        """
        if key not in self._given:
            raise self._owner.error("%s needs %s%s" % (self._owner.path, key, because and ": " + because))
        return self._given[key]

    def one_of(self, keys: Iterable[str]) -> str:
        """The one option that is given of several that exclude each other."""
        keys = tuple(keys)
        found = [key for key in keys if key in self._given]
        if len(found) != 1:
            has = " and ".join(found) or "none"
            raise self._owner.error("%s needs exactly one of %s; it has %s" % (self._owner.path, ", ".join(keys), has))
        return found[0]

    def both(self, one: str, other: str) -> bool:
        """Whether two options are given that go together."""
        for has, lacks in ((one, other), (other, one)):
            if has in self._given and lacks not in self._given:
                raise self._owner.error("%s has %s, but no %s; they go together" % (self._owner.path, has, lacks))
        return one in self._given


def setting(raw: Any, option: str) -> Value:
    """Value of an option of a rollout, which is refused with C(SETTINGS_INVALID)."""
    return Value(raw, option, partial(RolloutError, "SETTINGS_INVALID"))
