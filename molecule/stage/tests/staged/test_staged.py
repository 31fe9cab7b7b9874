# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""An image is loaded, and nothing else has changed."""

from __future__ import annotations

import json

from testinfra.host import Host


def test_the_kernel_holds_an_image(host: Host) -> None:
    assert host.file("/sys/kernel/kexec_loaded").content_string.strip() == "1"


def test_the_record_is_roots_alone(host: Host) -> None:
    record = host.file("/run/fleet-kexec/staged.json")
    assert (record.user, record.mode) == ("root", 0o600)
    assert host.file("/run/fleet-kexec").mode == 0o700
    staged = json.loads(record.content_string)
    assert staged["boot_id"] == host.file("/proc/sys/kernel/random/boot_id").content_string.strip()
    assert staged["image"]["release"] == host.check_output("uname -r")
    assert "fleet_kexec_test.loader=" + staged["image"]["loader"] in staged["image"]["cmdline"]
    assert "BOOT_IMAGE" not in staged["image"]["cmdline"]


def test_the_bootloader_is_untouched(host: Host) -> None:
    assert host.run("grep --recursive --no-messages fleet.kexec /boot/grub/grub.cfg /boot/efi/loader").stdout == ""
    assert "fleet_kexec" not in host.file("/proc/cmdline").content_string
