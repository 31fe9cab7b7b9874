# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that calls a reboot off, run by a real shell against files that stand for the kernel's."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.trigger import CALL_OFF, IMAGE_STAYS_RC

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
    script = re.sub(r"(?<![\w/])/(?=proc/|sys/|run/|var/)", "%s/" % root, CALL_OFF)
    script = script.replace("PATH=/usr/sbin", "PATH=%s/bin:/usr/sbin" % root)
    return subprocess.run(["/bin/sh", "-c", script, "sh", "ab"], check=False, capture_output=True, text=True, timeout=30)


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
