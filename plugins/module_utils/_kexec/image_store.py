# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build and remove fast images on the host."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
import time
from dataclasses import dataclass
from typing import Any, Callable, Optional, Tuple

from .._arch.interface import Architecture, FastFormat
from .._host.atomic import replacing, sync_directory, write_atomically
from .._host.fast_images import (
    IMAGE,
    INITRD,
    MANIFEST,
    RELOCATIONS,
    Digest,
    FastImage,
    directory_of,
    is_release,
    list_image_files,
    list_releases,
)
from .._host.files import HostFiles
from .._host.initrd_survey import InitrdSurvey
from .._image.elf import Content
from .._image.errors import ImageError
from .._image.initrd import split_initrd, uncompress_initrd
from .._image.payload import Unpacker, payload_of
from .._paths import STATE_DIRECTORY
from .candidate import Candidate, digest_of_file, map_file, no_fast_format
from .errors import KexecError
from .file_part import FilePart
from .initrds import main_initrd
from .slim_initrd import needed_modules, slimmed, survey_initrd

KEEP = "keep"
UNCOMPRESSED = "uncompressed"
SLIM = "slim"
INITRD_MODES = (KEEP, UNCOMPRESSED, SLIM)

#: Codes that say that a host, as it is, can't have a fast image. They need not be a failure: it reboots without one.
IMPOSSIBLE = frozenset(
    (
        "ARCH_UNSUPPORTED",
        "FAST_IMAGE_UNSUPPORTED",
        "MODULES_UNKNOWN",
        "NO_DECOMPRESSOR",
        "NO_KERNEL",
        "NO_MEMORY",
        "NO_SPACE",
        "PAYLOAD_FORMAT",
    )
)

_MODE = 0o600
_SLACK_BYTES = 16 << 20
# The unpacked initrd occupies memory that the new kernel needs too.
_INITRD_MAX_BYTES = 1 << 30


@dataclass(frozen=True)
class Built:
    """Fast image that was just built, and the time its kernel took to unpack; None if that is not representative."""

    image: FastImage
    unpack_ms: Optional[float]


class ImageStore:
    """Fast images of a host."""

    def __init__(
        self,
        files: HostFiles,
        unpacker: Unpacker,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.timezone.utc),
    ) -> None:
        self._files = files
        self._unpacker = unpacker
        self._clock = clock
        self._now = now

    def is_current(self, candidate: Candidate, initrd_mode: str) -> bool:
        """Whether a kernel's fast image exists, is intact and has the wanted initrd mode."""
        fast = candidate.fast
        if fast is None or fast.initrd_mode != initrd_mode:
            return False
        digests = [fast.image, fast.relocations] + ([fast.initrd] if fast.initrd else [])
        return all(self._is_intact(digest) for digest in digests)

    def _is_intact(self, digest: Digest) -> bool:
        path = self._files.path(digest.path)
        try:
            return os.path.getsize(path) == digest.size_bytes and digest_of_file(path) == digest.sha256
        except OSError:
            return False

    def check(self, candidate: Candidate, initrd_mode: str, available_bytes: int) -> None:
        """Check that an image can be built; changes nothing.

        :raises KexecError: C(NO_SPACE), C(NO_MEMORY), C(INITRD_NOT_FOUND), C(ARCH_UNSUPPORTED), C(FAST_IMAGE_UNSUPPORTED),
            C(MODULES_UNKNOWN).
        :raises ImageError: kernel or initrd is invalid, or can't be unpacked here.
        """
        head_bytes = _format_of(candidate).head_bytes
        if not is_release(candidate.header.release):
            raise ImageError("KERNEL_INVALID", "%s has the release %r" % (candidate.kernel, candidate.header.release))
        payload = payload_of(self._read(candidate.kernel), candidate.header, str(candidate.kernel))
        main = main_initrd(candidate.initrds)
        if initrd_mode != KEEP and main is None:
            raise KexecError("INITRD_NOT_FOUND", "%s has no initrd" % candidate.kernel)
        self._unpacker.check(payload.format)
        if initrd_mode == SLIM:
            needed_modules(self._files, candidate.header.release)
        if initrd_mode != KEEP and main is not None:
            _begin, kind = split_initrd(self._read(main), str(main))
            self._unpacker.check(kind)
        # The unpacked kernel, and the memory of the tool that unpacks it.
        needed = 2 * payload.unpacked_bytes
        if needed > available_bytes:
            raise KexecError(
                "NO_MEMORY", "building needs %d MiB of memory, %d MiB are available" % (needed >> 20, available_bytes >> 20)
            )
        self._check_space(head_bytes + payload.unpacked_bytes)

    def _check_space(self, size_bytes: int) -> None:
        directory = STATE_DIRECTORY
        while not self._files.exists(directory):
            directory = os.path.dirname(directory)
        status = os.statvfs(self._files.path(directory))
        free_bytes = status.f_bavail * status.f_frsize
        if size_bytes + _SLACK_BYTES > free_bytes:
            raise KexecError(
                "NO_SPACE",
                "a fast image takes %d MiB in %s, %d MiB are free"
                % ((size_bytes + _SLACK_BYTES) >> 20, STATE_DIRECTORY, free_bytes >> 20),
            )

    def build(self, candidate: Candidate, initrd_mode: str) -> Built:
        """Build a kernel's fast image, replacing an existing one.

        The old manifest is removed first and the new one written last, so that an incomplete image is never taken for one.

        Nothing is left behind after an error.

        :raises KexecError: C(NO_SPACE), C(BUILD_FAILED), C(ARCH_UNSUPPORTED) or C(FAST_IMAGE_UNSUPPORTED).
        :raises ImageError: kernel or initrd is invalid.
        """
        begin = self._clock()
        header, fast_format = candidate.header, _format_of(candidate)
        source = self._read(candidate.kernel)
        payload = payload_of(source, header, str(candidate.kernel))
        # Another image may have been built since the check.
        self._check_space(fast_format.head_bytes + payload.unpacked_bytes)
        content = memoryview(self._unpacker.unpack(payload))
        unpack_ms = self._unpacker.took_ms if self._unpacker.representative else None
        vmlinux = fast_format.parse(content)
        directory = directory_of(header.release)
        try:
            self._prepare_directory(directory)
            with replacing(self._files.path(os.path.join(directory, IMAGE)), _MODE) as out:
                layout = fast_format.write(out, source, header, content, vmlinux)
                image = _digest_of_stream(out.fileno(), os.path.join(directory, IMAGE), out.flush)
            relocations = self._write(os.path.join(directory, RELOCATIONS), content[vmlinux.end :])
            del content
            initrd, initrd_source, left_out = self._build_initrd(candidate, directory, initrd_mode)
            fast = FastImage(
                release=header.release,
                source=Digest(candidate.kernel.path, len(source), hashlib.sha256(source).hexdigest()),
                image=image,
                relocations=relocations,
                initrd=initrd,
                initrd_source=initrd_source,
                payload_format=payload.format,
                unpacked_bytes=payload.unpacked_bytes,
                setup_bytes=layout.setup_bytes,
                kernel_bytes=layout.kernel_bytes,
                kernel_entry=layout.kernel_entry,
                linked_at=layout.linked_at,
                memory_bytes=layout.memory_bytes,
                stub_sha256=fast_format.stub_sha256,
                built_at=self._now().strftime("%Y-%m-%dT%H:%M:%SZ"),
                build_ms=round((self._clock() - begin) * 1000),
                initrd_left_out=left_out,
            )
            write_atomically(self._files.path(os.path.join(directory, MANIFEST)), fast.to_json().encode("utf-8"), _MODE)
        except BaseException as error:
            self.remove(header.release)
            if isinstance(error, OSError):
                raise KexecError("BUILD_FAILED", "the fast image could not be written: %s" % error) from error
            raise
        return Built(fast, unpack_ms)

    def _build_initrd(
        self, candidate: Candidate, directory: str, mode: str
    ) -> Tuple[Optional[Digest], Optional[Digest], Optional[Tuple[str, ...]]]:
        """Write the uncompressed main initrd; return its digest and its source's, or None twice if it is kept as it is.

        The third value lists the modules that a slim one lacks.
        """
        path = os.path.join(directory, INITRD)
        main = main_initrd(candidate.initrds)
        if mode == KEEP or main is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._files.path(path))
            return None, None, None
        packed = self._read(main)
        parts = uncompress_initrd(packed, self._unpacker, _INITRD_MAX_BYTES, str(main))
        left_out: Optional[Tuple[str, ...]] = None
        if mode == SLIM:
            release = candidate.header.release
            parts, left_out = slimmed(parts, needed_modules(self._files, release), release, str(main))
        self._check_space(sum(map(len, parts)))
        return (
            self._write(path, *parts),
            Digest(main.path, len(packed), hashlib.sha256(packed).hexdigest()),
            left_out,
        )

    def survey(self, release: str, initrd: FilePart, available_bytes: int) -> InitrdSurvey:
        """See what is in an initrd of a kernel release. Unpacked, it may take a quarter of the memory that is available.

        :raises KexecError: C(MODULES_UNKNOWN).
        :raises ImageError: it is damaged or too large, or can't be unpacked here.
        :raises OSError: it can't be read.
        """
        limit_bytes = min(_INITRD_MAX_BYTES, available_bytes // 4)
        return survey_initrd(self._files, self._unpacker, initrd.path, release, limit_bytes=limit_bytes)

    def _read(self, part: FilePart) -> memoryview:
        """Read a part into memory, so that later changes to its file have no effect."""
        return memoryview(part.read(self._files))

    def _write(self, path: str, *parts: Content) -> Digest:
        digest = hashlib.sha256()
        with replacing(self._files.path(path), _MODE) as out:
            for part in parts:
                out.write(part)
                digest.update(part)
        return Digest(path, sum(map(len, parts)), digest.hexdigest())

    def _prepare_directory(self, directory: str) -> None:
        os.makedirs(self._files.path(STATE_DIRECTORY), mode=0o700, exist_ok=True)
        os.makedirs(self._files.path(directory), mode=0o700, exist_ok=True)
        # Without its manifest the previous image no longer counts. Leftovers of a killed build go too.
        for name in list_image_files(self._files, os.path.basename(directory)):
            if name not in (IMAGE, RELOCATIONS, INITRD):
                os.unlink(self._files.path(os.path.join(directory, name)))

    def releases(self) -> Tuple[str, ...]:
        """Releases that have a fast image or remnants of one."""
        return tuple(list_releases(self._files))

    def remove(self, release: str) -> bool:
        """Remove a fast image, manifest first, so that remnants are never taken for one; tell whether there was anything."""
        directory, names = directory_of(release), list_image_files(self._files, release)
        for name in names:
            os.unlink(self._files.path(os.path.join(directory, name)))
        # Files of others keep the directory.
        with contextlib.suppress(OSError):
            os.rmdir(self._files.path(directory))
            sync_directory(self._files.path(STATE_DIRECTORY))
        return bool(names)


def fast_format_of(architecture: Architecture) -> FastFormat[Any]:
    """Fast image format of an architecture.

    :raises KexecError: C(ARCH_UNSUPPORTED), or C(FAST_IMAGE_UNSUPPORTED) where a host reboots by kexec without one.
    """
    if architecture.fast is None:
        code = "FAST_IMAGE_UNSUPPORTED" if architecture.supported else "ARCH_UNSUPPORTED"
        raise KexecError(code, no_fast_format(architecture))
    return architecture.fast


def _format_of(candidate: Candidate) -> FastFormat[Any]:
    """Fast image format of a kernel that one can be made of.

    :raises KexecError: C(ARCH_UNSUPPORTED) or C(FAST_IMAGE_UNSUPPORTED).
    """
    fast_format = fast_format_of(candidate.architecture)
    obstacle = fast_format.kernel_obstacle(candidate.header)
    if obstacle is not None:
        raise KexecError(obstacle.code, "%s: %s" % (candidate.kernel, obstacle.message))
    return fast_format


def _digest_of_stream(descriptor: int, path: str, flush: Callable[[], None]) -> Digest:
    """Digest of a file that is still being written, from the page cache."""
    flush()
    content = map_file(descriptor)
    return Digest(path, len(content), hashlib.sha256(content).hexdigest())
