# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts with an arm64 kernel: which way they kexec, what they are refused, and how a kexec is proven there."""

from __future__ import annotations

import gzip
import platform
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.facts import HostFacts, gather
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._host.running_system import SystemId
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.kexec_tools import Kexec
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.proof import Evidence, prove_kexec
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.requests import StagingRequest
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.staging import Stager, StagingPlan, plan
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.verdict import KexecWay, loader_obstacle
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError

from ....arm64_images import make_image, make_zboot
from ....conftest import BOOT_ID, RELEASE, HostTree

KERNEL = "/boot/vmlinuz-" + RELEASE
INITRD = "/boot/initrd.img-" + RELEASE
CONFIG = "/boot/config-" + RELEASE
IMAGE = make_image(RELEASE)


class Host:
    """A host with a kexec program that keeps the kernel it was given."""

    def __init__(self, files: HostFiles, kernel: bytes) -> None:
        self.files = files
        self.argv: list[str] = []
        self.given = b""
        Path(files.path(KERNEL)).write_bytes(kernel)
        # There is no such sysctl.
        Path(files.path("/proc/sys/kernel/bootloader_type")).unlink()

    def run(self, argv: Sequence[str], timeout_s: float) -> CommandResult:
        if "-l" in argv:
            self.argv = list(argv)
            path = argv[argv.index("-l") + 1]
            self.given = Path(path if path.startswith("/proc") else self.files.path(path)).read_bytes()
            Path(self.files.path("/sys/kernel/kexec_loaded")).write_text("1\n")
        return CommandResult(0, "kexec-tools 2.0.29\n", "")

    def facts(self) -> HostFacts:
        facts = gather(self.files, self.run)
        return replace(facts, kernel=replace(facts.kernel, machine="aarch64"))

    def plan(self, **preferences: str) -> StagingPlan:
        return plan(StagingRequest(preferences=preferences), self.facts(), self.files)

    def code_of(self, **preferences: str) -> str:
        with pytest.raises(CodedError) as caught:
            self.plan(**preferences)
        return caught.value.reason.code


@pytest.fixture(autouse=True)
def on_arm64(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")


@pytest.fixture
def host(host_tree: HostTree) -> Host:
    return Host(host_tree({CONFIG: "CONFIG_KEXEC=y\n"}), IMAGE)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, make_zboot])
def test_what_is_loaded(host_tree: HostTree, pack: object) -> None:
    assert callable(pack)
    host = Host(host_tree({CONFIG: "CONFIG_KEXEC=y\n"}), pack(IMAGE))
    planned = host.plan()
    assert planned.choice.way == KexecWay("bzimage", "kexec_load", "none", "copied")
    assert (planned.image.release, planned.kexecs) == (RELEASE, None)
    assert planned.choice.predicted_ms["decompress"] == 0.0
    stager = Stager(host.files, Kexec("/usr/sbin/kexec", host.files, host.run), bytes, lambda: None)
    stager.stage(planned, BOOT_ID)
    assert host.given == IMAGE
    assert host.argv[1:3] == ["-c", "-l"]
    assert host.argv[3] == KERNEL or pack is not bytes
    assert host.argv[4] == "--no-checks"


def test_the_missing_check_is_said(host: Host) -> None:
    (note,) = (each for each in host.plan().notes if each.code == "INTEGRITY_UNAVAILABLE")
    assert "runs without caches" in note.message
    # Whoever asks for none knows.
    assert "INTEGRITY_UNAVAILABLE" not in [each.code for each in host.plan(integrity="none").notes]


def test_the_check_that_takes_minutes(host: Host) -> None:
    choice = host.plan(integrity="sha256").choice
    assert choice.way.integrity == "sha256"
    # A kernel of 128 KiB, and its initrd.
    assert choice.predicted_ms["hash"] == pytest.approx((0x20000 + (host.files.size_bytes(INITRD) or 0)) / 1500, abs=0.1)
    assert "SLOWER_THAN_AUTO" in [note.code for note in choice.notes]


def test_what_is_refused(host: Host) -> None:
    assert host.code_of(image="fast") == "FAST_IMAGE_UNSUPPORTED"
    assert host.code_of(integrity="crc32c") == "INTEGRITY_UNAVAILABLE"
    assert host.code_of(loader="kexec_file_load") == "LOADER_UNAVAILABLE"
    untried = loader_obstacle(host.facts(), "kexec_file_load")
    assert untried is not None and "tried" in untried.message


def test_lockdown_leaves_no_loader(host_tree: HostTree) -> None:
    host = Host(host_tree({"/sys/kernel/security/lockdown": "none [integrity] confidentiality\n"}), IMAGE)
    assert host.code_of() == "LOCKDOWN"


def test_another_architectures_kernel(host_tree: HostTree) -> None:
    assert Host(host_tree({}), make_image(machine=0x5064)).code_of() == "WRONG_ARCH"


def test_the_memory_that_unpacking_takes(host_tree: HostTree) -> None:
    memory = {"/proc/meminfo": "MemTotal: 60000 kB\nMemAvailable: 33000 kB\n", INITRD: "070701"}
    assert Host(host_tree(memory), IMAGE).plan().choice.way.image == "bzimage"
    assert Host(host_tree(memory), gzip.compress(IMAGE)).code_of() == "NO_MEMORY"


# --- proof -------------------------------------------------------------------------------

GOOD = Evidence(SystemId("new"), "6.12", "ro fleet_kexec.token=ab panic=10", None)


@pytest.mark.parametrize(
    ("evidence", "missing"),
    [
        (GOOD, []),
        (replace(GOOD, cmdline="ro fleet_kexec.token=cd"), ["token"]),
        (replace(GOOD, cmdline="ro"), ["token"]),
        (replace(GOOD, system=SystemId("old")), ["boot_id_changed"]),
        (replace(GOOD, release="6.11"), ["release"]),
    ],
)
def test_proof_without_a_bootloader_type(evidence: Evidence, missing: list[str]) -> None:
    proof = prove_kexec(evidence, SystemId("old"), "ab", "6.12")
    assert proof.missing == missing
    assert (proof.as_dict()["bootloader_type"], proof.proven) == (None, not missing)
