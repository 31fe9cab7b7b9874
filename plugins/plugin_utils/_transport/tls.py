# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How servers are trusted."""

from __future__ import annotations

import functools
import ssl


class CasUnreadable(Exception):
    """The file that a user names has no CAs."""


@functools.lru_cache(maxsize=64)
def tls_context(validate_certs: bool, ca_path: str | None = None) -> ssl.SSLContext:
    """Made once, because to read the CAs takes some 10 ms of CPU.

    :raises CasUnreadable: what C(ca_path) names is no use.
    """
    try:
        context = ssl.create_default_context(cafile=ca_path)
    except OSError as error:
        raise CasUnreadable("the CAs in ca_path can't be read: %s" % error) from error
    if not validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
