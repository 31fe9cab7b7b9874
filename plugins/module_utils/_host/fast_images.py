# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fast images installed on the host, by their manifests.

Each kernel release has a directory in C(/var/lib/fleet-kexec), accessible to root only: C(image) (see C(_arch/interface.py)),
C(relocations) (the table as found in the payload), C(initrd) if that was uncompressed too, and C(manifest.json), which is
written last and vouches for the others. Whatever has none of these files is no image: C(last-stop), or C(lost+found) where the
directory is a file system. Nor is what a build can't have made: a symbolic link, or a directory whose name is no release.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from typing import List, Optional, Tuple

from .._arch.interface import FastLayout
from .._json import parse_json
from .._paths import STATE_DIRECTORY
from .files import HostFiles

MANIFEST = "manifest.json"
IMAGE = "image"
RELOCATIONS = "relocations"
INITRD = "initrd"
NAMES = (MANIFEST, IMAGE, RELOCATIONS, INITRD)
FORMAT = 1

# A release becomes the name of a directory.
_RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]*")


@dataclass(frozen=True)
class Digest:
    """Path, size and SHA-256 (hexadecimal) of a file."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class FastImage:
    """Manifest of a fast image.

    :ivar source: kernel file it was made from.
    :ivar initrd: the uncompressed initrd; None if the host's own is used.
    :ivar initrd_left_out: modules that it lacks; None if it lacks none on purpose.
    :ivar initrd_source: initrd it was made from.
    :ivar payload_format: compression of the kernel file: C(gzip), C(xz), C(lz4), C(zstd).
    :ivar unpacked_bytes: size of the uncompressed payload.
    :ivar setup_bytes: this and the next four make up :attr:`layout`.
    :ivar built_at: UTC, ISO 8601.
    """

    release: str
    source: Digest
    image: Digest
    relocations: Digest
    initrd: Optional[Digest]
    initrd_source: Optional[Digest]
    payload_format: str
    unpacked_bytes: int
    setup_bytes: int
    kernel_bytes: int
    kernel_entry: int
    linked_at: int
    memory_bytes: int
    stub_sha256: str
    built_at: str
    build_ms: int
    initrd_left_out: Optional[Tuple[str, ...]] = None

    @property
    def layout(self) -> FastLayout:
        return FastLayout(self.setup_bytes, self.kernel_bytes, self.kernel_entry, self.linked_at, self.memory_bytes)

    @property
    def movable(self) -> bool:
        """Whether it can be moved to a random address; a kernel built without KASLR has no relocations."""
        return self.relocations.size_bytes > 0

    @property
    def initrd_mode(self) -> str:
        """C(keep), C(uncompressed) or C(slim)."""
        if self.initrd is None:
            return "keep"
        return "uncompressed" if self.initrd_left_out is None else "slim"

    def to_json(self) -> str:
        return json.dumps(dict(asdict(self), format=FORMAT), indent=1, sort_keys=True) + "\n"


def is_release(name: str) -> bool:
    """Whether a fast image's directory can have this name."""
    return _RELEASE.fullmatch(name) is not None


def directory_of(release: str) -> str:
    return os.path.join(STATE_DIRECTORY, release)


def read_fast_image(files: HostFiles, release: str) -> Optional[FastImage]:
    """Read the manifest of a release's fast image; None if there is none or it can't be parsed."""
    text = files.read_text(os.path.join(directory_of(release), MANIFEST))
    try:
        values = parse_json(text or "")
        if values.pop("format") != FORMAT or values["release"] != release:
            return None
        for name in ("source", "image", "relocations", "initrd", "initrd_source"):
            values[name] = Digest(**values[name]) if values[name] is not None else None
        left_out = values.get("initrd_left_out")
        values["initrd_left_out"] = tuple(map(str, left_out)) if left_out is not None else None
        return FastImage(**values)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def list_fast_images(files: HostFiles) -> List[FastImage]:
    found = (read_fast_image(files, release) for release in list_releases(files))
    return [image for image in found if image is not None]


def list_releases(files: HostFiles) -> List[str]:
    """List the releases that have a fast image or remnants of one."""
    return [name for name in files.listdir(STATE_DIRECTORY) if list_image_files(files, name)]


def list_image_files(files: HostFiles, release: str) -> List[str]:
    """List the names of a fast image's files, with what a killed build left of them, manifest first."""
    directory = files.path(directory_of(release))
    if not is_release(release) or os.path.islink(directory):
        return []
    names = [name for name in files.listdir(directory_of(release)) if not os.path.isdir(os.path.join(directory, name))]
    # Temporary files are named by C(atomic.replacing).
    parts = {name: name[1:].rpartition(".")[0] if name.startswith(".") else name for name in names}
    return sorted((name for name in names if parts[name] in NAMES), key=lambda name: name != MANIFEST)
