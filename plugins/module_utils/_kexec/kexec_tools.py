# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run kexec-tools and verify each result with the kernel."""

from __future__ import annotations

import os
from typing import List, Optional

from .._cmdline import encode
from .._command import Runner
from .._host.files import HostFiles
from .errors import KexecError
from .preferences import KEXEC_FILE_LOAD

# Loading only reads and copies kernel and initrd; it takes minutes only on a host in trouble.
LOAD_TIMEOUT_S = 120.0

# Values of kernel.* that keep an image from being unloaded as well as from being loaded; see kexec_load_permitted() in
# kernel/kexec_core.c.
_UNLOAD_DISABLED = {"kexec_load_disabled": 1, "kexec_load_limit_reboot": 0}


class Kexec:
    """The C(kexec) program of a host, checked against what the kernel reports."""

    def __init__(self, path: str, files: HostFiles, run: Runner) -> None:
        self._path = path
        self._files = files
        self._run = run

    def loaded(self) -> bool:
        return self._files.read_int("/sys/kernel/kexec_loaded") == 1

    def load(
        self,
        kernel: str,
        initrd: Optional[str],
        cmdline: str,
        loader: str,
        *,
        purgatory_check: bool = True,
        below: Optional[int] = None,
    ) -> None:
        """Load an image; after a failure nothing is loaded.

        The system call is always named: kexec's own default differs between versions (-c in 2.0.25, -a in 2.0.29).

        :param purgatory_check: whether the purgatory checks SHA-256; only kexec_load can skip that.
        :param below: physical address that nothing is loaded to, nor to any above it; None for no limit.
        :raises KexecError: C(LOAD_FAILED) or C(LOAD_UNVERIFIED).
        """
        argv: List[str] = [self._path, "-s" if loader == KEXEC_FILE_LOAD else "-c", "-l", kernel]
        if not purgatory_check:
            argv.append("--no-checks")
        if below is not None:
            argv.append("--mem-max=%#x" % (below - 1))
        if initrd is not None:
            argv.append("--initrd=" + initrd)
        # Arguments are encoded for the locale, and the line's bytes have to come out the same in any.
        argv.append("--command-line=" + os.fsdecode(encode(cmdline)))
        result = self._run(argv, LOAD_TIMEOUT_S)
        if result.rc != 0:
            # A failed load leaves an earlier image loaded.
            self.unload()
            raise KexecError(
                "LOAD_FAILED",
                "kexec could not load %s via %s (exit code %d): %s" % (kernel, loader, result.rc, result.last_words()),
            )
        if not self.loaded():
            raise KexecError(
                "LOAD_UNVERIFIED", "kexec returned 0 for %s, but /sys/kernel/kexec_loaded says that nothing is loaded" % kernel
            )

    def unload(self) -> None:
        """Unload whatever is loaded.

        :raises KexecError: C(UNLOAD_DISABLED), C(UNLOAD_FAILED).
        """
        if not self.loaded():
            return
        for system_call in ("-s", "-c"):
            result = self._run([self._path, system_call, "-u"], LOAD_TIMEOUT_S)
            if not self.loaded():
                return
        for name, value in _UNLOAD_DISABLED.items():
            if self._files.read_int("/proc/sys/kernel/" + name) == value:
                raise KexecError(
                    "UNLOAD_DISABLED", "the image stays loaded until the next boot, because kernel.%s=%d" % (name, value)
                )
        raise KexecError("UNLOAD_FAILED", "kexec -u left an image loaded (exit code %d): %s" % (result.rc, result.last_words()))
