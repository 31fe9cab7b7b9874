# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leave an ssh connection that commands share, without starting a process for it.

The ssh that holds the connection is asked over its control socket, as C(ssh -O stop) does. Messages are those of
C(PROTOCOL.mux) of OpenSSH: each begins with its length, and all are big-endian 32-bit numbers.
"""

from __future__ import annotations

import socket
import struct

_HELLO = 0x00000001
_VERSION = 4
_STOP_LISTENING = 0x10000009
_OK = 0x80000001
_REQUEST_ID = 1
# No message that is awaited comes near it.
_MESSAGE_MAX_BYTES = 4096


def stop_sharing(control_path: str, timeout_s: float) -> bool:
    """Have a shared connection accept no more sessions; it ends with its last one. Return whether nothing is shared any more.

    :param control_path: its control socket. None is there if nothing is shared.
    :param timeout_s: for each message.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout_s)
        try:
            sock.connect(control_path)
        except (FileNotFoundError, ConnectionRefusedError):
            # ssh removes a socket on which nobody listens.
            return True
        except OSError:
            return False
        try:
            _send(sock, _HELLO, _VERSION)
            if _receive(sock)[:2] != (_HELLO, _VERSION):
                return False
            _send(sock, _STOP_LISTENING, _REQUEST_ID)
            return _receive(sock)[:2] == (_OK, _REQUEST_ID)
        except ConnectionError:
            # It has ended meanwhile.
            return True
        except (OSError, ValueError):
            return False


def _send(sock: socket.socket, *words: int) -> None:
    message = struct.pack(">%dI" % len(words), *words)
    sock.sendall(struct.pack(">I", len(message)) + message)


def _receive(sock: socket.socket) -> tuple[int, ...]:
    """Leading numbers of the next message."""
    (length,) = struct.unpack(">I", _exactly(sock, 4))
    if not 8 <= length <= _MESSAGE_MAX_BYTES:
        raise ValueError("no message of a control socket")
    return struct.unpack(">2I", _exactly(sock, length)[:8])


def _exactly(sock: socket.socket, size_bytes: int) -> bytes:
    received = b""
    while len(received) < size_bytes:
        part = sock.recv(size_bytes - len(received))
        if not part:
            raise ConnectionResetError("the control socket was closed")
        received += part
    return received
