# SPDX-License-Identifier: GPL-3.0-or-later
"""Each finding with its evidence, and none without."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._findings.analysis import analyse
from ansible_collections.fleet.kexec.plugins.module_utils._findings.case import BootEvidence
from ansible_collections.fleet.kexec.plugins.module_utils._host.boot_log import BootLog, Initcall, KernelMessage
from ansible_collections.fleet.kexec.plugins.module_utils._host.boot_setup import BootSetup, InitrdFile
from ansible_collections.fleet.kexec.plugins.module_utils._host.initrd_survey import InitrdSurvey

from .reboots import PHASES, READING, address, codes, found, job, message, stop, timeline, unit


def test_a_reboot_without_evidence_has_no_findings() -> None:
    result = found()
    assert codes(result) == set()
    assert result["total"] == 0.0


def test_a_timeline_without_phases() -> None:
    assert found(phases={"phases": [], "outage": None})["total"] == 0.0


# The old system.


def test_a_unit_that_hit_its_stop_timeout() -> None:
    stops = [stop("db.service", 0, 7500, timed_out=True, signal=9), stop("cron.service", 0, 300)]
    finding = found(stops=stops)["STOP_TIMEOUT"]
    assert finding["gain_ms"] == 2500.0, "five seconds remain"
    assert (finding["time_ms"], finding["phases"], finding["basis"]) == (7500.0, {"stop_units": 2500.0}, "measured")
    assert finding["evidence"] == [
        {"unit": "db.service", "ms": 7500.0, "note": "its stop timeout passed, killed by SIGKILL"},
    ]


def test_a_slow_stop_counts_only_while_nothing_else_stops() -> None:
    result = found(stops=[stop("a.service", 1000, 4000), stop("b.service", 2000, 3500), stop("c.mount", 6000, 6050)])
    assert codes(result) == {"STOP_SLOW"}
    assert result["STOP_SLOW"]["gain_ms"] == 1500.0, "b takes the rest of it anyway"
    assert result["STOP_SLOW"]["basis"] == "at_most"
    assert [each["unit"] for each in result["STOP_SLOW"]["evidence"]] == ["a.service"]


def test_two_units_that_stop_side_by_side_save_nothing_alone() -> None:
    assert codes(found(stops=[stop("a.service", 0, 4000), stop("b.service", 0, 4000)])) == set()


def test_the_stamp_of_this_collection_is_no_finding() -> None:
    assert codes(found(stops=[stop("fleet-kexec-stamp-ab.service", 0, 4000)])) == set()


def test_stops_without_a_place_on_the_timeline() -> None:
    phases = timeline({name: span for name, span in PHASES.items() if name != "stop_units"})
    assert codes(found(stops=[stop("a.service", 1000, 4000)], phases=phases)) == set()


def test_what_came_before_the_last_answer_is_no_outage() -> None:
    outage = {"start_ms": 3000.0, "duration_ms": 18000.0}
    assert found(stops=[stop("a.service", 1000, 4000)], outage=outage)["STOP_SLOW"]["gain_ms"] == 1000.0


def test_controllers_that_shut_down_one_after_another() -> None:
    setup = BootSetup(nvme=["nvme0", "nvme1", "nvme2", "nvme3"])
    finding = found(setup=setup, shutdown_ms=1900.0, copy_ms=100.0)["DEVICE_SHUTDOWN"]
    assert (finding["time_ms"], finding["gain_ms"], finding["basis"]) == (1800.0, 1350.0, "at_most"), (
        "something else may have taken it"
    )
    assert finding["phases"] == {"jump": 1350.0}


@pytest.mark.parametrize("setup", [BootSetup(nvme=["nvme0"]), BootSetup(), BootSetup(nvme=["a", "b"], async_shutdown=True)])
def test_a_shutdown_whose_gain_nothing_tells(setup: BootSetup) -> None:
    result = found(setup=setup, shutdown_ms=1900.0)
    assert result["DEVICE_SHUTDOWN"]["gain_ms"] is result["DEVICE_SHUTDOWN"]["basis"] is None
    assert result["total"] == 0.0


def test_a_short_shutdown_and_one_that_the_stub_did_not_divide() -> None:
    assert codes(found(shutdown_ms=900.0)) == codes(found()) == set()


# The kernel.

SERIAL = BootSetup(console="ttyS0", baud=9600)
# A line of 83 bytes on the console takes 86.5 ms at 9600 baud.
TEXT = "x" * 66
PACE_MS = 83 * 10 / 9.6


def printing(step_ms: float, number: int = 30, level: int = 6) -> list[KernelMessage]:
    lines = [message(10000, "Linux version 6.1", sequence=0), message(10000.5, "printk: console [ttyS0] enabled")]
    return [*lines, *(message(10000.6 + at * step_ms, TEXT, level) for at in range(number))]


def test_a_serial_console_that_has_to_be_waited_for() -> None:
    finding = found(setup=SERIAL, messages=printing(PACE_MS))["CONSOLE_SERIAL"]
    # Of the last line nothing is known, as none follows it.
    assert finding["gain_ms"] == pytest.approx(29 * PACE_MS, abs=1)
    assert finding["evidence"][0]["device"] == "ttyS0"
    assert "phases" in finding and set(finding["phases"]) == {"kernel", "initrd"}


def test_an_emulated_console_costs_what_its_log_says() -> None:
    assert found(setup=SERIAL, messages=printing(8.65))["CONSOLE_SERIAL"]["gain_ms"] == pytest.approx(29 * 8.65, abs=1)


def test_the_log_is_printed_as_a_whole_when_the_console_comes_up() -> None:
    early = [message(10000, "Linux version 6.1", sequence=0), *(message(10000, TEXT) for _line in range(5))]
    late = [message(11000 + at * PACE_MS, TEXT) for at in range(25)]
    messages = [*early, message(10000.1, "printk: legacy console [ttyS0] enabled"), *late]
    replay_ms = 5 * PACE_MS + (17 + 17) * 10 / 9.6
    assert found(setup=SERIAL, messages=messages)["CONSOLE_SERIAL"]["gain_ms"] == pytest.approx(24 * PACE_MS + replay_ms, abs=1)


@pytest.mark.parametrize(
    ("setup", "messages"),
    [
        (SERIAL, printing(0.01)),
        (SERIAL, printing(PACE_MS, number=10)),
        # Errors stay on the console with quiet, too.
        (SERIAL, printing(PACE_MS, level=3)),
        (replace(SERIAL, loglevel=4), printing(PACE_MS)),
        (BootSetup(), printing(PACE_MS)),
        # The beginning of the log is lost.
        (SERIAL, printing(PACE_MS)[1:]),
        (replace(SERIAL, console="ttyS1"), printing(PACE_MS)),
    ],
)
def test_a_console_that_costs_nothing_or_nobody_knows_what(setup: BootSetup, messages: list[KernelMessage]) -> None:
    assert codes(found(setup=setup, messages=messages)) == set()


SMP = [message(10300, "smp: Bringing up secondary CPUs ..."), message(10800, "smp: Brought up 1 node, 96 CPUs")]


def test_cpus_one_after_another() -> None:
    finding = found(messages=SMP)["SMP_BRINGUP"]
    assert (finding["time_ms"], finding["gain_ms"]) == (500.0, None)
    assert finding["evidence"][0]["message"] == "smp: Brought up 1 node, 96 CPUs"
    assert codes(found(messages=SMP, release="6.5.1")) == set(), "they come up in parallel there"
    assert codes(found(messages=SMP[:1])) == codes(found(messages=SMP, release="next")) == set()


def test_calibration_of_the_delay_loop() -> None:
    measured = [message(10010, "Calibrating delay loop... 5190.52 BogoMIPS (lpj=2595262)"), message(10160, "pid_max: default")]
    assert found(messages=measured)["DELAY_CALIBRATION"]["gain_ms"] == 150.0
    skipped = [message(10010, "Calibrating delay loop (skipped), value calculated"), measured[1]]
    assert codes(found(messages=skipped)) == set()


UNPACKING = [
    message(10400, "Trying to unpack rootfs image as initramfs..."),
    message(10600, "clocksource: tsc"),
    message(11600, "Freeing initrd memory: 65432K"),
]
# Unpacked it has 60 MB, 20 of them drivers of other machines.
SURVEY = InitrdSurvey(67_000_000, 1, 60_000_000, 60.0, 60.0, 310, 20_000_000)
OWN = InitrdFile("/boot/initrd.img-1", 67_000_000, "zstd", SURVEY)
NOTE = (
    "67.0 MB, zstd, 60.0 MB unpacked, of which decompression takes 50 % of the time; 310 drivers that nothing here needs, 20.0 MB"
)


@pytest.mark.parametrize(
    ("cpus", "survey", "time_ms", "gain_ms"),
    [
        # Of the 600 ms that writing 60 MB took, 400 are left.
        (1, SURVEY, 1200.0, 800.0),
        # From the last sign of anything else on.
        (4, SURVEY, 1000.0, 800.0),
        (1, replace(SURVEY, unpack_ms=180.0, unneeded_bytes=0), 1200.0, 900.0),
        (1, replace(SURVEY, unneeded=0, unneeded_bytes=0), 1200.0, 600.0),
        (1, replace(SURVEY, unpack_ms=0.0), 1200.0, 400.0),
        # A slim one already.
        (1, replace(SURVEY, unpack_ms=0.0, unneeded=0, unneeded_bytes=0), 1200.0, None),
        (1, None, 1200.0, None),
        (1, replace(SURVEY, unpacked_bytes=0), 1200.0, None),
        (1, replace(SURVEY, unpack_ms=0.0, write_ms=0.0), 1200.0, None),
    ],
)
def test_unpacking_the_initrd(cpus: int, survey: InitrdSurvey | None, time_ms: float, gain_ms: float | None) -> None:
    setup = BootSetup(cpus=cpus, initrds=[replace(OWN, survey=survey)])
    finding = found(setup=setup, messages=UNPACKING)["INITRD_UNPACKING"]
    assert (finding["time_ms"], finding["gain_ms"]) == (time_ms, gain_ms)
    assert finding["basis"] == (None if gain_ms is None else "modelled")
    assert finding["evidence"][0]["file"] == "/boot/initrd.img-1"


def test_what_is_in_the_initrd_is_evidence() -> None:
    finding = found(setup=BootSetup(initrds=[OWN]), messages=UNPACKING)["INITRD_UNPACKING"]
    assert finding["evidence"] == [{"file": "/boot/initrd.img-1", "ms": 1200.0, "note": NOTE}]
    unknown = found(setup=BootSetup(initrds=[replace(OWN, survey=None)]), messages=UNPACKING)["INITRD_UNPACKING"]
    assert unknown["evidence"][0]["note"] == "67.0 MB, zstd; what is in it was not surveyed since it was made"


def test_the_initrd_that_was_unpacked_is_known_by_its_size() -> None:
    copy = InitrdFile("/var/lib/fleet-kexec/1/initrd", 39_000_000, None, replace(SURVEY, unpack_ms=0.0, unneeded_bytes=0))
    both = BootSetup(initrds=[OWN, copy])
    assert found(setup=both, messages=UNPACKING)["INITRD_UNPACKING"]["evidence"][0]["file"] == OWN.path
    freed = [*UNPACKING[:2], message(11600, "Freeing initrd memory: 38088K")]
    assert found(setup=both, messages=freed)["INITRD_UNPACKING"]["evidence"][0]["file"] == copy.path
    others = [*UNPACKING[:2], message(11600, "Freeing initrd memory: 51200K")]
    finding = found(setup=both, messages=others)["INITRD_UNPACKING"]
    assert (finding["gain_ms"], finding["evidence"]) == (None, [{"message": "Freeing initrd memory: 51200K", "ms": 1200.0}])


@pytest.mark.parametrize(
    ("messages", "notes"),
    [
        (UNPACKING, []),
        ([], []),
        (UNPACKING[:2], ["the kernel's log lacks the end of unpacking the initrd, so the time that it took is unknown"]),
        (UNPACKING[1:], ["the kernel's log lacks the beginning of unpacking the initrd, so the time that it took is unknown"]),
    ],
)
def test_a_log_that_does_not_tell_how_long_unpacking_took(messages: list[KernelMessage], notes: list[str]) -> None:
    evidence, before = BootEvidence(BootSetup(initrds=[OWN])), {**timeline(), "notes": ["something else"]}
    result = analyse(replace(READING, messages=messages), evidence, before)
    assert result["notes"] == ["something else", *notes]
    assert bool(result["findings"]) == (messages == UNPACKING)


def test_slow_initcalls_are_those_of_the_kernel_itself() -> None:
    calls = [Initcall("acpi_init", 400_000, 1_000_000), Initcall("module", 900_000, 4_000_000), Initcall("quick", 10, 1_100_000)]
    finding = found(boot_log=BootLog("/init", 2 * 10**9, calls))["INITCALL_SLOW"]
    assert (finding["gain_ms"], finding["phases"]) == (400.0, {"kernel": 400.0})
    assert [each["initcall"] for each in finding["evidence"]] == ["acpi_init"]


# The initrd.


ROOT = BootSetup(root_devices=["dm-0", "md0", "sda2", "sda"])


@pytest.mark.parametrize(
    "text",
    [
        " sda: sda1 sda2",
        "sda:",
        "sd 0:2:0:0: [sda] Attached SCSI disk",
        "md/raid1:md0: active with 2 out of 2 mirrors",
        " md0: p1",
    ],
)
def test_disks_of_the_root_file_system_that_appear_late(text: str) -> None:
    earlier, later = message(12200, "sd 0:2:0:0: [sda] Attached SCSI disk"), message(14400, " sdb: sdb1")
    finding = found(setup=ROOT, messages=[earlier, message(13900, text), later])["ROOT_DEVICE"]
    assert (finding["time_ms"], finding["gain_ms"]) == (1900.0, None)
    assert finding["evidence"][0]["ms"] == 1900.0 and finding["evidence"][0]["message"] == text.strip()


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [
        (12900, " sda: sda1 sda2"),
        # Of the kernel, and after the initrd.
        (11900, " sda: sda1 sda2"),
        (16000, " sda: sda1 sda2"),
        (14000, " sdaa: sdaa1"),
        (14000, "sd 0:2:0:0: [sdaa] Attached SCSI disk"),
        (14000, "EXT4-fs (sda2): mounted filesystem"),
        (14000, "md/raid1:md01: active with 2 out of 2 mirrors"),
    ],
)
def test_disks_that_keep_no_initrd_waiting(at_ms: int, text: str) -> None:
    assert "ROOT_DEVICE" not in found(setup=ROOT, messages=[message(at_ms, text)])
    assert "ROOT_DEVICE" not in found(messages=[message(14000, " sda: sda1")])


def test_a_resume_device_that_does_not_exist() -> None:
    quiet = [message(12100, "usb 1-1: new device"), message(14600, "EXT4-fs (vda1): mounted")]
    missing = BootSetup(resume_missing="/dev/disk/by-uuid/1-2")
    finding = found(setup=missing, messages=quiet)["RESUME_DEVICE"]
    assert (finding["gain_ms"], finding["phases"], finding["basis"]) == (2500.0, {"initrd": 2500.0}, "modelled")
    assert finding["evidence"] == [{"device": "/dev/disk/by-uuid/1-2", "ms": 2500.0}]
    assert codes(found(messages=quiet)) == set()
    busy = [message(12000 + at * 100, "usb 1-1: new device") for at in range(31)]
    assert codes(found(setup=missing, messages=busy)) == set(), "there was no wait"


def test_a_deferred_probe() -> None:
    late = [message(12100, "usb 1-1: new device"), message(14500, "platform 1.wdt: deferred probe pending: no supplier")]
    finding = found(messages=late)["DEFERRED_PROBE"]
    assert finding["gain_ms"] == 2400.0 and finding["evidence"][0]["message"].startswith("platform 1.wdt")


def test_slow_units_of_the_initrd() -> None:
    starts = [
        job("dracut-initqueue.service", 12200, 14200),
        job("systemd-udevd.service", 12150, 12700),
        job("ssh.service", 20000, 20900),
    ]
    finding = found(starts=starts)["INITRD_UNIT"]
    assert (finding["gain_ms"], finding["phases"]) == (1500.0, {"initrd": 1500.0})
    assert [each["unit"] for each in finding["evidence"]] == ["dracut-initqueue.service"]


# Userspace.

NETWORKD = unit("systemd-networkd.service", 17000, 17050, "systemd-udevd.service")
SSHD = unit("ssh.service", 20500, 20550, "network.target", "slow.service")
BASE = [unit("systemd-udevd.service", 15250, 15300), unit("basic.target", 15900, 15900, "systemd-udevd.service")]


def test_a_device_that_never_comes() -> None:
    starts = [job("dev-sdz.device", None, 20000, "timeout"), job("dev-sdy.device", None, 90000, "timeout")]
    finding = found(starts=starts, units=[unit("systemd-udevd.service", 15200, 16200)])["DEVICE_TIMEOUT"]
    assert (finding["time_ms"], finding["gain_ms"]) == (5000.0, 4000.0)
    assert [each["unit"] for each in finding["evidence"]] == ["dev-sdz.device"], "the other one kept nobody waiting"


@pytest.mark.parametrize(
    ("name", "code", "basis"),
    [
        ("cloud-init-local.service", "CLOUD_INIT", "measured"),
        ("cloud-init.service", "CLOUD_INIT", "measured"),
        ("systemd-fsck-root.service", "FSCK", "measured"),
        ("systemd-fsck@dev-sda1.service", "FSCK", "measured"),
        ("systemd-udev-settle.service", "UDEV_SETTLE", "measured"),
        ("keyboard-setup.service", "START_SLOW", "at_most"),
    ],
)
def test_a_slow_unit_on_the_way_to_the_network(name: str, code: str, basis: str) -> None:
    units = [*BASE, unit(name, 15300, 16900, "systemd-udevd.service"), replace(NETWORKD, after=(name, "systemd-udevd.service"))]
    finding = found(units=units, address=address(19000))[code]
    assert (finding["gain_ms"], finding["basis"], finding["phases"]) == (1600.0, basis, {"userspace": 1600.0})
    assert finding["evidence"] == [{"unit": name, "ms": 1600.0}]


def test_a_unit_saves_no_more_than_up_to_the_next_latest() -> None:
    rivals = [unit("a.service", 15300, 16900), unit("b.service", 15300, 16600)]
    units = [*BASE, *rivals, replace(NETWORKD, after=("a.service", "b.service"))]
    assert found(units=units, address=address(19000))["START_SLOW"]["gain_ms"] == 300.0


def test_a_slow_unit_on_the_way_to_sshd_counts_from_the_first_address_on() -> None:
    units = [*BASE, NETWORKD, unit("slow.service", 15900, 20450, "basic.target"), SSHD]
    result = found(units=units, address=address(19000))
    assert result["START_SLOW"]["gain_ms"] == 1450.0
    assert [each["unit"] for each in result["START_SLOW"]["evidence"]] == ["slow.service"]
    assert [each["unit"] for each in result["chains"]["ssh"]] == [
        "systemd-udevd.service",
        "basic.target",
        "slow.service",
        "ssh.service",
    ]
    assert result["chains"]["network"][-1] == {"unit": "systemd-networkd.service", "start_ms": 17000.0, "duration_ms": 50.0}


def test_the_chain_to_the_probed_service() -> None:
    units = [*BASE, unit("db.service", 16000, 19000, "basic.target"), unit("web.service", 19100, 19400, "db.service")]
    result = analyse(replace(READING, units=units), BootEvidence(probe_unit="web.service"), timeline())
    assert [each["unit"] for each in result["chains"]["probe"]][-2:] == ["db.service", "web.service"]
    assert result["findings"] == [], "they kept nobody from sshd"
    assert found()["chains"] == {"network": [], "ssh": [], "probe": []}


def test_a_device_that_appears_late() -> None:
    data = unit("dev-sdb1.device", 16800, 16800)
    mount = unit("srv.mount", 16800, 16850, "dev-sdb1.device", "systemd-udevd.service")
    units = [*BASE, data, mount, replace(NETWORKD, after=("srv.mount",))]
    finding = found(units=units, address=address(19000))["DEVICE_SLOW"]
    assert (finding["gain_ms"], finding["basis"]) == (1500.0, "at_most")


# The network, and sshd.


def test_a_leased_address_and_the_link() -> None:
    units = [*BASE, NETWORKD]
    up = message(18200, "e1000e 0000:00:1f.6 eth0: NIC Link is Up 1000 Mbps Full Duplex")
    result = found(units=units, address=address(19000, leased=True), messages=[up])
    assert (result["DHCP"]["gain_ms"], result["DHCP"]["phases"]) == (800.0, {"network": 800.0})
    assert result["DHCP"]["evidence"] == [{"interface": "eth0", "ms": 800.0}]
    assert (result["LINK_SLOW"]["gain_ms"], result["LINK_SLOW"]["basis"]) == (1200.0, "modelled")
    assert result["total"] == 2000.0
    assert found(units=units, address=address(19000, leased=True))["DHCP"]["gain_ms"] == 1950.0
    assert codes(found(units=units, address=address(19000))) == set(), "a static address without a link to wait for"


@pytest.mark.parametrize(
    "text",
    [
        "IPv6: ADDRCONF(NETDEV_CHANGE): eth0: link becomes ready",
        "mlx5_core 0000:3b:00.0 eth0: Link up",
        "tg3 0000:02:00.0 eth0: Link is up at 1000 Mbps, full duplex",
    ],
)
def test_drivers_say_in_their_own_words_that_the_link_is_up(text: str) -> None:
    result = found(units=[*BASE, NETWORKD], address=address(19000), messages=[message(18000, text)])
    assert result["LINK_SLOW"]["gain_ms"] == 1000.0
    other = found(units=[*BASE, NETWORKD], address=address(19000, interface="eth1"), messages=[message(18000, text)])
    assert codes(other) == set()


def test_an_address_that_came_before_sshd_was_ready_anyway_saves_nothing() -> None:
    units = [*BASE, NETWORKD, unit("slow.service", 15900, 20450, "basic.target"), SSHD]
    assert "DHCP" not in found(units=units, address=address(19000, leased=True))


def test_an_address_that_sshd_waits_for_counts() -> None:
    online = unit("systemd-networkd-wait-online.service", 17200, 20300, "systemd-networkd.service")
    units = [*BASE, NETWORKD, online, unit("network-online.target", 20300, 20300, online.unit)]
    units.append(replace(SSHD, after=("network-online.target", "basic.target")))
    result = found(units=units, address=address(19000, leased=True))
    assert result["DHCP"]["gain_ms"] == 1950.0
    assert result["WAIT_ONLINE"]["gain_ms"] == 1300.0, "sshd is of no use before the address"
    assert result["SSHD_LATE"]["gain_ms"] == 1500.0
    assert result["total"] == 1950.0 + 1500.0, "the wait and sshd's lateness are the same time"


def test_sshd_that_starts_by_its_socket_is_not_late() -> None:
    units = [*BASE, NETWORKD, unit("ssh.socket", 20500, 20500, "basic.target")]
    assert "SSHD_LATE" not in found(units=units, address=address(19000))


# What comes from the host.


@pytest.mark.parametrize("name", ["a\x1b[31m.service", "x" * 5000, "\udce9.service", "{{ 7 * 7 }}", "a\nb", "\u202egnp.service"])
def test_hostile_names(name: str) -> None:
    shown: Any = found(stops=[stop(name, 1000, 4000)])["STOP_SLOW"]["evidence"][0]["unit"]
    assert len(shown) <= 160 and shown.isprintable()
    shown.encode("utf-8")


def test_only_the_longest_evidence_is_named() -> None:
    stops = [stop("u%d.service" % at, at * 700, at * 700 + 200 + at) for at in range(9)]
    shown = found(stops=stops)["STOP_SLOW"]["evidence"]
    assert [each["unit"] for each in shown] == ["u%d.service" % at for at in (8, 7, 6, 5, 4)]


# A soft reboot, on a kernel that has run for hours.


def test_a_soft_reboot_has_findings_of_its_userspace_alone() -> None:
    hours = 3 * 3600 * 1000
    phases = timeline({"stop_units": (0, 4000), "reexec": (4000, 5000), "userspace": (5000, 9000), "ssh": (9000, 13000)})
    of_the_boot = [message(10000 + at, "smp: Bringing up secondary CPUs") for at in (100, 2100)]
    result = found(
        phases=phases,
        path="soft",
        now=replace(READING.now, monotonic_ns=(hours + 60_000) * 10**6),
        manager=replace(READING.manager, userspace_us=hours * 1000, finish_us=None),
        units=[
            unit("slow.service", hours + 10500, hours + 14500),
            unit("ssh.service", hours + 14600, hours + 14700, "slow.service"),
        ],
        messages=of_the_boot,
        stops=[stop("a.service", 500, 3500)],
    )
    assert codes(result) == {"STOP_SLOW", "START_SLOW"}
    assert result["START_SLOW"]["gain_ms"] == 4100.0
    assert [(link["unit"], link["start_ms"]) for link in result["chains"]["ssh"]] == [
        ("slow.service", 5500.0),
        ("ssh.service", 9600.0),
    ]
