# SPDX-License-Identifier: GPL-3.0-or-later
"""What errors of a session say about a host; the texts are those of OpenSSH."""

from __future__ import annotations

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.unanswered import Refusal, Unanswered, refusal
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.session import SessionError, SessionLost


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("ssh: connect to host web1 port 22: Connection refused", Refusal.REFUSED),
        ("ssh: connect to host web1 port 22: Connection timed out", Refusal.UNREACHABLE),
        ("ssh: connect to host web1 port 22: No route to host", Refusal.UNREACHABLE),
        ("Connection timed out during banner exchange\nConnection to 192.0.2.7 port 22 timed out", Refusal.SILENCE),
        ("no answer within 30.0 s", Refusal.SILENCE),
        (
            "kex_exchange_identification: banner line contains invalid characters\nNot allowed at this time",
            Refusal.TURNED_AWAY,
        ),
        (
            '"System is booting up. Unprivileged users are not permitted to log in yet. See pam_nologin(8)."\n'
            "Connection closed by 192.0.2.7 port 22",
            Refusal.NOT_LET_IN,
        ),
        ("kex_exchange_identification: Connection closed by remote host", Refusal.NONSENSE),
        ("ssh: Could not resolve hostname web1: Temporary failure in name resolution", Refusal.NONSENSE),
    ],
)
def test_what_ssh_says(said: str, kind: Refusal) -> None:
    assert refusal(SessionLost("Failed to connect to the host via ssh: " + said)) is kind


@pytest.mark.parametrize("code", ["CONNECTION_FAILED", "HOST_KEY_CHANGED", "BECOME_FAILED"])
def test_who_refuses_is_there(code: str) -> None:
    unanswered = Unanswered()
    unanswered.failed(SessionError(code, "no"))
    assert (unanswered.kind, unanswered.code) == (Refusal.NOT_LET_IN, code)


def test_the_first_and_the_last_reason_are_kept() -> None:
    unanswered = Unanswered()
    assert (str(unanswered), unanswered.kind) == ("", None)
    for said in ("one\n\n two", "three", "four", ""):
        unanswered.failed(SessionLost(said))
    assert str(unanswered) == "one; two; at last: four"
    unanswered.clear()
    unanswered.nonsense("sh: not found")
    assert (str(unanswered), unanswered.kind, unanswered.code) == ("sh: not found", Refusal.NONSENSE, "")
