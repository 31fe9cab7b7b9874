# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Equipment and configuration of a host that its boots depend on."""

from __future__ import annotations

import mmap
import re
from dataclasses import dataclass, field, replace
from typing import List, Optional

from .._cmdline import parse_cmdline
from .._image.errors import ImageError
from .._image.initrd import split_initrd
from .console import read_lines
from .fast_images import is_release, read_fast_image
from .files import HostFiles
from .initrd_survey import InitrdSurvey, read_survey
from .installed import find_initrd
from .root_devices import read_root_devices

# Module parameter of kernels that shut down devices side by side.
_ASYNC_SHUTDOWN = "/sys/module/core/parameters/async_shutdown"
_NVME = "/sys/class/nvme"
_RESUME = "/etc/initramfs-tools/conf.d/resume"
_RESUME_LINE = re.compile(r"^\s*RESUME=[\"']?([^\"'\s#]+)", re.MULTILINE)
_RESUME_DEVICE = re.compile(r"(?:(UUID|LABEL|PARTUUID)=)?(.+)", re.DOTALL)
_BY = {"UUID": "by-uuid", "LABEL": "by-label", "PARTUUID": "by-partuuid"}
# Words with which initramfs-tools is told to look for no device, or to find one itself.
_NO_DEVICE = frozenset(("none", "auto"))


@dataclass(frozen=True)
class InitrdFile:
    """An initrd on disk.

    :ivar format: compression of its last archive; None if nothing in it is compressed.
    :ivar survey: what is in it; None if it was not surveyed.
    """

    path: str
    size_bytes: int
    format: Optional[str]
    survey: Optional[InitrdSurvey] = None


@dataclass(frozen=True)
class BootSetup:
    """What a boot of this host depends on.

    :ivar console: name of the slowest serial console, with its C(baud); empty without one whose rate is known.
    :ivar loglevel: messages below this level are printed.
    :ivar initrds: of the running kernel's release: the distribution's, and the fast image's copy, if they can be found and read.
    :ivar resume_missing: resume device that the initrd waits for and that does not exist; empty if there is none.
    :ivar root_devices: kernel names of the block devices that the root file system lies on.
    :ivar nvme: names of the NVMe controllers.
    :ivar async_shutdown: whether the kernel shuts down devices side by side.
    """

    cpus: int = 1
    console: str = ""
    baud: int = 0
    loglevel: int = 7
    initrds: List[InitrdFile] = field(default_factory=list)
    resume_missing: str = ""
    root_devices: List[str] = field(default_factory=list)
    nvme: List[str] = field(default_factory=list)
    async_shutdown: bool = False


def read_boot_setup(files: HostFiles, release: str) -> BootSetup:
    """Read the setup; what can't be read counts as absent."""
    consoles, loglevel = read_lines(files)
    slowest = min((each for each in consoles if each.serial and each.baud), key=lambda each: each.baud or 0, default=None)
    return BootSetup(
        cpus=max(1, len(re.findall(r"^processor\s*:", files.read_text("/proc/cpuinfo") or "", re.MULTILINE))),
        console=slowest.name if slowest else "",
        baud=slowest.baud or 0 if slowest else 0,
        loglevel=loglevel,
        initrds=_read_initrds(files, release),
        resume_missing=missing_resume_device(files),
        root_devices=read_root_devices(files),
        nvme=files.listdir(_NVME),
        async_shutdown=(files.read_text(_ASYNC_SHUTDOWN) or "N").upper() in ("Y", "1"),
    )


def missing_resume_device(files: HostFiles) -> str:
    """Find the resume device that is waited for; empty if it exists, or none is named.

    The command line names it (C(resume=), C(noresume)), or else the configuration of initramfs-tools (C(RESUME),
    initramfs.conf(5)).
    """
    cmdline = parse_cmdline(files.read_line("/proc/cmdline") or "")
    if any(argument.is_named("noresume") for argument in cmdline.kernel):
        return ""
    named = [_RESUME_DEVICE.fullmatch(each.value) for each in cmdline.kernel if each.is_named("resume") and each.value]
    named = named or [_RESUME_DEVICE.fullmatch(value) for value in _RESUME_LINE.findall(files.read_text(_RESUME) or "")]
    if not named or named[-1] is None:
        return ""
    kind, value = named[-1].groups()
    if not kind and (value.lower() in _NO_DEVICE or not value.startswith("/dev/")):
        return ""
    path = "/dev/disk/%s/%s" % (_BY[kind], value) if kind else value
    return "" if files.exists(path) else path


def _read_initrds(files: HostFiles, release: str) -> List[InitrdFile]:
    path = find_initrd(files, "/boot/vmlinuz-" + release)
    fast = read_fast_image(files, release) if is_release(release) else None
    own = _read_initrd(files, path) if path else None
    if fast is None or fast.initrd is None:
        return [own] if own else []
    survey = own.survey if own else None
    if survey is not None:
        # Nothing in the copy is compressed, and a slim one lacks what is not needed.
        survey = replace(survey, unpack_ms=0.0)
        if fast.initrd_left_out is not None:
            survey = replace(survey, unneeded=0, unneeded_bytes=0, unpacked_bytes=fast.initrd.size_bytes)
    copy = InitrdFile(fast.initrd.path, fast.initrd.size_bytes, None, survey)
    return [own, copy] if own else [copy]


def _read_initrd(files: HostFiles, path: str) -> Optional[InitrdFile]:
    size_bytes = files.size_bytes(path)
    if not size_bytes:
        return None
    try:
        # Not read as a whole: only the headers in front of the compressed archive are looked at.
        with files.open(path) as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            view = memoryview(mapped)
            try:
                return InitrdFile(path, size_bytes, split_initrd(view, path)[1], read_survey(files, path))
            finally:
                view.release()
    except (OSError, ValueError, ImageError, BufferError):
        return None
