# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface to a machine architecture: all that the collection asks of one.

An architecture is a folder beside this file and a line in C(architectures.py).
It lies below C(_host), which reads its counter and its processor, and so knows
no host: it is handed bytes and text, and returns values.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Callable, Generic, Mapping, Optional, Sequence, Tuple, TypeVar, Union

from .._image.elf import Content, Vmlinux
from .._image.kernel_file import KernelFile
from .._reasons import Reason

#: Names of loaders that mean something elsewhere; any other is only told to users.
LOADER_EXTLINUX = "extlinux"
LOADER_GRUB = "GRUB"
LOADER_KEXEC = "kexec"


@dataclass(frozen=True)
class Cpu:
    """The first processor; the others are taken to be alike.

    :ivar model: its name; figures measured on another one do not hold.
    :ivar sse42: whether it has the C(crc32) instruction of x86.
    :ivar five_level_paging: whether it may run with five-level page tables of x86.
    :ivar confidential: technology that encrypts the memory of this guest, or None.
    :ivar own_code: whether a process may run code of its own making, which
        is how sums are made.
    """

    model: str
    sse42: bool = False
    five_level_paging: bool = False
    confidential: Optional[str] = None
    own_code: bool = True


def _parse_cpu_name(cpuinfo: str, _exists: Callable[[str], bool]) -> Cpu:
    """Take the name, and nothing else, from C(/proc/cpuinfo)."""
    names = (line.partition(":") for line in cpuinfo.split("\n\n", maxsplit=1)[0].splitlines())
    return Cpu(next((value.strip() for name, _colon, value in names if name.strip() == "model name"), ""), own_code=False)


# --- the cycle counter -------------------------------------------------------------------


@dataclass(frozen=True)
class Calibration:
    """A frequency that the kernel's log gives for the cycle counter.

    :ivar refined: whether this was the second, better calibration.
    :ivar exact: whether a first calibration is of the counter itself, where it
        has another frequency than the processor.
    """

    hz: int
    refined: bool
    exact: bool


@dataclass(frozen=True)
class CycleCounter:
    """A counter that any process can read, and that runs on across a kexec.

    :ivar name: for users.
    :ivar code: machine code of a function without arguments that returns it.
    :ivar perf_event_open: number of that system call.
    :ivar parse_calibration: takes a message of the kernel's log; None if it is about something else.
    """

    name: str
    code: bytes
    perf_event_open: int
    parse_calibration: Callable[[str], Optional[Calibration]]


# --- the fast image ----------------------------------------------------------------------


@dataclass(frozen=True)
class FastLayout:
    """How a kernel lies in the file of a fast image, and in memory.

    :ivar setup_bytes: size of what the loader reads, in front.
    :ivar kernel_bytes: size of the flat image, whole pages.
    :ivar kernel_entry: offset of its first instruction.
    :ivar linked_at: virtual address that it is linked for.
    :ivar memory_bytes: memory it takes from its first byte on.
    """

    setup_bytes: int
    kernel_bytes: int
    kernel_entry: int
    linked_at: int
    memory_bytes: int


@dataclass(frozen=True)
class StubStamps:
    """The run of a fast image's stub.

    :ivar entry_cycles: cycle counter when it began.
    :ivar moved_cycles: when the kernel lay where it has to.
    :ivar exit_cycles: when it jumped into the kernel.
    :ivar load_address: physical address it was loaded at.
    :ivar checked: whether it compared the sums, and they were right.
    :ivar relocated: whether the kernel had been moved to a random address.
    :ivar moved: whether the kernel had to be moved in memory.
    """

    entry_cycles: int
    moved_cycles: int
    exit_cycles: int
    load_address: int
    checked: bool
    relocated: bool
    moved: bool


class Checksummer(ABC):
    """Makes the sums that a stub compares."""

    @abstractmethod
    def sums(self, data: Union[bytearray, memoryview]) -> Tuple[int, int, int, int]:
        """Sums of writable memory."""


Kernel = TypeVar("Kernel", bound=KernelFile)


class FastFormat(ABC, Generic[Kernel]):
    """How fast images of an architecture are made, and made ready to be loaded.

    :cvar head_bytes: memory in front of the kernel; in the file it follows the setup part.
    :cvar stub_sha256: of the stub, hexadecimal; another one makes another image.
    :cvar stamps_path: file that shows what the stub left behind.
    """

    head_bytes: int
    stub_sha256: str
    stamps_path: str

    @abstractmethod
    def obstacle(self, kernel: Kernel, cpu: Cpu, decompressor_args: Sequence[str]) -> Optional[Reason]:
        """Why a kernel has to start by its own decompressor on such a processor; None if it need not.

        :param decompressor_args: those of :attr:`Architecture.decompressor_args` on its command line.
        """

    @abstractmethod
    def check_obstacle(self, cpu: Cpu) -> Optional[str]:
        """Why a processor can't make and compare sums; None if it can."""

    @abstractmethod
    def parse(self, content: Content) -> Vmlinux:
        """Parse an unpacked payload, relocations included.

        :raises ImageError: C(PAYLOAD_INVALID) or C(WRONG_ARCH).
        """

    @abstractmethod
    def write(self, out: BinaryIO, image: Content, kernel: Kernel, content: Content, vmlinux: Vmlinux) -> FastLayout:
        """Write a fast image into an empty file; it boots as it is, without KASLR and without a check.

        :param image: content of the kernel file.
        :param content: its unpacked payload.
        :raises ImageError: C(KERNEL_INVALID) or C(PAYLOAD_INVALID).
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
        """Make a fast image ready for one jump, in place.

        :param relocations: table by which to move the kernel to a random
            address; None to leave it where it is.
        :param initrd: writable content of the initrd, to have the stub check it
            and the kernel; None for no check.
        :param random: gives so many random bytes.
        :raises ImageError: C(PAYLOAD_INVALID): the table is damaged.
        :raises OSError: this process may not run the code that makes sums.
        """

    @abstractmethod
    def checksummer(self) -> Checksummer:
        """The sums that the stub makes, at the speed at which it makes them.

        :raises OSError: this process may not run code of its own making.
        """

    @abstractmethod
    def parse_stamps(self, content: bytes) -> Optional[StubStamps]:
        """The stamps in the content of :attr:`stamps_path`; None if this boot was not through a stub."""


# --- the architecture --------------------------------------------------------------------


@dataclass(frozen=True)
class Architecture:
    """A machine architecture.

    :ivar machine: its name, as C(uname -m) says it.
    :ivar read_kernel: reads the header of an open kernel file, which it calls by
        the name given; raises ImageError.
    :ivar supported: whether its hosts are rebooted by kexec.
    :ivar parse_cpu: takes C(/proc/cpuinfo), and whether a file exists on the host.
    :ivar cmdline_max_bytes: longest command line that kexec-tools and the kernels
        take, without the final zero.
    :ivar decompressor_args: arguments of a command line that only a kernel's own
        decompressor heeds.
    :ivar overruns_in_cma: whether a compressed kernel that the running one places in
        CMA writes past its end.
    :ivar loader_names: what started a kernel, by C(bootloader_type) without its low
        nibble; empty where there is no such sysctl, and so nothing that tells a kexec.
    :ivar counter: None where there is none that runs on across a kexec.
    :ivar fast: None where no fast image can be made.
    """

    machine: str
    read_kernel: Callable[[BinaryIO, str], KernelFile]
    supported: bool = True
    parse_cpu: Callable[[str, Callable[[str], bool]], Cpu] = _parse_cpu_name
    cmdline_max_bytes: int = 0
    decompressor_args: Tuple[str, ...] = ()
    overruns_in_cma: bool = False
    loader_names: Mapping[int, str] = field(default_factory=dict)
    counter: Optional[CycleCounter] = None
    fast: Optional[FastFormat[Any]] = None
