# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running the host's own tools: with a timeout, without a shell, in the C locale."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import Callable, Dict, Optional, Sequence

# Some non-login sessions lack /usr/sbin in their path.
SEARCH_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"


@dataclass(frozen=True)
class CommandResult:
    """Outcome of a command; C(rc) is 127 if it can't be started, 124 if it was killed at its timeout."""

    rc: int
    stdout: str
    stderr: str

    def last_words(self) -> str:
        """Join the last lines of its output into one, for messages."""
        said = (self.stderr.strip() or self.stdout.strip()).splitlines()
        return "; ".join(line.strip() for line in said[-3:]) or "no output"


# Runs an argument list, with a timeout in seconds.
Runner = Callable[[Sequence[str], float], CommandResult]


# Variables that a user's C(environment) gives to whatever fetches packages. They may hold passwords, so no command names them.
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy")


def tool_environment() -> Dict[str, str]:
    """Environment of tools: the same everywhere, but for proxies."""
    proxies = {name: os.environ[name] for name in _PROXIES if name in os.environ}
    return {**proxies, "PATH": SEARCH_PATH, "LC_ALL": "C", "LANG": "C"}


def run_command(argv: Sequence[str], timeout_s: float) -> CommandResult:
    """Run a command to its end or its timeout; failures never raise."""
    try:
        # Not AnsibleModule.run_command: the command fleet-kexec comes here without a module, and that one has no timeout.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            list(argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=tool_environment(),
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return CommandResult(124, "", "%s did not end within %g s" % (argv[0], timeout_s))
    except OSError as error:
        return CommandResult(127, "", str(error))
    return CommandResult(
        done.returncode,
        done.stdout.decode("utf-8", "replace"),
        done.stderr.decode("utf-8", "replace"),
    )


def find_executable(name: str, root: str = "/") -> Optional[str]:
    """Find an executable below C(root); the path returned is as seen by the host."""
    for directory in SEARCH_PATH.split(":"):
        inside = os.path.join(root, directory.lstrip("/"), name)
        if os.path.isfile(inside) and os.access(inside, os.X_OK):
            return os.path.join(directory, name)
    return None
