# SPDX-License-Identifier: GPL-3.0-or-later
"""What unit tests share: a host as a directory tree."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Mapping

import pytest
from hypothesis import HealthCheck, settings

from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles

from .bzimages import make_bzimage

# The same inputs at every landing, and no complaint about a machine that is busy.
settings.register_profile("landing", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("landing")

BOOT_ID = "0e0a6d8e-9a0f-4d8e-8a4f-1d6f0a4b9c55"
RELEASE = "6.12.117+deb13-cloud-amd64"

#: A Debian 13 virtual machine that can do everything.
DEBIAN_13: dict[str, str] = {
    "/proc/sys/kernel/osrelease": RELEASE + "\n",
    "/proc/sys/kernel/random/boot_id": BOOT_ID + "\n",
    "/proc/sys/kernel/bootloader_type": "114\n",
    "/proc/sys/kernel/kexec_load_disabled": "0\n",
    "/proc/sys/kernel/kexec_load_limit_reboot": "-1\n",
    "/proc/sys/kernel/panic": "0\n",
    "/proc/sys/kernel/panic_on_oops": "0\n",
    "/proc/cmdline": "BOOT_IMAGE=/boot/vmlinuz root=UUID=1 ro console=ttyS0\n",
    "/proc/meminfo": "MemTotal:  733124 kB\nMemAvailable:  581324 kB\nCmaTotal:   0 kB\n",
    "/sys/kernel/kexec_loaded": "0\n",
    "/sys/kernel/security/lockdown": "[none] integrity confidentiality\n",
    "/boot/config-" + RELEASE: "CONFIG_KEXEC=y\nCONFIG_KEXEC_FILE=y\nCONFIG_KEXEC_SIG=y\n# CONFIG_KEXEC_SIG_FORCE is not set\n",
    "/boot/initrd.img-" + RELEASE: "070701 not really",
    "/run/systemd/system/marker": "",
    "/proc/self/mountinfo": "22 1 254:1 / / rw,relatime - ext4 /dev/vda1 rw\n",
    "/boot/grub/grub.cfg": "menuentry 'Debian GNU/Linux' {\n\tlinux\t/boot/vmlinuz-%s root=UUID=1 ro console=ttyS0\n"
    "\tinitrd\t/boot/initrd.img-%s\n}\n" % (RELEASE, RELEASE),
}
# Programs that its bootloader and its kexec come with.
PROGRAMS = ("/usr/sbin/kexec", "/usr/sbin/update-grub")

HostTree = Callable[[Mapping[str, str]], HostFiles]


def write_tree(root: Path, files: Mapping[str, str]) -> None:
    """Write files below a root directory."""
    for path, text in files.items():
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


@pytest.fixture
def host_tree(tmp_path: Path) -> HostTree:
    """Makes a host: Debian 13 with some files changed."""

    def make(changes: Mapping[str, str]) -> HostFiles:
        write_tree(tmp_path, {**DEBIAN_13, **changes})
        for program in PROGRAMS:
            path = tmp_path / program.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(0o755)
        (tmp_path / "boot" / ("vmlinuz-" + RELEASE)).write_bytes(make_bzimage(release=RELEASE))
        return HostFiles(str(tmp_path))

    return make
