# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Harm to guests and to the controllers' disk, each of it a context manager that undoes it.

Undoing is tried again for as long as a guest may be rebooting; harm that can't be done, because a guest is, is :class:`Missed`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from chaos.plan import Kind
from lab.lab import execute, running_pid
from shared.cuts import cut_off
from shared.guests import INVENTORY, guests

SSH_TIMEOUT_S = 90.0
# Longer than a reboot takes of a guest whose harm is to be undone.
UNDO_TIMEOUT_S = 900.0
UNDO_PAUSE_S = 5.0

# Root's reserve, too, so that nobody can write any more.
FILL = """
set -e
hog=/var/tmp/lab-hog
free=$(stat --file-system --format='%f' /var/tmp) bytes=$(stat --file-system --format='%S' /var/tmp)
fallocate --length "$((free * bytes - 4 * 1024 * 1024))" $hog
dd if=/dev/zero of=$hog oflag=append conv=notrunc bs=64k status=none 2> /dev/null || true
"""
FREE = "rm -f /var/tmp/lab-hog"
BREAK_SUDO = """
set -e
[ -e /var/tmp/lab-pam-sudo ] || cp -a /etc/pam.d/sudo /var/tmp/lab-pam-sudo
echo 'account required pam_deny.so' >> /etc/pam.d/sudo
"""
MEND_SUDO = "if [ -e /var/tmp/lab-pam-sudo ]; then mv /var/tmp/lab-pam-sudo /etc/pam.d/sudo; fi"


class Missed(Exception):
    """Harm that could not be done."""


def shell(guest: str, script: str) -> bool:
    """Run a script on a guest as root, past the way that its controller takes; whether it succeeded."""
    command = ["ssh", "-F", str(INVENTORY.with_name("ssh_config")), "-o", "BatchMode=yes", "-o", "ControlPath=none"]
    try:
        done = subprocess.run(
            [*command, guest, "sh"], input=script, text=True, capture_output=True, timeout=SSH_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def undo(what: str, attempt: Callable[[], bool]) -> None:
    """Try until it succeeds."""
    end = time.monotonic() + UNDO_TIMEOUT_S
    while not attempt():
        if time.monotonic() > end:
            raise AssertionError(f"harm that could not be undone: {what}")
        time.sleep(UNDO_PAUSE_S)


@contextlib.contextmanager
def on_guest(guest: str, do: str, do_not: str) -> Iterator[None]:
    """Harm by a script that another script undoes. Either may be run twice, and only in part."""
    try:
        if not shell(guest, do):
            raise Missed
        yield
    finally:
        undo(f"{guest}: {do_not}", lambda: shell(guest, do_not))


@contextlib.contextmanager
def paused(guest: str) -> Iterator[None]:
    """A guest whose hypervisor does not run it."""
    directory = Path(guests()[guest]["lab_dir"])
    execute(directory, [{"execute": "stop"}])
    try:
        yield
    finally:
        execute(directory, [{"execute": "cont"}])


@contextlib.contextmanager
def stopped(guest: str) -> Iterator[None]:
    """A guest whose hypervisor does not run itself."""
    pid = running_pid(Path(guests()[guest]["lab_dir"]))
    assert pid is not None, f"{guest} does not run"
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def link_down(guest: str) -> Iterator[None]:
    """A guest whose cable is out, as the switch sees it."""
    tap = "tap%s" % guests()[guest]["lab_id"]
    subprocess.run(["ip", "link", "set", tap, "down"], check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", "link", "set", tap, "up"], check=True)


@contextlib.contextmanager
def full(directory: Path) -> Iterator[None]:
    """A file system of the controllers on which nothing more can be written."""
    hog = directory / "hog"
    try:
        with hog.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
            while True:
                try:
                    stream.write(bytes(4096))
                except OSError as error:
                    if error.errno == errno.ENOSPC:
                        break
                    raise
        yield
    finally:
        hog.unlink(missing_ok=True)


#: What to do to a guest, by kind.
TO_GUESTS: dict[Kind, Callable[[str], AbstractContextManager[None]]] = {
    Kind.CUT: cut_off,
    Kind.LINK: link_down,
    Kind.FILL: lambda guest: on_guest(guest, FILL, FREE),
    Kind.PAUSE: paused,
    Kind.STOP_GUEST: stopped,
    Kind.SUDO: lambda guest: on_guest(guest, BREAK_SUDO, MEND_SUDO),
}
