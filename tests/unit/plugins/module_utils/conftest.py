# SPDX-License-Identifier: GPL-3.0-or-later
"""Real kernels for the tests of what takes them apart; `make kernels` fetches them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.bzimage import BzImage, parse_bzimage
from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.fast import parse_unpacked
from ansible_collections.fleet.kexec.plugins.module_utils._image.elf import Vmlinux
from ansible_collections.fleet.kexec.plugins.module_utils._image.payload import Payload, Unpacker, payload_of

#: How each is packed, and whether its table has the inverse list.
REAL_KERNELS = {
    "bookworm-cloud": ("lz4", True),
    "bookworm-generic": ("xz", True),
    "trixie-cloud": ("zstd", True),
    "trixie-backports-cloud": ("zstd", False),
}


def real_kernel(name: str) -> Path:
    """Path of a real kernel. A test that needs one fails without it: skipped, it would prove nothing."""
    cache = os.environ.get("FLEET_KEXEC_CACHE") or "%s/fleet-kexec" % (os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = Path(cache) / "kernels" / name / "vmlinuz"
    if not path.is_file():
        pytest.fail("There is no %s. Run `make kernels`; FLEET_KEXEC_CACHE says where the cache is." % path, pytrace=False)
    return path


@dataclass(frozen=True)
class RealKernel:
    """A real kernel, taken apart as far as each test would have to."""

    name: str
    path: Path
    image: bytes
    header: BzImage
    payload: Payload
    content: bytes
    vmlinux: Vmlinux

    @property
    def inverse(self) -> bool:
        return REAL_KERNELS[self.name][1]


# One at a time is in memory: pytest runs what needs the same one together.
@pytest.fixture(scope="session", params=REAL_KERNELS)
def kernel(request: pytest.FixtureRequest) -> RealKernel:
    path = real_kernel(request.param)
    image = path.read_bytes()
    header = parse_bzimage(image, len(image))
    payload = payload_of(memoryview(image), header)
    content = Unpacker().unpack(payload)
    return RealKernel(request.param, path, image, header, payload, content, parse_unpacked(content))
