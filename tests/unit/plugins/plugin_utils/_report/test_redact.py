# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import events
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_store import RunStore
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.options import ReportRequest
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.redact import LEFT_OUT, Redactor
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.report import make_report

from ..stories import OF_PENDING, compared, night, started
from .journals import HOSTILE, Night, Timed, hostile_run, records_of, write_journal

NAMES = ["web1.dc.example.com", "web2", "böse host"]


@pytest.fixture
def redactor() -> Redactor:
    redactor = Redactor()
    redactor.record({**started(NAMES, ("db1",)), "operator": "alice"})
    return redactor


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("web2 did not come back within 300 s", "host-2 did not come back within 300 s"),
        ("web2: asks web1.dc.example.com, not web22 or web2-ilo", "host-2: asks host-1, not web22 or web2-ilo"),
        ("ssh: connect to host 10.0.0.7 port 22: refused", "ssh: connect to host address-1 port 22: refused"),
        ("10.0.0.7 and [fe80::1] and 10.0.0.7", "address-1 and [address-2] and address-1"),
        ("at 01:58:30, from aa:bb:cc:dd:ee:0f", "at 01:58:30, from address-1"),
        ("alice and alice@example.com", "user-1 and user-2"),
        ("open /home/alice/.ssh/id (denied)", "open path-1 (denied)"),
        ("https://ilo.example.com/redfish?host=web2", "address-1"),
        ("the disk of böse host is full", "the disk of host-3 is full"),
        ("ilo-7.mgmt.example.com is away", "host-5 is away"),
        ("kernel.panic stays at 10; systemd-networkd.service", "kernel.panic stays at 10; systemd-networkd.service"),
        ("6.12.117+deb13-amd64 in 1/2 of the time", "6.12.117+deb13-amd64 in 1/2 of the time"),
        ("boot 0e0a6d8e-9a0f-4d8e-8a4f-1d6f0a4b9c55", "boot id-1"),
    ],
)
def test_texts(redactor: Redactor, text: str, redacted: str) -> None:
    assert redactor.text(text) == redacted


def test_a_host_that_has_the_name_of_a_stand_in() -> None:
    redactor = Redactor()
    first = redactor.record(started(["host-2", "host-1"]))
    assert first["hosts"] == ["host-1", "host-2"] and redactor.text("host-2 waits for host-1") == "host-1 waits for host-2"


def test_units_keep_their_names_but_not_what_they_are_named_after(redactor: Redactor) -> None:
    timeline = {"units": {"stop": [{"unit": "nginx.service"}, {"unit": "home-alice.mount"}, {"unit": "vpn@berlin.service"}]}}
    record = redactor.record(events.HostTimeline(host="web2", timeline=timeline).as_record())
    units = [each["unit"] for each in record["timeline"]["units"]["stop"]]
    assert units == ["nginx.service", "unit-1.mount", "vpn@instance-1.service"] and record["host"] == "host-2"


def test_evidence_of_findings_names_no_device(redactor: Redactor) -> None:
    evidence = [
        {"unit": "srv-berlin.mount", "ms": 1.0},
        {"device": "/dev/disk/by-uuid/0e0a6d8e-9a0f", "ms": 1.0, "note": "9600 bytes/s of 9600 baud"},
        {"interface": "vlan-berlin", "ms": 1.0},
        {"file": "/boot/initrd.img-6.1", "ms": 1.0, "note": "60.0 MB, gzip"},
        {"message": "web2 eth0: Link up from 10.0.0.7", "ms": 1.0},
    ]
    finding = {"code": "DHCP", "basis": "at_most", "phases": {"network": 1.0}, "evidence": evidence}
    timeline = {"findings": [finding], "chains": {"ssh": [{"unit": "srv-berlin.mount"}]}}
    redacted = redactor.record(events.HostTimeline(host="web2", timeline=timeline).as_record())["timeline"]
    shown = redacted["findings"][0]
    assert (shown["code"], shown["basis"], shown["phases"]) == ("DHCP", "at_most", {"network": 1.0})
    assert [next(iter(each.items())) for each in shown["evidence"]] == [
        ("unit", "unit-1.mount"),
        ("device", "device-1"),
        ("interface", "interface-1"),
        ("file", "path-1"),
        ("message", "host-2 eth0: Link up from address-1"),
    ]
    assert shown["evidence"][1]["note"] == "9600 bytes/s of 9600 baud"
    assert redacted["chains"]["ssh"] == [{"unit": "unit-1.mount"}]


def test_every_event_can_still_be_read_and_has_no_name_in_it() -> None:
    redactor = Redactor()
    for record in [*night(), *OF_PENDING]:
        redacted = redactor.record(json.loads(json.dumps(record)))
        assert redacted["event"] == record["event"]
        events.event_of(redacted)
        assert not re.search(r"\b(?:web\d|db1|admin\d|night|t-web\d)\b", json.dumps(redacted)), redacted
        assert "SN0815" not in json.dumps(redacted)
        if record["event"] == "hook_ended":
            assert redacted["message"] == LEFT_OUT


def test_parts_of_machines_are_not_named_where_they_failed_a_host() -> None:
    redactor = Redactor()
    why = reason("DEGRADED", "the machine did not come back as it was: NOT_ROOT nvme-SN0815, UNHEARD_OF SN4711 and 2 more")
    redacted = redactor.record(events.HostFailed(host="web1", reason=why, down=False, phase="verified").as_record())
    assert redacted["reason"] == {"code": "DEGRADED", "message": "NOT_ROOT", "hint": why.hint}
    (found,) = redactor.record(compared("web1"))["differences"]
    assert (found["code"], found["effect"], found["subject"]) == ("COIN_CELL_LOW", "warn", "part-1")
    assert redactor.record(compared("web2"))["differences"][0]["subject"] == "part-1", "as everywhere"


def written(tmp_path: Path, timed: list[Timed]) -> dict[str, str]:
    write_journal(tmp_path / "runs", timed, "night")
    paths = {name: str(tmp_path / name) for name in ("html", "json", "metrics")}
    make_report(RunStore(str(tmp_path / "runs")), ReportRequest("night", None, paths, redact=True, title="For the boss"))
    return {name: Path(path).read_text() for name, path in paths.items()}


def test_page_json_and_metrics_agree_and_name_nobody(tmp_path: Path) -> None:
    timed = records_of(Night(hosts=40, failures=0.1, refusals=0.1, seed=4))
    timed[0][1].update(operator="alice")
    files = written(tmp_path, timed)
    for text in files.values():
        assert not re.search(r"web\d|admin1|alice|berlin|ttyS0|20261124T015830Z|0e0a6d8e", text)
    assert "For the boss" in files["html"]
    made = json.loads(files["json"])
    hosts = [each["host"] for each in made["hosts"]]
    assert len(set(hosts)) == 40 and all(re.fullmatch(r"host-\d\d", name) for name in hosts)
    timed_hosts = [each for each in made["hosts"] if each.get("outage_ms") is not None]
    assert len(timed_hosts) > 30
    for each in timed_hosts:
        seconds = "%.3f" % (each["outage_ms"] / 1000)
        assert re.search(r'host="%s",path="\w+"} %s' % (each["host"], seconds.rstrip("0").rstrip(".")), files["metrics"])
    assert made["caption"] == {"title": "For the boss", "reason": "", "ticket": "", "operator": "user-1"}


def test_hostile_names_are_gone_too(tmp_path: Path) -> None:
    files = written(tmp_path, hostile_run())
    for host in json.loads(files["json"])["hosts"]:
        assert host["host"].startswith("host-") and not set(HOSTILE) & {each for each in host.values() if isinstance(each, str)}
    assert "x" * 500 not in files["html"]


def test_the_page_with_all_names_stays(tmp_path: Path) -> None:
    write_journal(tmp_path, records_of(Night(hosts=3)), "night")
    made = make_report(RunStore(str(tmp_path)), ReportRequest("night", None, {}, redact=True))
    assert made["html"] == str(tmp_path / "night/report-redacted.html")
