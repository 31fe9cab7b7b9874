# SPDX-License-Identifier: GPL-3.0-or-later
"""Appends numbered records, and replaces a file by rename; says each number by UDP once it is on disk.

Arguments: a directory, and the address and port that are told.
"""

import contextlib
import os
import socket
import struct
import sys
import time
import zlib

RECORD = struct.Struct("<QI")
PAUSE_S = 0.02


def replace(directory: str, number: int) -> None:
    """Have a file hold a number, in one step."""
    with open(directory + "/new", "wb") as stream:
        stream.write(b"%d" % number)
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(directory + "/new", directory + "/newest")
    descriptor = os.open(directory, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def main(directory: str, address: str, port: int) -> None:
    """Write until the system stops."""
    told = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    log = os.open(directory + "/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    number = os.fstat(log).st_size // RECORD.size
    while True:
        head = struct.pack("<Q", number)
        os.write(log, RECORD.pack(number, zlib.crc32(head)))
        os.fsync(log)
        replace(directory, number)
        # Without a network nobody is told, and it counts for nothing.
        with contextlib.suppress(OSError):
            told.sendto(head, (address, port))
        number += 1
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
