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
    survey = InitrdSurvey(files.size_bytes(path) or 0, modified_ns(files, path), 5000, 3.5, 12, 2000)
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
