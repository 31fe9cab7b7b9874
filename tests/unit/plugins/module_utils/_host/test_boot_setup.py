# SPDX-License-Identifier: GPL-3.0-or-later
"""Equipment and configuration that boots depend on, from trees."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._host.boot_setup import (
    BootSetup,
    InitrdFile,
    missing_resume_device,
    read_boot_setup,
)
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._host.initrd_survey import PATH as SURVEYS
from ansible_collections.fleet.kexec.plugins.module_utils._host.initrd_survey import (
    InitrdSurvey,
    modified_ns,
    read_surveys,
    surveys_to_json,
)
from ansible_collections.fleet.kexec.plugins.module_utils._host.root_devices import read_root_devices
from ansible_collections.fleet.kexec.tests.unit.conftest import write_tree

RESUME = "/etc/initramfs-tools/conf.d/resume"


def test_a_host_that_has_it_all(tmp_path: Path) -> None:
    write_tree(
        tmp_path,
        {
            "/proc/cmdline": "root=/dev/sda1 console=tty0 console=ttyS0,115200 console=ttyS1,9600 loglevel=6",
            "/proc/cpuinfo": "processor\t: 0\nmodel name\t: a\n\nprocessor\t: 1\nmodel name\t: a\n",
            "/sys/class/nvme/nvme0/model": "",
            "/sys/class/nvme/nvme1/model": "",
            "/sys/module/core/parameters/async_shutdown": "Y\n",
            RESUME: "RESUME=UUID=1-2\n",
        },
    )
    (tmp_path / "boot").mkdir()
    packed = gzip.compress(b"anything")
    (tmp_path / "boot/initrd.img-6.1").write_bytes(packed)
    setup = read_boot_setup(HostFiles(str(tmp_path)), "6.1")
    assert (setup.cpus, setup.console, setup.baud, setup.loglevel) == (2, "ttyS1", 9600, 6)
    assert (setup.nvme, setup.async_shutdown, setup.resume_missing) == (["nvme0", "nvme1"], True, "/dev/disk/by-uuid/1-2")
    assert setup.initrds == [InitrdFile("/boot/initrd.img-6.1", len(packed), "gzip")]


def test_the_initrd_and_what_was_found_in_it(tmp_path: Path) -> None:
    files, path = HostFiles(str(tmp_path)), "/boot/initrd.img-6.1"
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot/initrd.img-6.1").write_bytes(gzip.compress(b"anything"))
    survey = InitrdSurvey(files.size_bytes(path) or 0, modified_ns(files, path), 5000, 3.5, 1.5, 12, 2000)
    write_tree(tmp_path, {SURVEYS: surveys_to_json({path: survey, "/boot/gone": survey})})
    (own,) = read_boot_setup(files, "6.1").initrds
    assert own.survey == survey
    assert read_surveys(files) == {path: survey}, "what is gone is not known"
    (tmp_path / "boot/initrd.img-6.1").write_bytes(gzip.compress(b"another"))
    (own,) = read_boot_setup(files, "6.1").initrds
    assert own.survey is None, "it is another initrd now"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": 2}', '{"format": 1, "initrds": {"/boot/x": {"size": 1}}}', '{"format": 1}']
)
def test_surveys_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    write_tree(tmp_path, {SURVEYS: text})
    assert read_surveys(HostFiles(str(tmp_path))) == {}


@pytest.mark.parametrize("content", [b"", b"no archive at all"])
def test_a_host_that_has_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot/initrd.img-6.1").write_bytes(content)
    assert read_boot_setup(HostFiles(str(tmp_path)), "6.1") == BootSetup()
    assert read_boot_setup(HostFiles(str(tmp_path)), "../../etc/passwd\0") == BootSetup()


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("RESUME=UUID=1-2\n", "/dev/disk/by-uuid/1-2"),
        ('# RESUME=none\nRESUME="LABEL=swap"\n', "/dev/disk/by-label/swap"),
        ("RESUME=/dev/mapper/gone\n", "/dev/mapper/gone"),
        ("RESUME=/dev/sda2\n", ""),
        ("RESUME=UUID=1-2\nRESUME=none\n", ""),
        ("RESUME=auto\n", ""),
        ("RESUME=\n", ""),
        ("", ""),
    ],
)
def test_a_resume_device(tmp_path: Path, text: str, missing: str) -> None:
    write_tree(tmp_path, {RESUME: text, "/dev/sda2": ""})
    assert missing_resume_device(HostFiles(str(tmp_path))) == missing


@pytest.mark.parametrize(
    ("cmdline", "missing"),
    [
        ("root=/dev/vda1 ro", "/dev/disk/by-uuid/1-2"),
        ("ro resume=LABEL=swap", "/dev/disk/by-label/swap"),
        ("ro resume=/dev/gone", "/dev/gone"),
        ("ro resume=/dev/gone resume=/dev/sda2", ""),
        ("ro resume=8:2", ""),
        ("ro noresume", ""),
        ("ro resume=/dev/gone noresume", ""),
        ("ro resume=", "/dev/disk/by-uuid/1-2"),
    ],
)
def test_a_resume_device_on_the_command_line(tmp_path: Path, cmdline: str, missing: str) -> None:
    write_tree(tmp_path, {RESUME: "RESUME=UUID=1-2\n", "/dev/sda2": "", "/proc/cmdline": cmdline + "\n"})
    assert missing_resume_device(HostFiles(str(tmp_path))) == missing


MOUNTED = "29 1 %s / / rw,relatime shared:1 - %s %s rw\n"


def block_device(tmp_path: Path, path: str, name: str, number: str, **files: str) -> None:
    """A device in sysfs, with the links to it."""
    write_tree(
        tmp_path, {path + "/uevent": "MAJOR=1\nDEVNAME=%s\nDEVTYPE=disk\n" % name, **{path + "/" + key: "" for key in files}}
    )
    for link in ("/sys/dev/block/" + number, "/sys/class/block/" + name):
        at = tmp_path / link.lstrip("/")
        at.parent.mkdir(parents=True, exist_ok=True)
        at.symlink_to(tmp_path / path.lstrip("/"))


def test_the_devices_of_the_root_file_system(tmp_path: Path) -> None:
    files = HostFiles(str(tmp_path))
    block_device(tmp_path, "/sys/devices/pci/sda", "sda", "8:0")
    block_device(tmp_path, "/sys/devices/pci/sda/sda2", "sda2", "8:2", partition="")
    block_device(tmp_path, "/sys/devices/virtual/md0", "md0", "9:0")
    block_device(tmp_path, "/sys/devices/virtual/dm-0", "dm-0", "253:0")
    for upper, lower in (("md0", "pci/sda/sda2"), ("dm-0", "virtual/md0")):
        (tmp_path / "sys/devices/virtual" / upper / "slaves").mkdir()
        below = tmp_path / "sys/devices/virtual" / upper / "slaves" / lower.rpartition("/")[2]
        below.symlink_to(tmp_path / "sys/devices" / lower)
    write_tree(tmp_path, {"/proc/self/mountinfo": MOUNTED % ("253:0", "ext4", "/dev/mapper/root")})
    assert read_root_devices(files) == ["dm-0", "md0", "sda2", "sda"]
    write_tree(tmp_path, {"/proc/self/mountinfo": MOUNTED % ("0:31", "btrfs", "/dev/sda2")})
    assert read_root_devices(files) == ["sda2", "sda"]
    write_tree(tmp_path, {"/proc/self/mountinfo": MOUNTED % ("0:31", "overlay", "overlay")})
    assert read_root_devices(files) == []
    (tmp_path / "proc/self/mountinfo").unlink()
    assert read_root_devices(files) == []
