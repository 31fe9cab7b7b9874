# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests and responses of HTTP/1.1 (RFC 9110, RFC 9112)."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from .errors import HttpError
from .stream import LimitedReader

USER_AGENT = "fleet.kexec"
DEFAULT_PORTS = {"http": 80, "https": 443}
#: Headers that frame a message; the client sets them itself.
FRAMING = frozenset(("connection", "content-length", "transfer-encoding"))

# Limit for status lines and headers, including those of interim responses and trailers.
_HEAD_MAX_BYTES = 64 * 1024
# Limit for the line with the size of a chunk, whose extensions mean nothing here.
_CHUNK_LINE_MAX_BYTES = 4 * 1024
# What the server answers to a question it does not expect, such as one for HTTP/2, begins differently from the first byte on.
_PROTOCOL = b"HTTP/1."
_STATUS_LINE = re.compile(rb"HTTP/1\.\d ([1-9]\d\d)(?: .*)?")
_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")
_FINAL_SINCE = 200
_SWITCHING_PROTOCOLS = 101
_WITHOUT_BODY = frozenset((204, 304))
# A body is announced for them, even an empty one (RFC 9110, section 8.6).
_WITH_BODY = frozenset(("POST", "PUT", "PATCH"))


@dataclass(frozen=True)
class HttpRequest:
    """Request for a URL.

    :ivar url: C(http) or C(https), ASCII only; credentials in it are sent by basic authentication.
    :ivar headers: in Latin-1; they replace the defaults for C(Host), C(User-Agent), C(Accept) and C(Accept-Encoding).
    """

    url: str = field(repr=False)
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)

    @property
    def _parts(self) -> SplitResult:
        return urlsplit(self.url)

    @property
    def uses_tls(self) -> bool:
        return self._parts.scheme == "https"

    @property
    def host(self) -> str:
        """Host of the URL, without brackets."""
        return self._parts.hostname or ""

    @property
    def port(self) -> int:
        return self._parts.port or DEFAULT_PORTS[self._parts.scheme]

    @property
    def authority(self) -> str:
        """Host and port as the URL has them, without credentials."""
        return self._parts.netloc.rpartition("@")[2]

    @property
    def shown(self) -> str:
        """URL without credentials, query and fragment, which may be secret."""
        return "%s://%s%s" % (self._parts.scheme, self.authority, self._parts.path)

    @property
    def _path_and_query(self) -> str:
        return (self._parts.path or "/") + ("?" + self._parts.query if self._parts.query else "")

    def encoded(self, *, whole_url: bool = False, also: Mapping[str, str] | None = None) -> bytes:
        """Request as it is sent; C(whole_url) to a proxy that forwards it, for which C(also) has further headers."""
        headers = {"Host": self.authority, "User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
        if self._parts.username is not None:
            headers["Authorization"] = basic_auth(unquote(self._parts.username), unquote(self._parts.password or ""))
        for name, value in {**self.headers, **(also or {})}.items():
            # Names are case-insensitive.
            headers = {known: each for known, each in headers.items() if known.lower() != name.lower()}
            headers[name] = value
        if self.body is not None or self.method in _WITH_BODY:
            headers["Content-Length"] = str(len(self.body or b""))
        headers["Connection"] = "close"
        target = "http://%s%s" % (self.authority, self._path_and_query) if whole_url else self._path_and_query
        lines = ["%s %s HTTP/1.1" % (self.method, target), *("%s: %s" % header for header in headers.items()), "", ""]
        return "\r\n".join(lines).encode("latin-1") + (self.body or b"")


def basic_auth(username: str, password: str) -> str:
    """Value of the header Authorization for basic authentication (RFC 7617); raises UnicodeEncodeError for lone surrogates."""
    return "Basic " + base64.b64encode(("%s:%s" % (username, password)).encode("utf-8")).decode("ascii")


@dataclass(frozen=True)
class HttpHead:
    """Status and headers of a response, by their names in lower case; the values of a name that occurs twice are joined."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def has_body(self, method: str) -> bool:
        return method != "HEAD" and self.status >= _FINAL_SINCE and self.status not in _WITHOUT_BODY


async def read_head(reader: LimitedReader) -> HttpHead:
    """Read the head of the final response; interim ones (RFC 9110, section 15.2) that precede it are passed over.

    :raises HttpError: this is not HTTP/1, too long, or nothing at all.
    """
    left = _HEAD_MAX_BYTES
    while True:
        if not await reader.starts_with(_PROTOCOL):
            raise HttpError("the connection was closed without an answer" if reader.ended else "the answer is not HTTP/1")
        line = await reader.line(left, "the head of the answer")
        status = _STATUS_LINE.fullmatch(line)
        if status is None:
            raise HttpError("the answer is not HTTP/1")
        headers, used = await _read_headers(reader, left - len(line))
        left -= len(line) + used
        if int(status[1]) >= _FINAL_SINCE:
            return HttpHead(int(status[1]), headers)
        if int(status[1]) == _SWITCHING_PROTOCOLS:
            raise HttpError("the server switched to another protocol, which was not asked for")


async def _read_headers(reader: LimitedReader, max_bytes: int) -> tuple[dict[str, str], int]:
    """Headers up to the empty line or the end of the stream, and the number of their bytes."""
    headers: dict[str, str] = {}
    used, name = 0, ""
    while line := await reader.line(max_bytes - used, "the head of the answer"):
        used += len(line) + 1
        text = line.decode("latin-1")
        if text[0] in " \t":
            # A folded line goes on with the value of the one before (RFC 9112, section 5.2).
            headers[name] = "%s %s" % (headers.get(name, ""), text.strip())
            continue
        name, _colon, value = text.partition(":")
        name = name.strip().lower()
        headers[name] = "%s, %s" % (headers[name], value.strip()) if name in headers else value.strip()
    return headers, used


async def read_body(reader: LimitedReader, head: HttpHead, max_bytes: int) -> tuple[bytes, bool]:
    """Read the body of a response; return it, or its first C(max_bytes), and whether this is all of it.

    :raises HttpError: it ends too early, or its form is not understood.
    """
    if head.headers.get("content-encoding", "identity").lower() not in ("identity", ""):
        raise HttpError("the answer is compressed, which was not asked for")
    codings = head.headers.get("transfer-encoding")
    # It overrides a length (RFC 9112, section 6.3).
    if codings is not None:
        if codings.lower() != "chunked":
            raise HttpError("the answer has a transfer coding that was not asked for")
        return await _read_chunks(reader, max_bytes)
    length = _length(head)
    body = bytearray()
    while len(body) < max_bytes and (length is None or len(body) < length):
        wanted = max_bytes if length is None else min(max_bytes, length)
        data = await reader.some(wanted - len(body))
        if not data:
            if length is not None:
                raise HttpError("the answer ended after %d of %d bytes" % (len(body), length))
            return bytes(body), True
        body += data
    return bytes(body), length is not None and len(body) >= length


def _length(head: HttpHead) -> int | None:
    """Announced length of a body; None if its end is that of the connection."""
    if "content-length" not in head.headers:
        return None
    # It may be given repeatedly, but not in two ways.
    lengths = {each.strip() for each in head.headers["content-length"].split(",")}
    length = lengths.pop()
    if lengths or not _LENGTH.fullmatch(length):
        raise HttpError("the answer has no valid Content-Length")
    return int(length)


async def _read_chunks(reader: LimitedReader, max_bytes: int) -> tuple[bytes, bool]:
    body = bytearray()
    while True:
        line = await reader.line(_CHUNK_LINE_MAX_BYTES, "a line of the answer")
        size = _CHUNK_SIZE.fullmatch(line)
        if size is None:
            raise HttpError("the answer ended too early" if reader.ended else "the answer is not chunked as announced")
        left = int(size[1], 16)
        if left == 0:
            await _read_headers(reader, _HEAD_MAX_BYTES)
            return bytes(body), True
        while left:
            if len(body) >= max_bytes:
                return bytes(body), False
            data = await reader.some(min(left, max_bytes - len(body)))
            if not data:
                raise HttpError("the answer ended too early")
            body += data
            left -= len(data)
        if await reader.line(1, "a chunk of the answer"):
            raise HttpError("the answer is not chunked as announced")
