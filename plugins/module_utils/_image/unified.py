# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parser for unified kernel images: PE files whose sections hold a kernel, its initrd and its command line.

Source: the UAPI group's Unified Kernel Image specification; the stub that boots them, src/boot/pe.c and stub.c of systemd.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Mapping, Tuple

from .errors import ImageError
from .pe import Section, section_table

LINUX = ".linux"
INITRD = ".initrd"
UCODE = ".ucode"
CMDLINE = ".cmdline"
UNAME = ".uname"
OSREL = ".osrel"
PCRSIG = ".pcrsig"
PCRPKEY = ".pcrpkey"
PROFILE = ".profile"

# Sections that the stub passes on as files, each in a separate archive, in the order of C(INITRD_PCRSIG) and the following in
# stub.c. Stubs before systemd 257 pass on only the first two; nothing reads the others where they are not expected.
_PASSED_FILES = (
    (PCRSIG, ".extra/tpm2-pcr-signature.json"),
    (PCRPKEY, ".extra/tpm2-pcr-public-key.pem"),
    (OSREL, ".extra/os-release"),
    (PROFILE, ".extra/profile"),
)


@dataclass(frozen=True)
class UnifiedImage:
    """Sections of a unified kernel image that its first profile boots.

    :ivar sections: by name.
    :ivar profiles: number of profiles; 0 if the image has only one, without a name.
    """

    sections: Mapping[str, Section]
    profiles: int

    @property
    def initrds(self) -> Tuple[Section, ...]:
        """Sections with initrds, in the order in which they are loaded: microcode has to be first."""
        return tuple(self.sections[name] for name in (UCODE, INITRD) if self._has(name))

    @property
    def passed_files(self) -> Tuple[Tuple[Section, str], ...]:
        """Sections that the kernel finds as files, in the order in which they are loaded, each with its path in the initrd."""
        return tuple((self.sections[name], path) for name, path in _PASSED_FILES if self._has(name))

    def _has(self, name: str) -> bool:
        # The stub takes an empty section for a missing one.
        return name in self.sections and self.sections[name].size_bytes > 0


def is_unified(head: bytes) -> bool:
    """Whether a file is a unified kernel image, by its first C(HEAD_BYTES)."""
    try:
        return LINUX in parse_sections(head, "the file").sections
    except ImageError:
        return False


def parse_unified(head: bytes, file_bytes: int, name: str = "the file") -> UnifiedImage:
    """Parse a unified kernel image by its first C(HEAD_BYTES), and check that the file holds its sections.

    :raises ImageError: C(KERNEL_INVALID) or C(KERNEL_TRUNCATED).
    """
    image = parse_sections(head, name)
    if LINUX not in image.sections:
        raise ImageError("KERNEL_INVALID", "%s is not a unified kernel image: it has no section %s" % (name, LINUX))
    if not image.sections[LINUX].size_bytes:
        raise ImageError("KERNEL_INVALID", "%s has an empty section %s" % (name, LINUX))
    for section in image.sections.values():
        if section.offset + section.size_bytes > file_bytes:
            raise ImageError("KERNEL_TRUNCATED", "%s ends within its section %s" % (name, section.name))
    return image


def parse_sections(head: bytes, name: str) -> UnifiedImage:
    """Parse the section table of any PE file; its sections may lie past the end of the file.

    :raises ImageError: C(KERNEL_INVALID) or C(KERNEL_TRUNCATED).
    """
    table = section_table(head, name)
    starts = [index for index, section in enumerate(table) if section.name == PROFILE]
    base = table[: starts[0]] if starts else table
    first = table[starts[0] : starts[1] if len(starts) > 1 else None] if starts else []
    return UnifiedImage({**_first_ones(base), **_first_ones(first)}, len(starts))


def _first_ones(table: List[Section]) -> Mapping[str, Section]:
    """First section of each name: the stub ignores others."""
    return {section.name: section for section in reversed(table)}
