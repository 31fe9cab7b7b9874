# SPDX-License-Identifier: GPL-3.0-or-later
"""What staging starts from, and whose fault it is where that is impossible."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.boot_entry import BootChoice, DefaultEntry
from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.facts import HostFacts, gather
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.boot_source import (
    BootSource,
    entry_changes,
    entry_risks,
    find_source,
)
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.cmdline import Edits, line_changes
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.errors import KexecError
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.file_part import FilePart
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.initrds import join_initrds, loadable_initrd
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.requests import StagingRequest, is_fault_of_host
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.staging import plan_image, try_plan
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.verdict import decide
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from ....bzimages import make_bzimage
from ....conftest import RELEASE, HostTree

OLD = "6.1.0-49-cloud-amd64"
ENTRY = DefaultEntry(
    kernel="/boot/vmlinuz-" + OLD,
    initrds=("/boot/acpi.cpio", "/boot/initrd.img-" + OLD),
    cmdline="root=UUID=1 ro console=ttyS0 hugepages=64",
    title="Debian GNU/Linux",
    bootloader="GRUB (update-grub)",
    source="/boot/grub/grub.cfg, line 7",
)
KNOWN = BootChoice(ENTRY)
UNKNOWN = BootChoice(None, "no bootloader was found")


@pytest.fixture
def files(host_tree: HostTree) -> HostFiles:
    """A host that runs the newer of two kernels; the default entry is pinned to the older one."""
    made = host_tree({"/boot/acpi.cpio": "070701acpi", "/boot/initrd.img-" + OLD: "070701main"})
    Path(made.path(ENTRY.kernel)).write_bytes(make_bzimage(release=OLD))
    return made


def facts_of(files: HostFiles) -> HostFacts:
    facts = gather(files, lambda argv, timeout_s: CommandResult(0, "kexec-tools 2.0.29\n", ""))
    return replace(facts, kernel=replace(facts.kernel, machine="x86_64"))


def source(files: HostFiles, request: StagingRequest, choice: BootChoice = KNOWN) -> BootSource:
    facts = facts_of(files)
    return find_source(request, facts.installed, facts.kernel, files, choice)


NEW = BootSource(FilePart("/boot/vmlinuz-" + RELEASE), (FilePart("/boot/initrd.img-" + RELEASE),), ENTRY.cmdline)
PINNED = BootSource(FilePart(ENTRY.kernel), tuple(map(FilePart, ENTRY.initrds)), ENTRY.cmdline)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (StagingRequest(), PINNED),
        (StagingRequest(kernel="newest"), NEW),
        (StagingRequest(kernel="running"), NEW),
        (StagingRequest(kernel=RELEASE), NEW),
        # The entry's initrds belong to its kernel, whatever names that.
        (StagingRequest(kernel=OLD), PINNED),
        (StagingRequest(kernel=ENTRY.kernel), PINNED),
        (StagingRequest(base="running"), replace(PINNED, line="root=UUID=1 ro console=ttyS0")),
        (StagingRequest(initrd="none"), replace(PINNED, initrds=())),
        (StagingRequest(initrd="/boot/acpi.cpio"), replace(PINNED, initrds=(FilePart("/boot/acpi.cpio"),))),
    ],
)
def test_a_request_starts_from_the_default_entry(files: HostFiles, request_: StagingRequest, expected: BootSource) -> None:
    found = source(files, request_)
    kept = [each for each in found.line.split() if not each.startswith("BOOT_IMAGE=")]
    assert replace(found, line=" ".join(kept)) == expected


def test_where_the_entry_is_unknown_the_newest_kernel_gets_the_running_line(files: HostFiles) -> None:
    found = source(files, StagingRequest(), UNKNOWN)
    assert found.kernel == NEW.kernel and "hugepages" not in found.line


def test_an_entry_without_an_initrd_boots_without_one(files: HostFiles) -> None:
    assert source(files, StagingRequest(), BootChoice(replace(ENTRY, initrds=()))).initrds == ()


def test_the_edits_apply_on_top_and_what_changes_is_said(files: HostFiles) -> None:
    planned = plan_image(StagingRequest(edits=Edits(remove=["console"], append=["quiet"])), facts_of(files), files, KNOWN)
    assert planned.image.cmdline == "root=UUID=1 ro hugepages=64 quiet"
    assert planned.image.release == OLD
    (note,) = [note for note in planned.notes if note.code == "ENTRY_CHANGES"]
    assert "from %s to %s" % (RELEASE, OLD) in note.message
    assert "added: hugepages=64 quiet" in note.message and "removed: console=ttyS0" in note.message


def test_what_loaders_and_a_kexec_add_for_one_boot_is_no_change(files: HostFiles) -> None:
    running = "BOOT_IMAGE=/vmlinuz root=UUID=1 ro fleet_kexec.token=ab fleet_kexec.kexecs=2 panic=10 oops=panic"
    assert line_changes(running, "root=UUID=1 ro").added == line_changes(running, "root=UUID=1 ro").removed == ()
    assert entry_changes(replace(facts_of(files).kernel, passed_cmdline=running), RELEASE, "root=UUID=1 ro") == []


def missing(files: HostFiles, path: str) -> None:
    Path(files.path(path)).unlink()


FAULTS = [
    (lambda files: missing(files, ENTRY.kernel), KNOWN, "KERNEL_NOT_FOUND"),
    (lambda files: Path(files.path(ENTRY.kernel)).write_bytes(bytes(8192)), KNOWN, "KERNEL_INVALID"),
    (lambda files: Path(files.path(ENTRY.kernel)).write_bytes(make_bzimage(release=OLD)[:-64]), KNOWN, "KERNEL_TRUNCATED"),
    (lambda files: missing(files, "/boot/acpi.cpio"), KNOWN, "INITRD_NOT_FOUND"),
    (lambda files: Path(files.path("/boot/acpi.cpio")).write_bytes(b""), KNOWN, "INITRD_INVALID"),
    (lambda files: None, BootChoice(replace(ENTRY, cmdline='root=UUID=1 "ro')), "CMDLINE_INVALID"),
    (lambda files: None, BootChoice(replace(ENTRY, cmdline="x" * 2040)), "CMDLINE_TOO_LONG"),
]


@pytest.mark.parametrize(("break_", "choice", "code"), FAULTS, ids=[code for _break, _choice, code in FAULTS])
def test_the_verdict_says_what_staging_would_say(files: HostFiles, break_, choice: BootChoice, code: str) -> None:  # type: ignore[no-untyped-def]
    break_(files)
    facts = facts_of(files)
    outcome = try_plan(facts, files, choice)
    assert isinstance(outcome, Reason) and outcome.code == code
    # Nobody asked for it, so it is the host's own fault.
    verdict = decide(facts, outcome)
    assert (verdict.method, [each.code for each in verdict.reasons]) == ("firmware", [code])


OTHER_FORMATS = {
    "zboot": b"MZ\0\0zimg" + bytes(16) + b"zstd".ljust(8192, b"\0"),
    "zstd": b"\x28\xb5\x2f\xfd" + bytes(8192),
    "gzip": b"\x1f\x8b" + bytes(8192),
    "elf": b"\x7fELF" + bytes(8192),
    "zeros": bytes(8192),
}


@pytest.mark.parametrize("kind", OTHER_FORMATS)
def test_files_that_are_no_kernel_for_this_machine(files: HostFiles, kind: str) -> None:
    Path(files.path(ENTRY.kernel)).write_bytes(OTHER_FORMATS[kind])
    outcome = try_plan(facts_of(files), files, KNOWN)
    assert isinstance(outcome, Reason) and outcome.code == "KERNEL_INVALID"


@pytest.mark.parametrize("path", ["/boot/loop", "/boot", "/boot/" + "a" * 300, "/boot/acpi.cpio/x", "/boot/caf\udce9"])
def test_paths_that_lead_to_no_file(files: HostFiles, path: str) -> None:
    Path(files.path("/boot/loop")).symlink_to("loop")
    for entry, code in (
        (replace(ENTRY, kernel=path), "KERNEL_NOT_FOUND"),
        (replace(ENTRY, initrds=(path,)), "INITRD_NOT_FOUND"),
    ):
        outcome = try_plan(facts_of(files), files, BootChoice(entry))
        assert isinstance(outcome, Reason) and outcome.code == code
        # A message has to be valid Unicode.
        outcome.message.encode()


def test_a_name_that_no_file_can_have(files: HostFiles) -> None:
    with pytest.raises(KexecError) as caught:
        source(files, StagingRequest(initrd="/boot/a\0b"))
    assert caught.value.reason.code == "INITRD_NOT_FOUND"


def test_a_link_to_a_kernel_has_the_initrd_beside_that(files: HostFiles) -> None:
    Path(files.path("/vmlinuz")).symlink_to("boot/vmlinuz-" + RELEASE)
    found = source(files, StagingRequest(kernel="/vmlinuz"), UNKNOWN)
    assert found.initrds == (FilePart("/boot/initrd.img-" + RELEASE),)


def test_what_was_asked_for_is_the_fault_of_the_request() -> None:
    assert is_fault_of_host("KERNEL_NOT_FOUND", StagingRequest())
    assert not is_fault_of_host("KERNEL_NOT_FOUND", StagingRequest(kernel=OLD))
    assert not is_fault_of_host("INITRD_INVALID", StagingRequest(initrd="/boot/x"))
    assert is_fault_of_host("CMDLINE_TOO_LONG", StagingRequest(kernel=OLD))
    assert not is_fault_of_host("CMDLINE_TOO_LONG", StagingRequest(edits=Edits(append=["x"])))
    assert is_fault_of_host("LOCKDOWN", StagingRequest(kernel=OLD))
    assert not is_fault_of_host("FAST_IMAGE_MISSING", StagingRequest())


@pytest.mark.parametrize(
    ("choice", "codes"),
    [
        (KNOWN, []),
        (UNKNOWN, ["ENTRY_UNKNOWN"]),
        (BootChoice(ENTRY, one_shot="grub-reboot"), ["ONE_SHOT_PENDING"]),
        (BootChoice(ENTRY, elsewhere="the root file system is in memory"), ["SYSTEM_ELSEWHERE"]),
        (BootChoice(None, "unread", elsewhere="live"), ["SYSTEM_ELSEWHERE"]),
    ],
)
def test_risks_of_ending_elsewhere(choice: BootChoice, codes: list[str]) -> None:
    assert [each.code for each in entry_risks(choice)] == codes


def test_initrds_are_joined_in_order_each_at_a_multiple_of_four_bytes(host_tree: HostTree) -> None:
    files = host_tree({"/boot/a": "12345", "/boot/b": "678", "/boot/c": "9"})
    initrds = [FilePart("/boot/a"), FilePart("/boot/b"), FilePart("/boot/c")]
    assert bytes(join_initrds(files, initrds)) == b"12345\0\0\x00678\x009"
    assert bytes(join_initrds(files, initrds[1:2])) == b"678"


def test_several_initrds_are_loaded_from_memory_and_a_single_one_from_its_file(host_tree: HostTree) -> None:
    files = host_tree({"/boot/a": "1234", "/boot/b": "5"})
    with loadable_initrd(files, [FilePart("/boot/a")]) as path:
        assert path == "/boot/a"
    with loadable_initrd(files, []) as path:
        assert path is None
    with loadable_initrd(files, [FilePart("/boot/a"), FilePart("/boot/b")]) as path:
        assert path is not None and Path(path).read_bytes() == b"12345"
    assert not Path(path).exists()
    gone = loadable_initrd(files, [FilePart("/boot/a"), FilePart("/boot/x")])
    with pytest.raises(KexecError, match="the initrd /boot/x can't be read"), gone:
        pass
