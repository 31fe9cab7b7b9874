# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Real sshds on addresses of this machine, for the user who starts them."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

START_TIMEOUT_S = 30.0
# For ssh: nothing of the user's own.
SSH_ARGS = "-F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"

_CONFIG = """
HostKey %(directory)s/host_key
AuthorizedKeysFile %(directory)s/user_key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
ListenAddress %(address)s:%(port)d
"""


def sshd_path() -> str | None:
    """Path of the program; None if it is not installed."""
    return shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin")


@contextlib.contextmanager
def sshds(directory: Path, addresses: Sequence[str]) -> Iterator[int]:
    """Start an sshd on each address, all on one port; yield the port. The key that logs in is C(user_key) in the directory."""
    sshd = sshd_path()
    if sshd is None:
        raise SystemExit("sshd is missing; install openssh-server")
    if os.geteuid() == 0:
        # Where it gives up its privileges; a service would have made it.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    for key in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / key], check=True)
    with socket.socket() as free:
        free.bind((addresses[0], 0))
        port = int(free.getsockname()[1])
    with contextlib.ExitStack() as stack:
        for index, address in enumerate(addresses):
            config = directory / ("sshd_config.%d" % index)
            config.write_text(_CONFIG % {"directory": directory, "address": address, "port": port}, encoding="ascii")
            process = subprocess.Popen([sshd, "-D", "-f", config], stderr=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.terminate)
        for address in addresses:
            _await(address, port)
        yield port


def _await(address: str, port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            with socket.create_connection((address, port), 1) as connection:
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            if time.monotonic() > deadline:
                raise
            # sshd tells nobody when it listens.
            time.sleep(0.05)
