# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason, reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._console.preflight import preflight_text
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.facts import look_at_facts
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.fold import RunFold
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.judge import ClassJudge
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.model import Ledger
from ansible_collections.fleet.kexec.plugins.plugin_utils._preflight import Preflight, totals_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.path_outages import PathOutages
from ansible_collections.fleet.kexec.plugins.plugin_utils._text import ASCII, columns_of
from ansible_collections.fleet.kexec.tests.host_facts import RELEASE, whole_facts

NEED = {"code": "PENDING_KERNEL", "message": "6.13 boots next", "hint": "Reboot the host.", "method": "kexec"}
LOCKED = {"code": "LOCKDOWN", "message": "the kernel is locked down", "hint": "Sign the image."}


def facts(method: str = "kexec", *, total_ms: float = 880.4, notes: Any = (), **more: Any) -> dict[str, Any]:
    verdict = {"method": method, "predicted_ms": {"total": total_ms}, "notes": list(notes), **more.pop("verdict", {})}
    return whole_facts(verdict=verdict, **more)


def found_of(host: str, given: Any, outages: PathOutages | None = None) -> Preflight | Reason:
    saved = (outages or PathOutages({})).saved_s
    return look_at_facts(host, given, ClassJudge(Ledger(), RunFold(), proven_after=0), saved)


def text(hosts: dict[str, Any], **options: Any) -> list[str]:
    found = {name: found_of(name, each) for name, each in hosts.items()}
    return preflight_text(found, totals_of(list(found.values())), **options)


def test_a_row_for_each_host_and_what_there_is_to_say() -> None:
    needed = {"needed": True, "reasons": [NEED]}
    lines = text({"web1": facts(), "web2": facts("refuse", blockers=[LOCKED], reboot_needed=needed, loaded=True), "db1": None})
    assert " ".join(lines[0].split()) == "HOST METHOD IMAGE INTEGRITY LOADER PLACEMENT JUMP LAST BOOT KERNEL NEXT"
    assert " ".join(lines[1].split()) == "web1 kexec fast crc32c kexec_load copied 880 ms firmware %s same" % RELEASE
    assert lines[3:6] == [
        "    LOCKDOWN: the kernel is locked down. Sign the image.",
        "    PENDING_KERNEL: 6.13 boots next",
        "    loaded: an image of unknown origin: any reboot of this host will be a kexec",
    ]
    assert lines[6].split() == ["db1", "?", "could", "not", "be", "read"]
    assert lines[7:] == [
        "    FACTS_UNREADABLE: there are no facts of this host: boot_facts did not run on it, or failed",
        "3 hosts: 1 via kexec (2 with a fast image), 0 through firmware, 1 refused, 1 could not be read",
        "1 in need of a reboot",
        "with method: least, 0 softly, 0 via kexec, 0 through firmware, 1 not rebooted",
    ]


def test_classes_that_are_not_proven_or_failed_are_counted() -> None:
    unproven = {
        "code": "UNPROVEN",
        "message": "no host of this class has come back from a kexec yet: X",
        "hint": "Send one ahead.",
    }
    failed = {"code": "CLASS_FAILED", "message": "a kexec of this class failed: Y", "hint": "Find out why."}
    hosts = {"web1": facts(warnings=[unproven]), "web2": facts("firmware", blockers=[failed]), "web3": facts()}
    lines = text(hosts)
    assert "    warnings: UNPROVEN" in lines and "    CLASS_FAILED: a kexec of this class failed: Y. Find out why." in lines
    assert lines[-1] == "by the ledger, 1 of a class that is not proven, 1 of a class that failed"


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 132, 250])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    hosts = {"web%d" % number: facts("refuse", blockers=[LOCKED]) for number in range(30)}
    hosts["x" * 300] = facts()
    lines = text(hosts, columns=columns)
    assert max(map(columns_of, lines)) < columns
    # Nothing is left out in silence, and the method never is.
    assert "METHOD" in lines[0] and ("KERNEL" in lines[0] or any("Left out" in line for line in lines))
    assert ("INTEGRITY" in lines[0]) == (columns == 250)


def test_a_log_has_it_all_in_lines_of_any_length() -> None:
    lines = text({"x" * 300: facts("refuse", blockers=[LOCKED])})
    assert "INTEGRITY" in lines[0] and lines[1].startswith("x" * 300) and len(lines) == 5


def test_a_thousand_hosts_that_are_alike_share_rows() -> None:
    hosts: dict[str, Any] = {"web%04d" % number: facts(total_ms=800 + number / 10) for number in range(1000)}
    for number in range(0, 1000, 100):
        hosts["web%04d" % number] = facts("refuse", blockers=[dict(LOCKED, message="locked down by %d" % number)])
    hosts["web0001"] = None
    lines = text(hosts, glyphs=ASCII)
    assert lines[0].startswith("HOSTS  METHOD")
    assert lines[1].startswith("989    kexec") and "up to 900 ms" in lines[1]
    assert lines[2].startswith("    web0002 web0003") and lines[3].endswith("more")
    refused = next(at for at, line in enumerate(lines) if line.startswith("10     refuse"))
    # Every one of them is named.
    assert sum(line.count("web0") for line in lines[refused + 1 : refused + 3]) == 10
    assert "    LOCKDOWN: for example, locked down by 0. Sign the image." in lines
    assert any(line.startswith("1      ?") for line in lines) and len(lines) < 20


def test_hostile_facts_are_only_text() -> None:
    evil = "\x1b[2J\u202e{{ 7 * 7 }}\n[bold]" + "y" * 5000
    hosts = {
        "a\x1b[31m\nb": facts(evil, verdict={"loader": evil}, kernel={"release": evil}, blockers=[dict.fromkeys(LOCKED, evil)])
    }
    lines = text(hosts, columns=120)
    assert all(line.isprintable() and columns_of(line) < 120 for line in lines)
    assert lines[1].startswith("a b") or lines[1].startswith("ab")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({}, "boot is missing"),
        ([], "fleet_kexec is no dictionary"),
        ("facts", "fleet_kexec is no dictionary"),
        (facts() | {"verdict": 1}, "verdict is no dictionary"),
        (facts() | {"verdict": None}, "verdict is no dictionary"),
        (facts(blockers=[1]), "blockers is no list of dictionaries"),
        (facts(warnings=[{}]), "code is missing"),
        (facts() | {"boot": {}}, "boot_id is missing"),
        (facts(boot={"soft_reboots": True}), "soft_reboots is no whole number"),
        (facts(kernel={"release": None}), "release is no text"),
        (facts(verdict={"predicted_ms": {"total": float("nan")}}), "total is no number"),
        (facts(policy=[]), "policy is no dictionary"),
        (facts(entry={"added": "quiet"}), "added is no list"),
        (facts(soft={"possible": "yes"}), "possible is no boolean"),
    ],
)
def test_facts_that_are_not_valid_count_as_not_read(broken: Any, said: str) -> None:
    found = {"web1": found_of("web1", broken), "web2": found_of("web2", facts())}
    assert found["web1"] == reason("FACTS_UNREADABLE", "boot_facts gave an answer that is none: %s" % said)
    lines = preflight_text(found, totals_of(list(found.values())))
    assert "    FACTS_UNREADABLE: boot_facts gave an answer that is none: %s" % said in lines
    assert "2 hosts: 1 via kexec (1 with a fast image), 0 through firmware, 0 refused, 1 could not be read" in lines


def test_why_a_thousand_hosts_could_not_be_read_is_said_once() -> None:
    lines = text(dict.fromkeys(("web%04d" % number for number in range(1000)), None))
    assert sum("FACTS_UNREADABLE" in line for line in lines) == 1


def test_the_least_that_applies_what_is_pending_and_what_it_saves() -> None:
    hardware = {"vendor": "Example Inc.", "product": "Server 9", "board": "", "firmware_version": "", "drivers": {}}
    userspace = {**NEED, "code": "PENDING_USERSPACE", "message": "dbus.service runs libc.so.6", "method": "soft"}
    old = {"possible": False, "survivors": [], "blockers": [{"code": "SOFT_UNSUPPORTED", "message": "252", "hint": "Another."}]}
    gpu = {"code": "DRIVER_RISK", "message": "nvidia drives it", "hint": "See the report."}
    one, two = ({"needed": True, "reasons": reasons} for reasons in ([userspace], [userspace, NEED]))
    hosts = {
        "a": facts(hardware=hardware, reboot_needed=one),
        "b": facts(hardware=hardware, reboot_needed=one, soft=old),
        "c": facts("firmware", reboot_needed=two, blockers=[gpu]),
        "d": facts("refuse", reboot_needed=one, blockers=[LOCKED]),
        "e": facts(hardware=hardware),
    }
    medians = {"soft": [6.0], "kexec": [15.0], "firmware": [90.0]}
    outages = PathOutages({(path, "Example Inc. Server 9"): values for path, values in medians.items()})
    found = {name: found_of(name, each, outages) for name, each in hosts.items()}
    least = {name: each.values["least"] for name, each in found.items() if isinstance(each, Preflight)}
    assert {name: each["method"] for name, each in least.items()} == {
        "a": "soft",
        "b": "kexec",
        "c": "firmware",
        "d": None,
        "e": None,
    }
    assert least["a"]["saves_s"] == {"kexec": 9.0, "firmware": 84.0} and least["c"]["saves_s"] == {}
    assert least["e"]["saves_s"] == {"soft": 6.0, "kexec": 15.0, "firmware": 90.0} and least["d"]["saves_s"] == {}
    lines = preflight_text(found, totals_of(list(found.values())))
    soft = "9.0 s less than via kexec, which auto would take, 84 s less than through firmware"
    assert "    least: soft; predicted outage %s" % soft in lines
    none = "6.0 s less than by a soft reboot, 15 s less than via kexec, which auto would take, 90 s less than through firmware"
    assert "    least: none; predicted outage %s" % none in lines
    assert {name: each["auto"] for name, each in least.items()} == {**dict.fromkeys("abe", "kexec"), "c": "firmware", "d": None}
    assert "    least: kexec; not soft (SOFT_UNSUPPORTED); predicted outage 75 s less than through firmware" in lines
    assert "    least: firmware; not kexec (DRIVER_RISK)" in lines
    assert lines[-1] == "with method: least, 1 softly, 1 via kexec, 1 through firmware, 1 not rebooted"
