# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of architectures, one that is not in it, and that nothing else knows of x86."""

from __future__ import annotations

import platform
import re
from io import BytesIO
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._arch.architectures import (
    ARCHITECTURES,
    architecture_of,
    loader_name,
    own_architecture,
)
from ansible_collections.fleet.kexec.plugins.module_utils._arch.interface import LOADER_KEXEC, Cpu
from ansible_collections.fleet.kexec.plugins.module_utils._host.clocks import CounterReader, find_cycle_clock
from ansible_collections.fleet.kexec.plugins.module_utils._host.cpu import read_cpu
from ansible_collections.fleet.kexec.plugins.module_utils._host.stub_stamps import read_stub_stamps
from ansible_collections.fleet.kexec.plugins.module_utils._image.errors import ImageError

from ....arm64_images import make_image
from ....bzimages import make_bzimage
from ....conftest import HostTree


def test_the_table() -> None:
    assert list(ARCHITECTURES) == ["x86_64", "aarch64"]
    assert architecture_of("aarch64").supported
    assert architecture_of("aarch64").read_kernel(BytesIO(make_image("6.12")), "kernel").release == "6.12"
    assert architecture_of("x86_64").supported
    assert architecture_of("x86_64").read_kernel(BytesIO(make_bzimage("6.12")), "kernel").release == "6.12"


@pytest.mark.parametrize("machine", ["riscv64", "i686", ""])
def test_an_architecture_that_is_not_in_it(machine: str) -> None:
    other = architecture_of(machine)
    assert (other.machine, other.supported, other.fast, other.counter) == (machine, False, None, None)
    with pytest.raises(ImageError) as caught:
        other.read_kernel(BytesIO(bytes(0x38) + b"ARM\x64" + bytes(4096)), "/boot/vmlinuz")
    assert caught.value.reason.code == "WRONG_ARCH"
    assert "aarch64" in caught.value.reason.message


def test_a_host_of_another_architecture(host_tree: HostTree, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the machine code is run there."""
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    tree = host_tree({"/proc/cpuinfo": "model name\t: Another\nflags\t\t: sse4_2 la57 hypervisor sev\n"})
    assert own_architecture().machine == "riscv64"
    assert read_cpu(tree) == Cpu("Another", own_code=False)
    assert find_cycle_clock() is None
    with pytest.raises(OSError, match="no cycle counter"):
        CounterReader()
    assert read_stub_stamps(tree, "riscv64") is None


def test_an_arm64_processor(host_tree: HostTree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    cpuinfo = """\
processor\t: 0
BogoMIPS\t: 125.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3

processor\t: 1
CPU implementer\t: 0x42
"""
    assert read_cpu(host_tree({"/proc/cpuinfo": cpuinfo})) == Cpu("0x41 0xd08 0x0 3", own_code=False)
    assert read_cpu(host_tree({"/proc/cpuinfo": ""})) == Cpu("", own_code=False)
    assert find_cycle_clock() is None


@pytest.mark.parametrize(
    ("number", "name"),
    [(None, None), (0xD0, LOADER_KEXEC), (0xD5, LOADER_KEXEC), (0x72, "GRUB"), (0x31, "extlinux"), (0xB0, "QEMU"), (0x21, None)],
)
def test_loaders(number: int | None, name: str | None) -> None:
    assert loader_name(number) == name


# --- where x86 ends ----------------------------------------------------------------------

MODULE_UTILS = Path(__file__).resolve().parents[5] / "plugins" / "module_utils"

#: What gives x86 away, in code or comment. (C(bzimage) does not: it is the name of a choice that users have.)
TELLTALES = re.compile(
    r"(?i:x86|i386|\btsc\b|_tsc|tsc_|rdtsc|cpuid|boot_params|setup_sects|init_size|type_of_loader|em_x86)"
    r"|bzImage|BzImage|\b0x[dD]0?\b|la57|no5lvl|mem_encrypt|sse4|\bsev\b"
)

#: Lines that may, by file and what stands in them, each with the reason.
ALLOWED = {
    ("_arch/architectures.py", "x86"): "the table itself",
    ("_arch/interface.py", "sse4"): "a fact that users read",
    ("_arch/interface.py", "x86"): "two fields of the processor are facts that users read",
    ("_bootloader/cma.py", "x86"): "a size is rounded by it on any architecture, and no other has smaller page blocks",
    ("_bootloader/crashkernel.py", "x86"): "a size is planned with it on any architecture, and others reserve less",
    ("_cli_words.py", "bzimage"): "what users call that choice",
    ("_cmdline.py", "x86"): "the source of a rule that leaves nothing to an architecture: white space parts words",
    ("_host/addresses.py", "x86"): "rates of the timer, which are tried one after the other",
    ("_host/installed.py", "x86"): "a release of a distribution, as an example",
    ("_image/pe.py", "i386"): "the name of a machine type",
    ("_image/pe.py", "x86"): "the name of a machine type",
    ("_machine/comparison.py", "tsc"): "the name of a clock source, which the kernel changes by itself",
    ("_reasons.py", "tsc"): "hints to users",
    ("_reasons.py", "x86"): "hints to users",
    ("_reasons.py", "bzimage"): "hints to users",
}


def telltales() -> set[tuple[str, str]]:
    found = set()
    for path in MODULE_UTILS.rglob("*.py"):
        name = str(path.relative_to(MODULE_UTILS))
        if not name.startswith("_arch/x86/"):
            found |= {(name, match.group().lower()) for match in TELLTALES.finditer(path.read_text(encoding="utf-8"))}
    return found


def test_nothing_else_knows_x86() -> None:
    assert telltales() == set(ALLOWED)
