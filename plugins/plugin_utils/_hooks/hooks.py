# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks: what users want done around a host's reboot, as they write it.

Arguments, headers, bodies and paths of addresses may hold secrets. They are in
no error, no default name and no C(repr()).
"""

from __future__ import annotations

import base64
import json
import math
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from .._errors import RolloutError

PHASE_BEFORE = "before"
PHASE_AFTER = "after"
PHASE_ON_FAILURE = "on_failure"
#: Options that are lists of hooks.
PHASES = (PHASE_BEFORE, PHASE_AFTER, PHASE_ON_FAILURE)

ON_HOST = "host"
ON_CONTROLLER = "controller"
PLACES = (ON_HOST, ON_CONTROLLER)

HTTP_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
HTTP_OK = 200

TIMEOUT_S = 60.0
RETRIES = 0
DELAY_S = 1.0

#: Of a name, in the journal and on a terminal.
NAME_MAX_CHARS = 100

# RFC 9110, 5.6.2; the host of a URL in ASCII, everything else percent-encoded.
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_URL = re.compile(r"https?://[\x21-\x7e]+", re.IGNORECASE)
# No control character can be sent but a tab, and no other than Latin-1.
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
_MODULE_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)


@dataclass(frozen=True)
class Command:
    """A command, without a shell; it fails with any exit code but 0.

    :ivar run_on: one of :data:`PLACES`.
    """

    argv: tuple[str, ...] = field(repr=False)
    run_on: str


@dataclass(frozen=True)
class HttpCheck:
    """A request from the controller, and what has to be answered.

    :ivar statuses: any of them will do.
    :ivar contains: what has to be in the answer's body.
    :ivar ca_path: PEM file with the only CAs to trust; None for the controller's own.
    """

    url: str = field(repr=False)
    method: str = "GET"
    statuses: frozenset[int] = frozenset({HTTP_OK})
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    validate_certs: bool = True
    ca_path: str | None = None
    contains: str | None = None


@dataclass(frozen=True)
class ModuleCall:
    """One Ansible module.

    :ivar run_on: one of :data:`PLACES`.
    """

    name: str
    args: Mapping[str, Any] = field(repr=False)
    run_on: str = ON_HOST

    def secrets(self) -> Iterator[str]:
        """Values of the arguments, line by line: what nobody should read."""
        return _leaves(self.args)


@dataclass(frozen=True)
class Hook:
    """One thing to do, and how often to try.

    :ivar name: unique among the hooks of an option.
    :ivar timeout_s: of each attempt.
    :ivar retries: further attempts after one that failed.
    :ivar delay_s: between attempts.
    """

    name: str
    action: Command | HttpCheck | ModuleCall
    timeout_s: float = TIMEOUT_S
    retries: int = RETRIES
    delay_s: float = DELAY_S


def parse_hooks(value: Any, option: str) -> tuple[Hook, ...]:
    """Read a list of hooks, their variables already filled in. None is no hooks; in a hook, it is as if left out.

    :param option: where they stand, for errors and nothing else.
    :raises RolloutError: C(SETTINGS_INVALID), naming option, index (from 0) and key.
    """
    if value is None:
        return ()
    hooks: list[Hook] = []
    taken: set[str] = set()
    for index, each in enumerate(_list(value, option, "a list of dictionaries")):
        where = "%s[%d]" % (option, index)
        given = _known(each, where, (*_KINDS, "name", "timeout", "retries", "delay"))
        name = _name(given["name"], where + ".name") if "name" in given else None
        if name in taken:
            raise _invalid(where + ".name", "another than that of an earlier hook")
        kinds = [kind for kind in _KINDS if kind in given]
        if len(kinds) != 1:
            raise _invalid(where, "exactly one of %s; it has %s" % (", ".join(_KINDS), " and ".join(kinds) or "none"))
        action = _KINDS[kinds[0]](given[kinds[0]], "%s.%s" % (where, kinds[0]))
        if name is None:
            name = _unlike(taken, _default_name(action))
        taken.add(name)
        hooks.append(
            Hook(
                name,
                action,
                timeout_s=_seconds(given.get("timeout", TIMEOUT_S), where + ".timeout", above_zero=True),
                retries=_count(given.get("retries", RETRIES), where + ".retries"),
                delay_s=_seconds(given.get("delay", DELAY_S), where + ".delay"),
            )
        )
    return tuple(hooks)


def hooks_argument_spec() -> dict[str, Any]:
    """Argument specification of the lists of hooks; documented in C(doc_fragments/hooks.py)."""
    return {phase: _list_spec() for phase in PHASES}


def _list_spec() -> dict[str, Any]:
    command = {"type": "list", "elements": "str"}
    return {
        "type": "list",
        "elements": "dict",
        "default": [],
        "mutually_exclusive": [list(_KINDS)],
        "required_one_of": [list(_KINDS)],
        "options": {
            "name": {"type": "str"},
            "command": dict(command),
            "controller_command": dict(command),
            "http": {
                "type": "dict",
                "required_together": [["username", "password"]],
                "options": {
                    "url": {"type": "str", "required": True},
                    "method": {"type": "str", "choices": list(HTTP_METHODS), "default": "GET"},
                    "status": {"type": "list", "elements": "int", "default": [HTTP_OK]},
                    "headers": {"type": "dict", "no_log": True},
                    "body": {"type": "raw", "no_log": True},
                    "validate_certs": {"type": "bool", "default": True},
                    "ca_path": {"type": "path"},
                    "username": {"type": "str"},
                    "password": {"type": "str", "no_log": True},
                    "contains": {"type": "str"},
                },
            },
            "module": {
                "type": "dict",
                "options": {
                    "name": {"type": "str", "required": True},
                    "args": {"type": "dict", "default": {}, "no_log": True},
                    "run_on": {"type": "str", "choices": list(PLACES), "default": ON_HOST},
                },
            },
            "timeout": {"type": "float", "default": TIMEOUT_S},
            "retries": {"type": "int", "default": RETRIES},
            "delay": {"type": "float", "default": DELAY_S},
        },
    }


# Names.


def _default_name(action: Command | HttpCheck | ModuleCall) -> str:
    """What it does, in a few words. Of a command only the program, and of an address only the host: more may be secret."""
    if isinstance(action, Command):
        kind = "command" if action.run_on == ON_HOST else "controller_command"
        name = "%s %s" % (kind, posixpath.basename(action.argv[0]) or action.argv[0])
    elif isinstance(action, HttpCheck):
        name = "http %s %s" % (action.method, urlsplit(action.url).netloc)
    else:
        name = "module %s" % action.name
    return "".join(each if each.isprintable() else "?" for each in name)[:NAME_MAX_CHARS]


def _unlike(taken: set[str], name: str) -> str:
    number, unique = 1, name
    while unique in taken:
        number += 1
        unique = "%s (%d)" % (name, number)
    return unique


def _name(value: Any, where: str) -> str:
    name = _text(value, where).strip()
    if not name or len(name) > NAME_MAX_CHARS or not name.isprintable():
        raise _invalid(where, "1 to %d printable characters" % NAME_MAX_CHARS)
    return name


# What hooks do.


def _host_command(value: Any, where: str) -> Command:
    return Command(_argv(value, where), ON_HOST)


def _controller_command(value: Any, where: str) -> Command:
    return Command(_argv(value, where), ON_CONTROLLER)


def _argv(value: Any, where: str) -> tuple[str, ...]:
    argv = tuple(
        _text(each, "%s[%d]" % (where, index))
        for index, each in enumerate(_list(value, where, "a list of a program and its arguments"))
    )
    if not argv or not argv[0]:
        raise _invalid(where, "a list that begins with a program")
    for index, each in enumerate(argv):
        if "\0" in each:
            raise _invalid("%s[%d]" % (where, index), "without null characters")
    return argv


def _http(value: Any, where: str) -> HttpCheck:
    known = ("url", "method", "status", "headers", "body", "validate_certs", "ca_path", "username", "password", "contains")
    given = _required(_known(value, where, known), where, "url")
    method = _choice(given.get("method", "GET"), where + ".method", HTTP_METHODS)
    headers = _headers(given.get("headers", {}), where + ".headers")
    names = {name.lower() for name in headers}
    body = given.get("body")
    if body is not None:
        body, content_type = _body(body, where + ".body")
        if content_type and "content-type" not in names:
            headers["Content-Type"] = content_type
    if ("username" in given) != ("password" in given):
        raise _invalid(where, "both username and password, or neither")
    if "username" in given:
        if "authorization" in names:
            raise _invalid(where, "either username and password or a header Authorization")
        headers["Authorization"] = _basic_auth(given, where)
    contains = _text(given["contains"], where + ".contains") if "contains" in given else None
    if contains is not None and method == "HEAD":
        raise _invalid(where + ".contains", "left out with method HEAD, which is answered without a body")
    return HttpCheck(
        url=_url(given["url"], where + ".url"),
        method=method,
        statuses=_statuses(given.get("status", HTTP_OK), where + ".status"),
        headers=headers,
        body=body,
        validate_certs=_boolean(given.get("validate_certs", True), where + ".validate_certs"),
        ca_path=_text(given["ca_path"], where + ".ca_path") if "ca_path" in given else None,
        contains=contains,
    )


def _url(value: Any, where: str) -> str:
    url = _text(value, where)
    if not _URL.fullmatch(url):
        raise _invalid(where, "a URL that begins with http:// or https://, in ASCII and without spaces")
    try:
        parts = urlsplit(url)
        valid = bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise _invalid(where, "a URL with a host, and with a port from 1 to 65535 if any")
    if "@" in parts.netloc:
        raise _invalid(where, "a URL without credentials; there are username and password for them")
    return url


def _statuses(value: Any, where: str) -> frozenset[int]:
    several = value if isinstance(value, (list, tuple)) else [value]
    statuses = frozenset(_count(each, where, 100, 599) for each in several)
    if not statuses:
        raise _invalid(where, "a status, or a list of at least one")
    return statuses


def _headers(value: Any, where: str) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, each in _dictionary(value, where).items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise _invalid(where, "a dictionary whose keys are names of headers")
        text = _text(each, "%s.%s" % (where, name))
        if not _HEADER_VALUE.fullmatch(text):
            raise _invalid("%s.%s" % (where, name), "one line of Latin-1 text")
        headers[name] = text
    return headers


def _body(value: Any, where: str) -> tuple[bytes, str | None]:
    """What is sent, and as what."""
    try:
        if isinstance(value, (Mapping, list, tuple)):
            return json.dumps(value).encode("ascii"), "application/json"
        return _text(value, where).encode("utf-8"), None
    except (TypeError, ValueError):
        raise _invalid(where, "text, or a dictionary or a list that can be sent as JSON") from None


def _basic_auth(given: Mapping[str, Any], where: str) -> str:
    """RFC 7617."""
    username, password = (_text(given[name], "%s.%s" % (where, name)) for name in ("username", "password"))
    if ":" in username:
        raise _invalid(where + ".username", "without a colon")
    try:
        credentials = ("%s:%s" % (username, password)).encode("utf-8")
    except UnicodeEncodeError:
        raise _invalid(where, "a username and a password that are Unicode text") from None
    return "Basic " + base64.b64encode(credentials).decode("ascii")


def _module(value: Any, where: str) -> ModuleCall:
    given = _required(_known(value, where, ("name", "args", "run_on")), where, "name")
    name = _text(given["name"], where + ".name")
    if not _MODULE_NAME.fullmatch(name):
        raise _invalid(where + ".name", "the name of a module, such as ansible.builtin.service")
    args = _dictionary(given.get("args", {}), where + ".args")
    if not all(isinstance(key, str) for key in args):
        raise _invalid(where + ".args", "a dictionary whose keys are names of options")
    return ModuleCall(name, dict(args), _choice(given.get("run_on", ON_HOST), where + ".run_on", PLACES))


_KINDS: dict[str, Callable[[Any, str], Command | HttpCheck | ModuleCall]] = {
    "command": _host_command,
    "controller_command": _controller_command,
    "http": _http,
    "module": _module,
}


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for each in value.values():
            yield from _leaves(each)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for each in value:
            yield from _leaves(each)
    elif value is not None and not isinstance(value, bool):
        yield from (line.strip() for line in str(value).splitlines())


# Values. What is wrong with them is said without them.


def _invalid(where: str, wanted: str) -> RolloutError:
    return RolloutError("SETTINGS_INVALID", "%s has to be %s" % (where, wanted))


def _list(value: Any, where: str, wanted: str) -> Sequence[Any]:
    if not isinstance(value, (list, tuple)):
        raise _invalid(where, wanted)
    return value


def _dictionary(value: Any, where: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise _invalid(where, "a dictionary")
    return value


def _known(value: Any, where: str, names: tuple[str, ...]) -> dict[str, Any]:
    """A dictionary with no other keys than these, without those that are None."""
    found = {key: each for key, each in _dictionary(value, where).items() if each is not None}
    for key in found:
        if key not in names:
            raise RolloutError("SETTINGS_INVALID", "%s has no %r; it takes %s" % (where, key, ", ".join(names)))
    return found


def _required(given: dict[str, Any], where: str, name: str) -> dict[str, Any]:
    if name not in given:
        raise _invalid(where, "a dictionary with %s" % name)
    return given


def _text(value: Any, where: str) -> str:
    """Text, or an integer as it reads; what YAML makes of other things (C(yes), C(1.10)) is not what was written."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise _invalid(where, "text; put it in quotes")
    return str(value)


def _choice(value: Any, where: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise _invalid(where, "one of " + ", ".join(choices))
    return str(value)


def _boolean(value: Any, where: str) -> bool:
    # Variables from a command line or an INI file are text.
    word = str(value).lower()
    if word not in ("true", "yes", "false", "no"):
        raise _invalid(where, "true or false")
    return word in ("true", "yes")


def _count(value: Any, where: str, least: int = 0, most: float = math.inf) -> int:
    try:
        count = int(str(value))
        valid = least <= count <= most
    except ValueError:
        valid = False
    if not valid:
        raise _invalid(where, "a whole number, %d or more" % least if most == math.inf else "from %d to %d" % (least, most))
    return count


def _seconds(value: Any, where: str, above_zero: bool = False) -> float:
    try:
        seconds = float(str(value))
        valid = (seconds > 0 if above_zero else seconds >= 0) and seconds < math.inf
    except ValueError:
        valid = False
    if not valid:
        raise _invalid(where, "a number of seconds, %s" % ("above 0" if above_zero else "0 or more"))
    return seconds
