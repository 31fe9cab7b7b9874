# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpacking of the compressed kernel in a kernel file.

Source: scripts/Makefile.lib of the kernel (C(size_append): the unpacked size, little endian, follows the compressed data; in
gzip it is the format's own last word).
"""

from __future__ import annotations

import importlib
import lzma
import os
import struct
import subprocess
import threading
import time
import zlib
from dataclasses import dataclass
from typing import IO, Any, Callable, Dict, List, Optional, cast

from .._command import find_executable, tool_environment
from .errors import ImageError
from .kernel_file import KernelFile
from .lz4 import Lz4Error, unpack_legacy

GZIP = "gzip"
LZ4 = "lz4"
XZ = "xz"
ZSTD = "zstd"

_MAGICS = ((b"\x1f\x8b", GZIP), (b"\xfd7zXZ\0", XZ), (b"\x02\x21\x4c\x18", LZ4), (b"\x28\xb5\x2f\xfd", ZSTD))
_SIZE_BYTES = 4

# No kernel is larger; a file that claims more is damaged.
_UNPACKED_MAX_BYTES = 1 << 30
# scripts/xz_wrap.sh uses a dictionary of 32 MiB.
_XZ_MEMORY_MAX_BYTES = 128 << 20
_TOOL_TIMEOUT_S = 300.0
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Payload:
    """Compressed payload of a kernel file, without the size appended to it; C(unpacked_bytes) is what the file claims."""

    format: str
    data: memoryview
    unpacked_bytes: int


def payload_of(image: memoryview, header: KernelFile, name: str = "the kernel") -> Payload:
    """Find the payload in the content of a kernel file.

    :raises ImageError: C(PAYLOAD_INVALID) if the header's claims can't be true, C(PAYLOAD_FORMAT) if the compression is unknown.
    """
    begin = header.payload_begin
    end = begin + header.payload_bytes
    if header.payload_bytes <= _SIZE_BYTES or end > min(len(image), header.image_bytes):
        raise ImageError(
            "PAYLOAD_INVALID",
            "%s has no payload of %d bytes at %#x, as its header says" % (name, header.payload_bytes, begin),
        )
    data = image[begin:end]
    (unpacked_bytes,) = struct.unpack("<I", data[-_SIZE_BYTES:])
    if not 0 < unpacked_bytes <= min(header.memory_bytes, _UNPACKED_MAX_BYTES):
        raise ImageError(
            "PAYLOAD_INVALID",
            "the payload of %s claims %d bytes unpacked, the kernel needs %d to run"
            % (name, unpacked_bytes, header.memory_bytes),
        )
    for magic, kind in _MAGICS:
        if data[: len(magic)] == magic:
            return Payload(kind, data if kind == GZIP else data[:-_SIZE_BYTES], unpacked_bytes)
    raise ImageError(
        "PAYLOAD_FORMAT",
        "the payload of %s begins with %s: not gzip, xz, lz4 or zstd" % (name, data[:6].tobytes().hex()),
    )


class Unpacker:
    """Decompressor that uses Python or the host's tools below C(root), and times itself by a monotonic clock in seconds."""

    def __init__(self, root: str = "/", clock: Callable[[], float] = time.perf_counter) -> None:
        self._root = root
        self._clock = clock
        #: Duration of the last :meth:`unpack`.
        self.took_ms = 0.0
        #: Whether its speed is typical of the format; it is not when done in pure Python.
        self.representative = True

    def check(self, kind: Optional[str]) -> None:
        """Refuse a format that this host can't decompress; None stands for uncompressed data.

        :raises ImageError: C(PAYLOAD_FORMAT) or C(NO_DECOMPRESSOR).
        """
        if kind not in (GZIP, XZ, LZ4, ZSTD, None):
            raise ImageError("PAYLOAD_FORMAT", "data packed with %s can't be unpacked here" % kind)
        if kind == ZSTD and _own_zstd() is None and find_executable("zstd", self._root) is None:
            raise ImageError("NO_DECOMPRESSOR", "it is packed with zstd, and there is no zstd program on the host")

    def unpack(self, payload: Payload) -> bytes:
        """Unpack a payload; memory is allocated only for the actual output, whatever size is claimed.

        :raises ImageError: C(PAYLOAD_INVALID) if it is damaged or not as long as claimed, C(NO_DECOMPRESSOR) if the host has no
            decompressor.
        """
        begin = self._clock()
        content = self.unpack_stream(payload.format, payload.data, payload.unpacked_bytes)
        if len(content) != payload.unpacked_bytes:
            raise ImageError(
                "PAYLOAD_INVALID",
                "the %s data ends after %d bytes, not after the %d that were claimed"
                % (payload.format, len(content), payload.unpacked_bytes),
            )
        self.took_ms = (self._clock() - begin) * 1000
        return content

    def unpack_stream(self, kind: str, data: memoryview, limit: int) -> bytes:
        """Unpack a stream of unknown size, to C(limit) bytes at most.

        :raises ImageError: C(PAYLOAD_INVALID), C(PAYLOAD_FORMAT) or C(NO_DECOMPRESSOR).
        """
        self.representative = True
        ways: Dict[str, Callable[[memoryview, int], bytes]] = {
            GZIP: _gunzip,
            XZ: _unxz,
            LZ4: self._unlz4,
            ZSTD: self._unzstd,
        }
        self.check(kind)
        try:
            content = ways[kind](data, limit)
        except (zlib.error, lzma.LZMAError, Lz4Error, _StreamError, MemoryError) as error:
            raise ImageError("PAYLOAD_INVALID", "the %s data can't be unpacked: %s" % (kind, error)) from error
        if len(content) > limit:
            raise ImageError("PAYLOAD_INVALID", "the %s data unpacks to more than %d bytes" % (kind, limit))
        return content

    def test_stream(self, kind: str, data: memoryview, limit: int) -> None:
        """Decompress a stream and throw the output away, to see how long that alone takes; raises as :meth:`unpack_stream`."""
        tool = find_executable("zstd", self._root) if kind == ZSTD and _own_zstd() is None else None
        # The tool's output would come through a pipe, which takes longer than decompression.
        if tool is None:
            self.unpack_stream(kind, data, limit)
            return
        try:
            _run_tool([tool, "-tq"], data, limit)
        except _StreamError as error:
            raise ImageError("PAYLOAD_INVALID", "the %s data can't be unpacked: %s" % (kind, error)) from error

    def _unlz4(self, data: memoryview, limit: int) -> bytes:
        tool = find_executable("lz4", self._root)
        if tool:
            return _run_tool([tool, "-dc"], data, limit)
        self.representative = False
        return unpack_legacy(data, limit)

    def _unzstd(self, data: memoryview, limit: int) -> bytes:
        zstd = _own_zstd()
        if zstd is None:
            # check() has made sure that it exists.
            return _run_tool([find_executable("zstd", self._root) or "zstd", "-dcq"], data, limit)
        stream = zstd.ZstdDecompressor()
        try:
            content: bytes = stream.decompress(data, limit + 1)
        except zstd.ZstdError as error:
            raise _StreamError(error) from error
        _check_end(content, limit, stream.eof, stream.unused_data)
        return content


def _own_zstd() -> Any:
    """Python's zstd module, available since 3.14; None before."""
    try:
        return importlib.import_module("compression.zstd")
    except ImportError:
        return None


def _gunzip(data: memoryview, limit: int) -> bytes:
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    content = stream.decompress(data, limit + 1)
    _check_end(content, limit, stream.eof, stream.unused_data)
    return content


def _unxz(data: memoryview, limit: int) -> bytes:
    stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_MAX_BYTES)
    content = stream.decompress(data, limit + 1)
    _check_end(content, limit, stream.eof, stream.unused_data)
    return content


def _check_end(content: bytes, limit: int, ended: bool, rest: bytes) -> None:
    """Refuse a stream that is cut off or followed by anything but padding."""
    if len(content) <= limit and not ended:
        raise _StreamError("it is cut off")
    if rest.strip(b"\0"):
        raise _StreamError("data follows its end")


class _StreamError(Exception):
    """Raised when a stream can't be decompressed."""


def _run_tool(argv: List[str], data: memoryview, limit: int) -> bytes:
    """Run a decompressor, and stop it once its output exceeds the limit.

    Input comes from an anonymous file: with only the output to handle, neither side can block the other.
    """
    source = os.memfd_create("fleet-kexec-payload")
    try:
        with os.fdopen(os.dup(source), "wb") as stream:
            stream.write(data)
        os.lseek(source, 0, os.SEEK_SET)
        # Not AnsibleModule.run_command, which keeps all output: an image from elsewhere may decompress to any size.
        with subprocess.Popen(  # pylint: disable=ansible-bad-function
            argv, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=tool_environment(), close_fds=True
        ) as tool:
            watchdog = threading.Timer(_TOOL_TIMEOUT_S, tool.kill)
            watchdog.start()
            try:
                return _collect(tool, argv[0], limit)
            finally:
                watchdog.cancel()
                tool.kill()
    except OSError as error:
        raise ImageError("NO_DECOMPRESSOR", "%s can't be run: %s" % (argv[0], error.strerror)) from error
    finally:
        os.close(source)


def _collect(tool: subprocess.Popen[bytes], name: str, limit: int) -> bytes:
    # Both are pipes, see _run_tool().
    out, err = cast(IO[bytes], tool.stdout), cast(IO[bytes], tool.stderr)
    content = bytearray()
    while len(content) <= limit:
        chunk = out.read(min(_CHUNK_BYTES, limit + 1 - len(content)))
        if not chunk:
            break
        content += chunk
    if len(content) <= limit:
        said = err.read().decode("utf-8", "replace").strip()
        if tool.wait() != 0:
            raise _StreamError("%s: %s" % (name, said.splitlines()[-1] if said else "exit code %d" % tool.returncode))
    return bytes(content)
