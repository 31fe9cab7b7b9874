# SPDX-License-Identifier: GPL-3.0-or-later
"""What the system before left, as the trigger's own script leaves it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._host.last_stop import (
    LastStop,
    StopStamp,
    drop_last_stop,
    parse_stamps,
    read_last_stop,
)
from ansible_collections.fleet.kexec.plugins.module_utils._host.running_system import SystemId
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.trigger import CALL_OFF, TRIGGER
from ansible_collections.fleet.kexec.plugins.module_utils._paths import LAST_STOP_DIRECTORY

TOKEN = "a9d169940372fbef"
BOOT_ID = "5cf62992-371f-4b70-820f-710376c903c4"
# Of a Debian 13 guest under TCG.
STAMPS = "began 1795550009806472906 1795550010002155453\nstopped 1795550014792703548 1795550014954859035\n"
LOG = """\
[   33.168860] systemd-journald[198]: Received client request to flush runtime journal.
[   56.342877] fleet-kexec: stamp began a9d169940372fbef
[   58.210011] systemd-journald[198]: fleet-kexec: stamp stopped is not at its beginning here
[   61.296577] fleet-kexec: stamp stopped a9d169940372fbef
"""
BEGAN = StopStamp(1795550009904314179, 97841273, 56342877000)
STOPPED = StopStamp(1795550014873781291, 81077743, 61296577000)


@pytest.fixture
def files(tmp_path: Path) -> HostFiles:
    return HostFiles(str(tmp_path))


def leave(files: HostFiles, **content: str) -> None:
    os.makedirs(files.path(LAST_STOP_DIRECTORY))
    for name, text in content.items():
        Path(files.path(LAST_STOP_DIRECTORY), name.replace("__", ".")).write_text(text)


def test_stamps_on_both_clocks() -> None:
    assert parse_stamps(STAMPS, {"began": LOG[:130], "stopped": LOG}) == {"began": BEGAN, "stopped": STOPPED}


def test_a_log_without_times_leaves_the_clock() -> None:
    """With printk.time=0, or where dmesg is another one."""
    stamps = parse_stamps(STAMPS, {"stopped": "fleet-kexec: stamp stopped a9d169940372fbef\n"})
    assert [stamp.log_ns for stamp in stamps.values()] == [None, None]


@pytest.mark.parametrize(
    "text", ["", "stopped", "stopped 1 x", "stopped 1795550014792703548N 2", "\x00", "stopped 1 %s" % ("9" * 400)]
)
def test_what_is_no_stamp(text: str) -> None:
    assert parse_stamps(text, {"stopped": LOG}) == {}


def test_nothing_was_left(files: HostFiles) -> None:
    assert read_last_stop(files) is None
    drop_last_stop(files)


def test_all_that_was_left(files: HostFiles) -> None:
    leave(files, token=TOKEN, boot_id=BOOT_ID, release="6.12", staged__json="{}", stamps=STAMPS, log__began=LOG, log__stopped=LOG)
    assert read_last_stop(files) == LastStop(TOKEN, SystemId(BOOT_ID), "6.12", "{}", {"began": BEGAN, "stopped": STOPPED})
    drop_last_stop(files)
    assert read_last_stop(files) is None


def test_a_count_that_is_none(files: HostFiles) -> None:
    leave(files, token=TOKEN, boot_id=BOOT_ID, soft_reboots="9" * 5000)
    assert read_last_stop(files) == LastStop(TOKEN, SystemId(BOOT_ID, 0), "", None, {})


def test_a_machine_that_was_reset_left_no_stamps(files: HostFiles) -> None:
    leave(files, token=TOKEN + "\n", boot_id=BOOT_ID + "\n")
    assert read_last_stop(files) == LastStop(TOKEN, SystemId(BOOT_ID), "", None, {})


def test_the_scripts_use_this_directory() -> None:
    assert TRIGGER.count(LAST_STOP_DIRECTORY) == 2 and CALL_OFF.count(LAST_STOP_DIRECTORY) == 1


def test_the_script_leaves_what_is_read(files: HostFiles, tmp_path: Path) -> None:
    """Run as the unit runs it, but below another directory, and with a kernel log that is a file."""
    log = tmp_path / "kmsg"
    dmesg = tmp_path / "dmesg"
    dmesg.write_text("#!/bin/sh\nsed 's/^<7>/[   61.296577] /' %s\n" % log)
    dmesg.chmod(0o755)
    leave(files, token=TOKEN + "\n", boot_id=BOOT_ID + "\n")
    script = TRIGGER.split("<<'END'\n")[1].split("END\n")[0]
    for path, other in (
        (LAST_STOP_DIRECTORY, files.path(LAST_STOP_DIRECTORY)),
        ("/dev/kmsg", str(log)),
        ("PATH=", "PATH=%s:" % tmp_path),
    ):
        assert path in script
        script = script.replace(path, other)
    for token, name in ((TOKEN, "stopped"), ("another", "began")):
        subprocess.run(["/bin/sh", "-c", script, "sh", token, name], check=True, timeout=30)
    last_stop = read_last_stop(files)
    assert last_stop is not None and list(last_stop.stamps) == ["stopped"]
    stamp = last_stop.stamps["stopped"]
    assert stamp.log_ns == 61296577000
    assert 0 < stamp.realtime_error_ns < 10 * 10**9 < stamp.realtime_ns
