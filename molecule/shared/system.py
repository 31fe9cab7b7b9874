# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Tells which system runs: release, command line, loaded initrd, reserved memory."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator

# There with `retain_initrd` on the command line (Linux 6.6).
INITRD = "/sys/firmware/initrd"
# Documentation/driver-api/early-userspace/buffer-format.rst
CPIO = b"070701"
HEADER_BYTES = 110
COMPRESSED = {b"\x28\xb5\x2f\xfd": ["zstd", "-dcq"], b"\x1f\x8b": ["gzip", "-dcq"], b"\xfd7zXZ": ["xz", "-dcq"]}
# What bootloaders and the collection add for themselves.
ADDED = ("BOOT_IMAGE=", "initrd=", "fleet_kexec.", "panic=10", "oops=panic")


def read(path: str) -> str:
    with open(path, encoding="utf-8") as stream:
        return stream.read().strip()


def initrd_contents() -> dict[str, str] | None:
    """Digests of the files in the initrd that the kernel was given, by archive; None if it did not keep it.

    A fast image has an uncompressed copy, so that files have to be compared and not bytes.
    """
    if not os.path.exists(INITRD):
        return None
    with open(INITRD, "rb") as stream:
        data = stream.read()
    return {f"{number}/{name}": digest for number, files in enumerate(archives(data)) for name, digest in files.items()}


def archives(data: bytes) -> Iterator[dict[str, str]]:
    """Read what unmkinitramfs does not: archives behind a compressed one, such as those of systemd's stub."""
    begin = 0
    while begin < len(data):
        if data[begin] == 0:
            begin += 1
        elif data.startswith(CPIO, begin):
            files, begin = archive(data, begin)
            yield files
        else:
            end = next((offset for offset in offsets(data, begin) if is_tail(data, offset)), len(data))
            (command,) = (command for magic, command in COMPRESSED.items() if data.startswith(magic, begin))
            # Padding behind the stream is an error to some, so what matters is that all of it comes out.
            unpacked = subprocess.run(command, input=data[begin:end], capture_output=True, check=False).stdout
            yield from archives(unpacked)
            begin = end


def offsets(data: bytes, begin: int) -> Iterator[int]:
    while (begin := data.find(CPIO, begin)) >= 0:
        yield begin
        begin += len(CPIO)


def is_tail(data: bytes, begin: int) -> bool:
    """Whether there are only archives from here to the end."""
    try:
        while begin < len(data):
            begin = archive(data, begin)[1]
    except ValueError:
        return False
    return True


def archive(data: bytes, begin: int) -> tuple[dict[str, str], int]:
    """Files of an archive, and where it and its padding end."""
    files = {}
    position = begin
    while True:
        header = data[position : position + HEADER_BYTES]
        if len(header) < HEADER_BYTES or not header.startswith(CPIO):
            raise ValueError(f"no entry of an archive at {position}")
        fields = [int(header[at : at + 8], 16) for at in range(6, HEADER_BYTES, 8)]
        mode, file_bytes, name_bytes = fields[1], fields[6], fields[11]
        name_at = position + HEADER_BYTES
        name = data[name_at : name_at + name_bytes - 1].decode()
        file_at = begin + aligned(name_at + name_bytes - begin)
        position = begin + aligned(file_at + file_bytes - begin)
        if name == "TRAILER!!!":
            while position < len(data) and data[position] == 0:
                position += 1
            return files, position
        if stat.S_ISREG(mode) or stat.S_ISLNK(mode):
            files[name] = hashlib.sha256(data[file_at : file_at + file_bytes]).hexdigest()


def aligned(offset: int) -> int:
    return -(-offset // 4) * 4


def main() -> None:
    contents = initrd_contents()
    memory = dict(line.split(":", 1) for line in read("/proc/meminfo").splitlines())
    system = {
        "release": os.uname().release,
        "line": [word for word in read("/proc/cmdline").split() if not word.startswith(ADDED)],
        "initrd": contents and hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest(),
        "initrd_files": contents and len(contents),
        "crash_bytes": int(read("/sys/kernel/kexec_crash_size")),
        "cma": memory.get("CmaTotal", "").strip(),
        "hugepages": memory.get("HugePages_Total", "").strip(),
    }
    json.dump(system, sys.stdout, indent=1, sort_keys=True)


if __name__ == "__main__":
    main()
