# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Error of the HTTP client, and its words for errors of sockets and TLS."""

from __future__ import annotations

import os
import ssl

# X509_V_ERR_*, openssl/x509_vfy.h: nobody whom the controller trusts vouches for the server.
_UNTRUSTED = frozenset((18, 19, 20, 21))
# Not valid yet, expired.
_OUT_OF_DATE = frozenset((9, 10))
# Against RFC 5280, which VERIFY_X509_STRICT checks: Python 3.13 and later do by default.
_MALFORMED = frozenset(range(80, 95))


class HttpError(Exception):
    """Raised when there is no response that could be used.

    The message quotes neither the request nor what the server sent, which may echo the request.
    """


class NoConnection(HttpError):
    """Raised when no address of a server takes a connection, so that it has not received the request."""


def socket_error(error: OSError) -> str:
    """Describe an error of a connection, TLS included."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "certificate verify failed: %s%s" % (error.verify_message.rstrip("."), _hint(error.verify_code))
    if isinstance(error, ssl.SSLError):
        return "TLS failed: %s" % (error.reason or type(error).__name__).lower().replace("_", " ")
    return os.strerror(error.errno) if error.errno else str(error) or type(error).__name__


def _hint(code: int) -> str:
    if code in _UNTRUSTED:
        return " (let the controller trust its CA, by ca_path where there is that option)"
    if code in _OUT_OF_DATE:
        return " (check the clocks of server and controller, and renew it if need be)"
    if code in _MALFORMED:
        return " (Python 3.13 and later want certificates to keep to RFC 5280: docs/locks.md, section Private CAs)"
    return ""
