# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface to a machine architecture.

An architecture is a directory beside this file and a line in C(architectures.py). It sits below C(_host), which uses it to read
the cycle counter and the processor, so it knows no host: it takes bytes and text and returns values.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Callable, Generic, Iterable, Mapping, Optional, Sequence, Tuple, TypeVar, Union

from .._image.elf import Content, Vmlinux
from .._image.kernel_file import KernelFile
from .._reasons import Reason
from .._text import shown_name
from .cpuinfo import first_processor

#: Loader names that other code compares with; all others are only shown to users.
LOADER_EXTLINUX = "extlinux"
LOADER_GRUB = "GRUB"
LOADER_KEXEC = "kexec"


@dataclass(frozen=True)
class Cpu:
    """The first processor, which stands for all.

    :ivar model: measurements from another model do not apply.
    :ivar sse42: whether it has the x86 C(crc32) instruction.
    :ivar five_level_paging: whether it may be using x86 five-level page tables.
    :ivar confidential: technology that encrypts this guest's memory; None without one.
    :ivar own_code: whether processes may run code they generate, which checksums need.
    :ivar snp_host: whether it is set up to run guests with AMD's SEV-SNP.
    """

    model: str
    sse42: bool = False
    five_level_paging: bool = False
    confidential: Optional[str] = None
    own_code: bool = True
    snp_host: bool = False


def _parse_cpu_name(cpuinfo: str, _exists: Callable[[str], bool]) -> Cpu:
    """Parse only the model name in C(/proc/cpuinfo)."""
    return Cpu(shown_name(first_processor(cpuinfo).get("model name", "")), own_code=False)


@dataclass(frozen=True)
class Calibration:
    """A frequency of the cycle counter from the kernel log.

    :ivar refined: whether it comes from the second, better calibration.
    :ivar exact: whether a first calibration is the counter's own, where processor and counter differ in frequency.
    """

    hz: int
    refined: bool
    exact: bool


@dataclass(frozen=True)
class CycleCounter:
    """A counter that any process can read and that keeps running across a kexec.

    :ivar code: machine code of a function that takes no arguments and returns the counter.
    :ivar perf_event_open: number of that system call.
    :ivar parse_calibration: parses a kernel log message; None if it is about something else.
    """

    name: str
    code: bytes
    perf_event_open: int
    parse_calibration: Callable[[str], Optional[Calibration]]


@dataclass(frozen=True)
class FastLayout:
    """Layout of a kernel in a fast image's file and in memory.

    :ivar setup_bytes: size of the part for the loader, at the front.
    :ivar kernel_bytes: size of the flat image, in whole pages.
    :ivar kernel_entry: offset of its first instruction.
    :ivar linked_at: virtual address it is linked for.
    :ivar memory_bytes: memory it takes from its first byte on.
    """

    setup_bytes: int
    kernel_bytes: int
    kernel_entry: int
    linked_at: int
    memory_bytes: int


@dataclass(frozen=True)
class StubStamps:
    """Stamps of a fast image's stub, with the cycle counter at its start, once the kernel was in place, and at the jump into it.

    :ivar load_address: physical address the stub was loaded at.
    :ivar kernel_address: physical address of the kernel it jumped to.
    :ivar initrd_address: physical address of the initrd; 0 without one.
    :ivar checked: whether it compared checksums; they matched.
    :ivar relocated: whether the kernel was at a random virtual address.
    :ivar moved: whether the kernel had to be moved in memory.
    """

    entry_cycles: int
    moved_cycles: int
    exit_cycles: int
    load_address: int
    kernel_address: int
    initrd_address: int
    checked: bool
    relocated: bool
    moved: bool


@dataclass(frozen=True)
class ResidentPlaces:
    """Physical addresses of a resident image: kernel, initrd, and the page that a panic enters."""

    kernel_at: int
    initrd_at: int
    entry_at: int


@dataclass(frozen=True)
class ResidentImage:
    """Parts of an image whose kernel and initrd are in place before the jump.

    :ivar trampoline: image to be loaded in place of the kernel; it jumps to the kernel where that lies.
    :ivar entry_page: page for :attr:`ResidentPlaces.entry_at`, with code that resets the machine.
    :ivar entry: physical address of that code's first instruction.
    """

    trampoline: bytes
    entry_page: bytes
    entry: int


class Checksummer(ABC):
    """Calculator of the checksums that a stub verifies."""

    @abstractmethod
    def sums(self, data: Union[bytearray, memoryview]) -> Tuple[int, int, int, int]:
        """Calculate the sums of writable memory."""


Kernel = TypeVar("Kernel", bound=KernelFile)


class FastFormat(ABC, Generic[Kernel]):
    """Builder of an architecture's fast images, which also prepares them for loading.

    :cvar head_bytes: memory in front of the kernel; in the file it follows the setup part.
    :cvar alignment_bytes: alignment that a kernel needs in memory.
    :cvar stub_sha256: hexadecimal; an image with another stub is stale.
    :cvar stamps_path: file that shows the stub's stamps.
    """

    head_bytes: int
    alignment_bytes: int
    stub_sha256: str
    stamps_path: str

    @abstractmethod
    def kernel_obstacle(self, kernel: Kernel) -> Optional[Reason]:
        """Reason why no fast image can be made of a kernel, whatever its payload; None if one can."""

    @abstractmethod
    def obstacle(self, kernel: Kernel, cpu: Cpu, decompressor_args: Sequence[str]) -> Optional[Reason]:
        """Reason why a kernel needs its own decompressor on a processor, given the :attr:`Architecture.decompressor_args` of its
        command line; None if it does not.
        """

    @abstractmethod
    def check_obstacle(self, cpu: Cpu) -> Optional[str]:
        """Reason why a processor can't calculate checksums; None if it can."""

    @abstractmethod
    def parse(self, content: Content) -> Vmlinux:
        """Parse an unpacked payload, with its relocations if it has any.

        :raises ImageError: C(PAYLOAD_INVALID) or C(WRONG_ARCH).
        """

    @abstractmethod
    def write(self, out: BinaryIO, image: Content, kernel: Kernel, content: Content, vmlinux: Vmlinux) -> FastLayout:
        """Write a fast image into an empty file; it can boot as is, without KASLR and without a check.

        :param image: content of the kernel file.
        :param content: its unpacked payload.
        :param kernel: has no :meth:`kernel_obstacle`.
        :raises ImageError: C(PAYLOAD_INVALID).
        """

    @abstractmethod
    def make_ready(
        self,
        image: memoryview,
        layout: FastLayout,
        relocations: Optional[Content],
        initrd: Optional[memoryview],
        random: Callable[[int], bytes],
    ) -> None:
        """Prepare a fast image for one jump, in place.

        :param relocations: table for moving the kernel to a random address; None to leave it in place.
        :param initrd: writable content of the initrd, for the stub to check with the kernel; None for no check.
        :param random: returns the number of random bytes asked for.
        :raises ImageError: C(PAYLOAD_INVALID): the table is damaged.
        :raises OSError: this process can't run the checksum code.
        """

    @abstractmethod
    def make_resident(
        self,
        image: memoryview,
        layout: FastLayout,
        relocations: Optional[Content],
        initrd: Optional[memoryview],
        *,
        places: ResidentPlaces,
        random: Callable[[int], bytes],
    ) -> ResidentImage:
        """Prepare a fast image for a jump that copies nothing: relocate its kernel in place, and make what jumps to it.

        The kernel and the initrd are always checked: anybody with root may load another crash image over them until the jump.

        :raises ImageError: C(PAYLOAD_INVALID): the table is damaged.
        :raises OSError: this process can't run the checksum code.
        """

    @abstractmethod
    def kernel_of(self, image: memoryview, layout: FastLayout) -> memoryview:
        """Flat kernel in a fast image."""

    @abstractmethod
    def checksummer(self) -> Checksummer:
        """Make a calculator that runs the stub's own checksum code; raises OSError if this process can't run generated code."""

    @abstractmethod
    def parse_stamps(self, content: bytes) -> Optional[StubStamps]:
        """Parse the content of :attr:`stamps_path`; None if this boot did not pass through a stub."""


def _no_risks(_cpu: Cpu, _series: Tuple[int, int]) -> Iterable[Reason]:
    return ()


def _no_args(_line: str) -> Tuple[str, ...]:
    return ()


@dataclass(frozen=True)
class Architecture:
    """A machine architecture.

    :ivar read_kernel: parses the header of an open kernel file; takes the file's name for messages and raises ImageError.
    :ivar supported: whether its hosts can be rebooted by kexec.
    :ivar parse_cpu: takes the content of C(/proc/cpuinfo), and a function that tells whether a file exists on the host.
    :ivar cpu_risks: finds the risks of a kexec that come with a processor, given the series of the running kernel.
    :ivar cmdline_max_bytes: longest command line that kernels accept, without the final zero.
    :ivar load_reserve_bytes: part of a kernel's limit that kexec-tools keeps free with C(kexec_load), the final zero included.
    :ivar file_load_reserve_bytes: part that the running kernel keeps free with C(kexec_file_load), the final zero included.
    :ivar decompressor_args: finds the arguments of a command line that only a kernel's own decompressor acts on.
    :ivar overruns_in_cma: whether a compressed kernel that was placed in CMA writes past its end.
    :ivar loader_names: boot loaders by C(bootloader_type) without its low nibble; empty if there is no such sysctl, and so no way
        to recognise a kexec.
    :ivar counter: None if none keeps running across a kexec.
    :ivar fast: None if fast images can't be built.
    :ivar untried_loaders: system calls that its kernels are not loaded by, though the running kernel may have them, and why.
    :ivar purgatory_bytes_per_s: speed of kexec-tools' SHA-256 check where that is far below any process's, so that a kexec would
        outlast a reboot through firmware: it is left out unless somebody asks for it.
    :ivar kexec_load: number of that system call.
    :ivar crash_alignment_bytes: alignment of reservations for crash kernels.
    """

    machine: str
    read_kernel: Callable[[BinaryIO, str], KernelFile]
    supported: bool = True
    parse_cpu: Callable[[str, Callable[[str], bool]], Cpu] = _parse_cpu_name
    cpu_risks: Callable[[Cpu, Tuple[int, int]], Iterable[Reason]] = _no_risks
    cmdline_max_bytes: int = 0
    load_reserve_bytes: int = 0
    file_load_reserve_bytes: int = 0
    decompressor_args: Callable[[str], Tuple[str, ...]] = _no_args
    overruns_in_cma: bool = False
    loader_names: Mapping[int, str] = field(default_factory=dict)
    counter: Optional[CycleCounter] = None
    fast: Optional[FastFormat[Any]] = None
    untried_loaders: Mapping[str, str] = field(default_factory=dict)
    purgatory_bytes_per_s: Optional[float] = None
    kexec_load: int = 0
    crash_alignment_bytes: int = 0
