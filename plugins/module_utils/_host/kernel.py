# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running kernel: identity, command line, configuration and kexec restrictions."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from typing import Dict, Optional, Tuple

from .._cmdline import values_of
from .built_in_args import built_in_line, own_part_removed
from .files import HostFiles

_CONFIG_KEYS = (
    "CRASH_DUMP",
    "DMA_CMA",
    "KEXEC",
    "KEXEC_FILE",
    "KEXEC_HANDOVER_ENABLE_DEFAULT",
    "KEXEC_SIG",
    "KEXEC_SIG_FORCE",
)


@dataclass(frozen=True)
class RunningKernel:
    """State of the running kernel.

    :ivar build: as shown by C(uname -v).
    :ivar passed_cmdline: the command line without what the kernel itself added to it, as its loader passed it.
    :ivar bootloader_type: number of the boot loader, which C(_arch) can name; None if the architecture has none.
    :ivar config: settings that matter for kexec, as C(y) or C(n); empty if its configuration can't be found.
    :ivar lockdown: C(none), C(integrity) or C(confidentiality).
    :ivar loaded: whether an image is loaded; None without kexec support.
    :ivar load_limit_reboot: loads still allowed, -1 for no limit; None before Linux 6.3; C(load_limit_panic) for crash kernels.
    :ivar kho: whether it may pass state to the next kernel (kexec handover).
    :ivar panic_s: C(kernel.panic): seconds from a panic to a reset, 0 for never.
    """

    release: str
    build: str
    machine: str
    boot_id: str
    cmdline: str
    passed_cmdline: str
    bootloader_type: Optional[int]
    config: Dict[str, str]
    lockdown: str
    loaded: Optional[bool]
    load_disabled: bool
    load_limit_reboot: Optional[int]
    load_limit_panic: Optional[int]
    kho: bool
    panic_s: int
    panic_on_oops: int

    @property
    def series(self) -> Tuple[int, int]:
        """First two numbers of its release, (0, 0) if it has none."""
        found = re.match(r"(\d{1,4})\.(\d{1,4})", self.release)
        return (int(found.group(1)), int(found.group(2))) if found else (0, 0)

    @property
    def signed_images_only(self) -> bool:
        """Whether it only loads images with a signature it trusts."""
        return self.lockdown != "none" or self.config.get("KEXEC_SIG_FORCE") == "y"


def parse_lockdown(text: Optional[str]) -> str:
    """Mode in brackets in C(/sys/kernel/security/lockdown): C(none [integrity] confidentiality)."""
    chosen = re.search(r"\[(\w+)\]", text or "")
    return chosen.group(1) if chosen else "none"


def parse_config(text: str) -> Dict[str, str]:
    """Extract the kexec settings of a kernel configuration, with C(CONFIG_) stripped from names."""
    config = dict.fromkeys(_CONFIG_KEYS, "n")
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and name.startswith("CONFIG_") and name[len("CONFIG_") :] in config:
            config[name[len("CONFIG_") :]] = value
    return config


def _read_config_text(files: HostFiles, release: str) -> str:
    """Read the configuration of an installed kernel; empty if it can't be found."""
    for path in ("/boot/config-" + release, "/usr/lib/modules/%s/config" % release, "/lib/modules/%s/config" % release):
        text = files.read_text(path)
        if text:
            return text
    if release != files.read_text("/proc/sys/kernel/osrelease"):
        return ""
    try:
        with gzip.open(files.path("/proc/config.gz"), "rb") as stream:
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return ""


def read_config(files: HostFiles, release: str) -> Dict[str, str]:
    """Read an installed kernel's settings that matter for kexec; empty if its configuration can't be found."""
    text = _read_config_text(files, release)
    return parse_config(text) if text else {}


def _handover(cmdline: str, config: Dict[str, str]) -> bool:
    """Whether kexec handover is on (C(kho=), Documentation/admin-guide/kernel-parameters.txt)."""
    values = values_of(cmdline, "kho")
    return values[-1].lower() in ("on", "1", "y", "yes") if values else config.get("KEXEC_HANDOVER_ENABLE_DEFAULT") == "y"


def read_running_kernel(files: HostFiles, machine: str) -> RunningKernel:
    """Read the running kernel from C(/proc) and C(/sys); only C(machine), from uname(2), is in no file."""
    release = files.read_name("/proc/sys/kernel/osrelease") or ""
    cmdline = files.read_line("/proc/cmdline") or ""
    config_text = _read_config_text(files, release)
    config = parse_config(config_text) if config_text else {}
    loaded = files.read_int("/sys/kernel/kexec_loaded")
    return RunningKernel(
        release=release,
        build=files.read_name("/proc/sys/kernel/version") or "",
        machine=machine,
        boot_id=files.read_name("/proc/sys/kernel/random/boot_id") or "",
        cmdline=cmdline,
        passed_cmdline=own_part_removed(cmdline, built_in_line(config_text), files.read_line("/proc/bootconfig") or ""),
        bootloader_type=files.read_int("/proc/sys/kernel/bootloader_type"),
        config=config,
        lockdown=parse_lockdown(files.read_text("/sys/kernel/security/lockdown")),
        loaded=None if loaded is None else bool(loaded),
        load_disabled=bool(files.read_int("/proc/sys/kernel/kexec_load_disabled")),
        load_limit_reboot=files.read_int("/proc/sys/kernel/kexec_load_limit_reboot"),
        load_limit_panic=files.read_int("/proc/sys/kernel/kexec_load_limit_panic"),
        kho=_handover(cmdline, config),
        panic_s=files.read_int("/proc/sys/kernel/panic") or 0,
        panic_on_oops=files.read_int("/proc/sys/kernel/panic_on_oops") or 0,
    )
