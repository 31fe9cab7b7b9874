# SPDX-License-Identifier: GPL-3.0-or-later
"""The scripts that trigger a reboot and call it off, run by a real shell against files that stand for the kernel's."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.trigger import CALL_OFF, IMAGE_STAYS_RC, TRIGGER

from ....conftest import write_tree

KEXEC = """#!/bin/sh
echo "$@" >> %(root)s/calls
[ "$(cat %(root)s/proc/sys/kernel/kexec_load_disabled)" = 0 ] || { echo 'Operation not permitted' >&2; exit 1; }
[ "$(cat %(root)s/proc/sys/kernel/kexec_load_limit_reboot)" != 0 ] || { echo 'Operation not permitted' >&2; exit 1; }
echo 0 > %(root)s/sys/kernel/kexec_loaded
"""
SYSTEMCTL = """#!/bin/sh
[ "$1" != is-system-running ] || echo running
"""


def call_off(root: Path) -> subprocess.CompletedProcess[str]:
    return run(root, CALL_OFF, "ab")


def run(root: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = re.sub(r"(?<![\w/])/(?=proc/|sys/|run/|var/|etc/)", "%s/" % root, script)
    script = script.replace("PATH=/usr/sbin", "PATH=%s/bin:/usr/sbin" % root)
    return subprocess.run(["/bin/sh", "-c", script, "sh", *arguments], check=False, capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize(
    ("disabled", "limit", "rc", "said"),
    [
        (0, -1, 0, ""),
        (1, -1, IMAGE_STAYS_RC, "kernel.kexec_load_disabled=1"),
        (0, 0, IMAGE_STAYS_RC, "kernel.kexec_load_limit_reboot=0"),
    ],
)
def test_an_image_that_stays_is_told_from_a_reboot_that_may_come(
    tmp_path: Path, disabled: int, limit: int, rc: int, said: str
) -> None:
    settings = {"kexec_load_disabled": disabled, "kexec_load_limit_reboot": limit}
    write_tree(tmp_path, {"/proc/sys/kernel/" + name: "%d\n" % value for name, value in settings.items()})
    write_tree(tmp_path, {"/sys/kernel/kexec_loaded": "1\n", "/run/fleet-kexec/staged.json": "{}"})
    for name, text in (("kexec", KEXEC), ("systemctl", SYSTEMCTL), ("busctl", SYSTEMCTL)):
        write_tree(tmp_path, {"/bin/" + name: text % {"root": tmp_path} if name == "kexec" else text})
        (tmp_path / "bin" / name).chmod(0o755)
    done = call_off(tmp_path)
    assert done.returncode == rc, done.stderr
    assert said in done.stderr
    assert (tmp_path / "run/fleet-kexec/staged.json").exists() is (rc != 0)


# A systemd that has rebooted softly once, and notes what it is told to run.
TRIGGERED = """#!/bin/sh
case "$*" in
    *SoftRebootsCount*) echo 1 ;;
    *) echo "$(basename "$0") $*" >> %(root)s/calls ;;
esac
"""


@pytest.mark.parametrize(
    ("verb", "boot_id", "count", "rc"),
    [
        ("soft-reboot", "b", "1", 0),
        ("soft-reboot", "b", "0", 1),
        ("soft-reboot", "another", "1", 1),
        # Whether it was softly rebooted does not matter where the kernel ends.
        ("reboot", "b", "", 0),
    ],
)
def test_a_late_trigger_reboots_no_system_twice(tmp_path: Path, verb: str, boot_id: str, count: str, rc: int) -> None:
    write_tree(tmp_path, {"/proc/sys/kernel/random/boot_id": "b\n", "/etc/init.d/kexec": ""})
    for name in ("systemctl", "systemd-run"):
        write_tree(tmp_path, {"/bin/" + name: TRIGGERED % {"root": tmp_path}})
        (tmp_path / "bin" / name).chmod(0o755)
    done = run(tmp_path, TRIGGER, "ab" * 8, verb, "0.5", "m", boot_id, count)
    assert done.returncode == rc, done.stderr
    calls = (tmp_path / "calls").read_text() if (tmp_path / "calls").exists() else ""
    assert ("systemctl --message=m %s" % verb in calls) is (rc == 0)
    if rc:
        assert "the host has rebooted already" in done.stderr
        return
    assert "SYSTEMCTL_SKIP_AUTO_SOFT_REBOOT=1" in calls, "or a set up /run/nextroot would make any reboot a soft one"
    last_stop = tmp_path / "var/lib/fleet-kexec/last-stop"
    assert (last_stop / "soft_reboots").read_text() == "1\n"
    # A mask in /run outlives a soft reboot.
    assert (last_stop / "masks").exists() is (verb == "soft-reboot")
