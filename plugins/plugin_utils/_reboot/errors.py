# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of one host's reboot."""

from __future__ import annotations

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError


class NotNeeded(Exception):
    """Raised when a host needs no reboot, and only hosts that do are to be rebooted. Nothing on it was changed."""


class RebootError(CodedError):
    """Raised when a reboot was refused or did not end as it should; the code says which."""


class NotCompared(RebootError):
    """Raised when a host is back as asked, and could not be compared with what it was.

    :ivar up: whether it was there when it was last heard of.
    """

    def __init__(self, said: str, *, up: bool = True) -> None:
        super().__init__("NOT_COMPARED", "the machine could not be compared with what it was: %s" % said)
        self.up = up


class NotRebooted(RebootError):
    """Raised when a triggered host was not seen to reboot.

    :ivar called_off: whether it is certain that the host has not rebooted and will not.
    :ivar may_begin: whether it was up when last heard of, and may still begin its reboot.
    :ivar up: whether something answers in its place, so that it does not count as down.
    """

    def __init__(self, code: str, message: str, *, called_off: bool, may_begin: bool = False, up: bool = False) -> None:
        super().__init__(code, message, rebooted=False if called_off else None, changed=not called_off)
        self.called_off = called_off
        self.may_begin = may_begin
        self.up = up
