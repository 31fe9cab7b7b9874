# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.bzimage import BzImage
from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.boot_history import PATH as HISTORY_FILE
from ansible_collections.fleet.kexec.plugins.module_utils._host.boot_parts import PATH as BOOT_PARTS
from ansible_collections.fleet.kexec.plugins.module_utils._host.facts import HostFacts
from ansible_collections.fleet.kexec.plugins.module_utils._host.fast_images import Digest, FastImage
from ansible_collections.fleet.kexec.plugins.module_utils._host.running_system import SystemId
from ansible_collections.fleet.kexec.plugins.module_utils._host.throughput import Throughput
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.candidate import Candidate
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.errors import KexecError
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.facts import present
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.preferences import Preferences
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.proof import Evidence, prove_kexec
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.reading import HostReading, read
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.staging import StagingPlan
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.verdict import (
    Choice,
    KexecWay,
    Verdict,
    choose,
    choose_loadable,
    decide,
)
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import reason

from ....conftest import BOOT_ID, RELEASE, HostTree

LOCKED = {"/sys/kernel/security/lockdown": "none [integrity] confidentiality\n"}
CMA = {"/proc/meminfo": "MemTotal:  733124 kB\nMemAvailable:  581324 kB\nCmaTotal:   131072 kB\n"}
# The kernel there is in front of CMA: only later ones put images into it.
RUNS_7_3 = {"/proc/sys/kernel/osrelease": "7.3.4+deb13-cloud-amd64\n"}
CMA_7_3 = {**CMA, **RUNS_7_3}
CONFIG = "/boot/config-" + RELEASE


SIGNED = "CONFIG_KEXEC=y\nCONFIG_KEXEC_FILE=y\nCONFIG_KEXEC_SIG=y\nCONFIG_KEXEC_SIG_FORCE=y\n"

MIB = 1 << 20
AUTO = Preferences()


def read_host(host_tree: HostTree, changes: dict[str, str]) -> HostReading:
    reading = read(host_tree(changes), lambda argv, timeout_s: CommandResult(0, "kexec-tools 2.0.29\n", ""))
    facts = facts_of(reading)
    return replace(reading, facts=replace(facts, kernel=replace(facts.kernel, machine="x86_64")))


def facts_of(reading: HostReading) -> HostFacts:
    assert reading.facts is not None
    return reading.facts


def verdict_of(reading: HostReading, preferences: Preferences = AUTO) -> Verdict:
    if preferences == AUTO:
        planned = reading.planned
        assert planned is not None
        return decide(facts_of(reading), planned.choice if isinstance(planned, StagingPlan) else planned)
    try:
        return decide(facts_of(reading), choose_loadable(facts_of(reading), candidate_of(reading), preferences))
    except KexecError as error:
        return decide(facts_of(reading), error.reason)


def candidate_of(reading: HostReading) -> Candidate:
    assert isinstance(reading.planned, StagingPlan)
    return reading.planned.candidate


def bzimage_of(candidate: Candidate) -> BzImage:
    assert isinstance(candidate.header, BzImage)
    return candidate.header


def with_fast_image(reading: HostReading, initrd_bytes: int = 28 * MIB) -> tuple[HostFacts, Candidate]:
    """The host with a fast image, of a kernel as large as Debian's, on a machine that was measured."""
    digest = Digest("/var/lib/fleet-kexec/image", 52 * MIB, "00")
    fast = FastImage(
        RELEASE, digest, digest, digest, None, None, "zstd", 55 * MIB, 20480, 50 * MIB, 0, 0xFFFFFFFF81000000, 50 * MIB, "", "", 1
    )
    read_as = candidate_of(reading)
    candidate = replace(
        read_as,
        fast=fast,
        fast_obstacle=None,
        payload_format="zstd",
        unpacked_bytes=55 * MIB,
        initrd_bytes=initrd_bytes,
        header=replace(bzimage_of(read_as), five_level_paging=True, memory_bytes=56 * MIB),
    )
    speed = Throughput("a CPU", copy=5e9, crc32c=10e9, sha256=0.3e9, unpack={"zstd": 0.5e9})
    facts = facts_of(reading)
    facts = replace(facts, throughput=speed, cpu=replace(facts.cpu, sse42=True))
    return facts, candidate


@pytest.mark.parametrize(
    ("changes", "loader"),
    [
        ({}, "kexec_file_load"),
        (LOCKED, "kexec_file_load"),
        (CMA, "kexec_file_load"),
        (CMA_7_3, "kexec_load"),
        ({CONFIG: "CONFIG_KEXEC=y\n"}, "kexec_load"),
        ({CONFIG: ""}, "kexec_file_load"),
    ],
)
def test_a_host_without_a_fast_image(host_tree: HostTree, changes: dict[str, str], loader: str) -> None:
    verdict = verdict_of(read_host(host_tree, changes))
    assert (verdict.method, verdict.reasons) == ("kexec", [])
    assert verdict.choice is not None
    assert verdict.choice.way == KexecWay("bzimage", loader, "sha256", "copied")
    assert [note.code for note in verdict.choice.notes] == ["LOCKDOWN" if changes == LOCKED else "FAST_IMAGE_MISSING"]


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"/run/systemd/container": "lxc"}, ["CONTAINER"]),
        ({"/proc/sys/kernel/kexec_load_disabled": "1\n"}, ["KEXEC_LOAD_DISABLED"]),
        ({"/proc/sys/kernel/kexec_load_limit_reboot": "0\n"}, ["KEXEC_LOAD_LIMIT"]),
        ({"/proc/meminfo": "MemTotal: 60000 kB\nMemAvailable: 20000 kB\n"}, ["NO_MEMORY"]),
        ({**LOCKED, CONFIG: "CONFIG_KEXEC=y\n"}, ["LOCKDOWN"]),
        ({**LOCKED, CONFIG: "CONFIG_KEXEC=y\nCONFIG_KEXEC_FILE=y\n"}, ["LOCKDOWN"]),
        ({CONFIG: "CONFIG_RELOCATABLE=y\n"}, ["LOADER_UNAVAILABLE"]),
        ({"/proc/sys/kernel/kexec_load_disabled": "1\n", **LOCKED, **CMA_7_3}, ["KEXEC_LOAD_DISABLED", "LOCKDOWN"]),
    ],
)
def test_a_host_that_cannot(host_tree: HostTree, changes: dict[str, str], codes: list[str]) -> None:
    verdict = verdict_of(read_host(host_tree, changes))
    assert verdict.method == ("refuse" if codes == ["CONTAINER"] else "firmware")
    assert [each.code for each in verdict.reasons] == codes


def test_what_is_not_there_is_missed(host_tree: HostTree) -> None:
    facts = facts_of(read_host(host_tree, {}))
    kernel = replace(facts.kernel, machine="riscv64", loaded=None)
    bare = replace(facts, tools=None, systemd=False, installed=[], kernel=kernel)
    codes = [each.code for each in decide(bare, reason("NO_KERNEL", "no kernel is installed in /boot")).reasons]
    assert codes == ["ARCH_UNSUPPORTED", "NO_SYSTEMD", "NO_KEXEC_SUPPORT", "NO_KEXEC_TOOLS", "NO_KERNEL"]


def choose_on(host_tree: HostTree, changes: dict[str, str], preferences: Preferences = AUTO) -> Choice:
    facts, candidate = with_fast_image(read_host(host_tree, changes))
    return choose(facts, candidate, preferences)


@pytest.mark.parametrize(
    ("changes", "preferences", "way"),
    [
        # The check at memory speed, by the loader that can leave out the slow one.
        ({}, Preferences(), KexecWay("fast", "kexec_load", "crc32c", "copied")),
        # Into CMA nothing has to be copied, and since 7.3 nothing is hashed.
        (CMA_7_3, Preferences(), KexecWay("fast", "kexec_file_load", "crc32c", "cma")),
        (CMA, Preferences(), KexecWay("fast", "kexec_load", "crc32c", "copied")),
        (CMA_7_3, Preferences(image="bzimage"), KexecWay("bzimage", "kexec_load", "sha256", "copied")),
        # Only signed images.
        (LOCKED, Preferences(), KexecWay("bzimage", "kexec_file_load", "sha256", "copied")),
        # Where everything is hashed, empty memory included, what is uncompressed has less of it.
        ({}, Preferences(integrity="sha256"), KexecWay("fast", "kexec_file_load", "sha256", "copied")),
        ({}, Preferences(loader="kexec_file_load"), KexecWay("fast", "kexec_file_load", "sha256", "copied")),
        # Handover leaves the hash out, from 7.3 on, and nobody else checks a bzImage.
        (
            {**RUNS_7_3, "/proc/cmdline": "ro kho=on\n"},
            Preferences(image="bzimage"),
            KexecWay("bzimage", "kexec_load", "sha256", "copied"),
        ),
        (
            {"/proc/cmdline": "ro kho=on\n"},
            Preferences(image="bzimage"),
            KexecWay("bzimage", "kexec_file_load", "sha256", "copied"),
        ),
        # Signatures that are enforced.
        ({CONFIG: SIGNED}, Preferences(), KexecWay("bzimage", "kexec_file_load", "sha256", "copied")),
        ({}, Preferences(integrity="none"), KexecWay("fast", "kexec_load", "none", "copied")),
        ({}, Preferences(image="bzimage", integrity="none"), KexecWay("bzimage", "kexec_load", "none", "copied")),
        (CMA_7_3, Preferences(integrity="none"), KexecWay("fast", "kexec_file_load", "none", "cma")),
        ({}, Preferences(image="fast", loader="kexec_file_load"), KexecWay("fast", "kexec_file_load", "sha256", "copied")),
    ],
)
def test_the_quickest_way_with_a_check_is_taken(
    host_tree: HostTree, changes: dict[str, str], preferences: Preferences, way: KexecWay
) -> None:
    assert choose_on(host_tree, changes, preferences).way == way


def test_the_pieces_are_predicted_from_the_hosts_own_speed(host_tree: HostTree) -> None:
    # 50 MiB of kernel, 28 of initrd, 2 of head; 5 and 10 GB/s.
    assert choose_on(host_tree, {}).predicted_ms == {"copy": 16.8, "hash": 0.0, "check": 8.2, "move": 0.0, "decompress": 0.0}
    in_cma = choose_on(host_tree, CMA_7_3).predicted_ms
    assert in_cma == {"copy": 0.0, "hash": 0.0, "check": 8.2, "move": 10.5, "decompress": 0.0}
    # 56 MiB of memory for the bzImage and the initrd at 0.3 GB/s, 55 MiB out of the decompressor at 0.5 GB/s and over again.
    signed = choose_on(host_tree, {}, Preferences(image="bzimage")).predicted_ms
    assert signed == {"copy": 17.6, "hash": 293.6, "check": 0.0, "move": 0.0, "decompress": 126.8}


def test_an_override_is_told_what_it_costs(host_tree: HostTree) -> None:
    choice = choose_on(host_tree, {}, Preferences(image="bzimage"))
    assert [note.code for note in choice.notes] == ["SLOWER_THAN_AUTO"]
    assert "about 438 ms" in choice.notes[0].message
    assert "about 25 ms" in choice.notes[0].message
    assert choose_on(host_tree, {}).notes == []


def test_no_check_where_virtio_devices_are_not_reset_is_warned_of(host_tree: HostTree) -> None:
    facts, candidate = with_fast_image(read_host(host_tree, {}))
    unsafe = replace(facts, virtio_reset=False)
    assert [note.code for note in choose(unsafe, candidate, Preferences(integrity="none")).notes] == ["VIRTIO_NO_RESET"]
    assert choose(unsafe, candidate, Preferences()).notes == []
    assert choose(replace(facts, virtio_reset=True), candidate, Preferences(integrity="none")).notes == []


@pytest.mark.parametrize("lacking", [{"sse42": False}, {"own_code": False}])
def test_where_no_crc32c_can_be_had_it_is_sha256(host_tree: HostTree, lacking: dict[str, bool]) -> None:
    facts, candidate = with_fast_image(read_host(host_tree, {}))
    old = replace(facts, cpu=replace(facts.cpu, sse42=lacking.get("sse42", True), own_code=lacking.get("own_code", True)))
    assert choose(old, candidate, Preferences()).way.integrity == "sha256"
    assert choose(old, candidate, Preferences(image="fast")).way == KexecWay("fast", "kexec_file_load", "sha256", "copied")


@pytest.mark.parametrize(
    ("confidential", "five_level_paging", "code"),
    [("tdx_guest", False, "CONFIDENTIAL_GUEST"), (None, True, "KERNEL_INVALID")],
)
def test_what_only_the_decompressor_can_do_is_left_to_it(
    host_tree: HostTree, confidential: str | None, five_level_paging: bool, code: str
) -> None:
    facts, candidate = with_fast_image(read_host(host_tree, {}))
    facts = replace(facts, cpu=replace(facts.cpu, confidential=confidential, five_level_paging=five_level_paging))
    candidate = replace(candidate, header=replace(bzimage_of(candidate), five_level_paging=False))
    choice = choose(facts, candidate, Preferences())
    assert (choice.way.image, [note.code for note in choice.notes]) == ("bzimage", [code])
    with pytest.raises(KexecError) as caught:
        choose(facts, candidate, Preferences(image="fast"))
    assert caught.value.reason.code == code


@pytest.mark.parametrize(
    ("changes", "preferences", "code"),
    [
        (LOCKED, Preferences(loader="kexec_load"), "LOCKDOWN"),
        (LOCKED, Preferences(image="fast"), "LOCKDOWN"),
        (CMA_7_3, Preferences(image="bzimage", loader="kexec_file_load"), "CMA_BZIMAGE"),
        ({CONFIG: SIGNED}, Preferences(image="fast", loader="kexec_load"), "LOCKDOWN"),
        ({CONFIG: "CONFIG_KEXEC_FILE=y\n"}, Preferences(loader="kexec_load"), "LOADER_UNAVAILABLE"),
        (
            {CONFIG: "CONFIG_KEXEC_FILE=y\nCONFIG_KEXEC_SIG_FORCE=y\n"},
            Preferences(image="fast", loader="kexec_file_load"),
            "LOCKDOWN",
        ),
        ({}, Preferences(loader="kexec_file_load", integrity="none"), "INTEGRITY_UNAVAILABLE"),
        ({}, Preferences(image="bzimage", integrity="crc32c"), "INTEGRITY_UNAVAILABLE"),
        (CMA_7_3, Preferences(image="fast", loader="kexec_file_load", integrity="sha256"), "INTEGRITY_UNAVAILABLE"),
    ],
)
def test_what_is_asked_for_is_not_replaced(
    host_tree: HostTree, changes: dict[str, str], preferences: Preferences, code: str
) -> None:
    with pytest.raises(KexecError) as caught:
        choose_on(host_tree, changes, preferences)
    assert caught.value.reason.code == code


@pytest.mark.parametrize(
    ("args", "five_level_paging", "image"),
    [
        (("mem_encrypt=on",), False, "bzimage"),
        (("no5lvl",), True, "bzimage"),
        (("no5lvl",), False, "fast"),
    ],
)
def test_arguments_that_only_the_decompressor_heeds(
    host_tree: HostTree, args: tuple[str, ...], five_level_paging: bool, image: str
) -> None:
    facts, candidate = with_fast_image(read_host(host_tree, {}))
    facts = replace(facts, cpu=replace(facts.cpu, five_level_paging=five_level_paging))
    assert choose(facts, replace(candidate, decompressor_args=args), Preferences()).way.image == image


def test_a_wrong_preference_of_the_host_is_no_reason_for_firmware(host_tree: HostTree) -> None:
    verdict = verdict_of(read_host(host_tree, {}), Preferences(image="fast"))
    assert (verdict.method, [each.code for each in verdict.reasons]) == ("refuse", ["FAST_IMAGE_MISSING"])


def test_a_missing_fast_image_is_no_obstacle_unless_it_is_asked_for(host_tree: HostTree) -> None:
    reading = read_host(host_tree, {})
    with pytest.raises(KexecError) as caught:
        choose(facts_of(reading), candidate_of(reading), Preferences(image="fast"))
    assert caught.value.reason.code == "FAST_IMAGE_MISSING"


@pytest.mark.parametrize(
    ("record", "prepared"),
    [
        ('{"boot_parts": {"quiet": "b-1", "initrd": "b-1"}}', {"parts": ["initrd", "quiet"], "untried_ms": 4000.0}),
        ('{"boot_parts": {"initrd": "b-1"}}', {"parts": ["initrd"], "untried_ms": 0.0}),
        ('{"boot_parts": []}', {"parts": [], "untried_ms": 0.0}),
        ("[", {"parts": [], "untried_ms": 0.0}),
    ],
)
def test_what_is_predicted_of_parts_that_no_reboot_has_tried(host_tree: HostTree, record: str, prepared: dict[str, Any]) -> None:
    serial = {"code": "CONSOLE_SERIAL", "time_ms": 5000.0, "gain_ms": 4000.0, "basis": "measured"}
    timeline = {"boot_id": "b-1", "path": "kexec", "phases": [], "findings": [serial]}
    tree = {BOOT_PARTS: record, HISTORY_FILE: json.dumps(timeline) + "\n"}
    assert present(read_host(host_tree, tree))["boot"]["prepared"] == prepared


def test_facts_as_users_see_them(host_tree: HostTree) -> None:
    facts = present(read_host(host_tree, LOCKED))
    assert facts["boot"] == {
        "boot_id": BOOT_ID,
        "soft_reboots": 0,
        "userspace_us": None,
        "path": "firmware",
        "bootloader_type": 114,
        "token": None,
        "kexecs": 0,
        "stub": None,
        "prepared": {"parts": [], "untried_ms": 0.0},
    }
    assert facts["kernel"]["signed_images_only"] is True
    assert (facts["kernel"]["kexec_load_disabled"], facts["kernel"]["kexec_load_limit_reboot"]) == (False, -1)
    assert facts["kernel"]["kexec_load_limit_panic"] is None
    assert facts["loaders"] == ["kexec_file_load"]
    assert facts["newest_release"] == RELEASE
    verdict = facts["verdict"]
    assert (verdict["method"], verdict["image"], verdict["loader"], verdict["integrity"]) == (
        "kexec",
        "bzimage",
        "kexec_file_load",
        "sha256",
    )
    assert verdict["predicted_ms"]["total"] == pytest.approx(sum(verdict["predicted_ms"].values()) / 2)
    assert facts["blockers"] == []
    assert facts["staged"] is None
    assert facts["throughput"]["measured"] is False


@pytest.mark.parametrize(
    ("bootloader_type", "cmdline", "path", "kexecs"),
    [
        (0xD0, "ro fleet_kexec.token=ab fleet_kexec.kexecs=3", "kexec", 3),
        (0xD0, "ro fleet_kexec.token=ab", "kexec", None),
        # Another tool's kexec, or firmware that is a Linux.
        (0xD0, "ro", "unknown", None),
        (0xD0, "ro fleet_kexec.token=", "unknown", None),
        (0xD0, "ro -- fleet_kexec.token=ab", "unknown", None),
        (0x72, "ro", "firmware", 0),
        (0x72, "ro fleet_kexec.token=ab fleet_kexec.kexecs=3", "firmware", 0),
        # The token alone tells on a host without that sysctl, as on arm64.
        (None, "ro fleet_kexec.token=ab fleet_kexec.kexecs=3", "kexec", 3),
        (None, "ro", "unknown", None),
    ],
)
def test_the_path(bootloader_type: int | None, cmdline: str, path: str, kexecs: int | None) -> None:
    evidence = Evidence(SystemId("new"), "6.12", cmdline, bootloader_type)
    assert (evidence.path, evidence.kexecs) == (path, kexecs)


GOOD = Evidence(SystemId("new"), "6.12", "ro fleet_kexec.token=ab panic=10", 0xD0)


@pytest.mark.parametrize(
    ("evidence", "missing"),
    [
        (GOOD, []),
        (replace(GOOD, system=SystemId("old")), ["boot_id_changed"]),
        (replace(GOOD, system=SystemId("")), ["boot_id_changed"]),
        (replace(GOOD, cmdline="ro fleet_kexec.token=cd"), ["token"]),
        (replace(GOOD, cmdline="ro"), ["token"]),
        (replace(GOOD, release="6.11"), ["release"]),
        (replace(GOOD, bootloader_type=114, cmdline="ro"), ["token", "bootloader_type"]),
    ],
)
def test_proof_of_path(evidence: Evidence, missing: list[str]) -> None:
    proof = prove_kexec(evidence, SystemId("old"), "ab", "6.12")
    assert proof.missing == missing
    assert proof.proven is not bool(missing)
