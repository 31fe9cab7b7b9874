# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS contexts for requests to servers."""

from __future__ import annotations

import functools
import ssl


class TlsFilesUnusable(Exception):
    """Raised when a file with CAs, a certificate or its key can't be used."""


@functools.lru_cache(maxsize=64)
def tls_context(
    validate_certs: bool, ca_path: str | None = None, client_cert: str | None = None, client_key: str | None = None
) -> ssl.SSLContext:
    """Make a TLS context; cached, because reading the CAs takes some 10 ms of CPU.

    :param ca_path: PEM file with the only CAs to trust; None for the controller's own.
    :param client_cert: PEM file with the certificate to present; C(client_key) with its key, if it is not in the same file.
    :raises TlsFilesUnusable: a file can't be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca_path)
    except OSError as error:
        raise TlsFilesUnusable("the CAs in ca_path can't be read: %s" % error) from error
    if not validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if client_cert is not None:
        try:
            # Without a password, a key that needs one is an error, not a question on the terminal.
            context.load_cert_chain(client_cert, client_key, password="")
        except OSError as error:
            raise TlsFilesUnusable("client_cert or client_key can't be used: %s" % error) from error
    return context
