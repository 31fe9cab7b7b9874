# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""The image lies there, root's alone, and the host's own command takes it."""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host


@pytest.fixture
def directory(host: Host) -> str:
    """Where the image of the only kernel lies."""
    return "/var/lib/fleet-kexec/" + str(host.check_output("ls /var/lib/fleet-kexec | grep -v json"))


def test_the_files_are_roots_alone(host: Host, directory: str) -> None:
    assert host.file(directory).mode == 0o700
    for name in ("image", "relocations", "manifest.json"):
        file = host.file(f"{directory}/{name}")
        assert (file.user, file.mode) == ("root", 0o600)


def test_the_manifest_vouches_for_the_image(host: Host, directory: str) -> None:
    manifest = json.loads(host.file(f"{directory}/manifest.json").content_string)
    assert manifest["image"]["sha256"] == host.file(f"{directory}/image").sha256sum
    assert manifest["source"]["sha256"] == host.file(manifest["source"]["path"]).sha256sum


def test_nothing_else_is_left_of_the_build(host: Host, directory: str) -> None:
    assert host.check_output(f"ls -A {directory}").split() == ["image", "manifest.json", "relocations"]


def test_the_command_tells_what_the_modules_tell(host: Host) -> None:
    status = json.loads(host.check_output("fleet-kexec status --json"))
    assert status["verdict"]["image"] == "fast"
    assert status["kernel"]["release"] == host.check_output("uname -r")
    entry = status["entry"]
    assert host.check_output("realpath %s", entry["kernel"]) == "/boot/vmlinuz-" + status["kernel"]["release"]
    assert (entry["added"], entry["removed"], entry["unknown"], entry["one_shot"]) == ([], [], None, None)


def test_the_command_stages_and_unstages(host: Host) -> None:
    assert "fast image" in host.check_output("fleet-kexec stage --dry-run")
    assert host.file("/sys/kernel/kexec_loaded").content_string.strip() == "0"
    assert "fast image" in host.check_output("fleet-kexec stage")
    assert host.file("/sys/kernel/kexec_loaded").content_string.strip() == "1"
    assert "already" in host.check_output("fleet-kexec stage")
    host.check_output("fleet-kexec unstage")
    assert host.file("/sys/kernel/kexec_loaded").content_string.strip() == "0"


def test_the_command_refuses_with_a_code(host: Host) -> None:
    refused = host.run("fleet-kexec stage --kernel 5.10.0-nowhere")
    assert refused.rc == 1
    assert "KERNEL_NOT_FOUND" in refused.stderr


def test_the_bootloader_knows_nothing_of_it(host: Host) -> None:
    assert host.run("grep --recursive --no-messages fleet.kexec /boot/grub/grub.cfg /boot/efi/loader").stdout == ""
