# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS contexts for requests to servers."""

from __future__ import annotations

import functools
import ssl


class CasUnreadable(Exception):
    """Raised when the file in C(ca_path) can't be used as a list of CAs."""


@functools.lru_cache(maxsize=64)
def tls_context(validate_certs: bool, ca_path: str | None = None) -> ssl.SSLContext:
    """Make a TLS context; cached, because reading the CAs takes some 10 ms of CPU.

    :raises CasUnreadable: C(ca_path) can't be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca_path)
    except OSError as error:
        raise CasUnreadable("the CAs in ca_path can't be read: %s" % error) from error
    if not validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
