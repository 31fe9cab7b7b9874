# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Standard output of a playbook, as far as an action in one of its workers can reach and see it.

Text goes through Ansible's C(Display) and a queue to a thread of the playbook's process. A write to a pipe that nobody reads
any more (C(ansible-playbook … | head)) ends that thread, and the playbook then waits for ever for the result of its task. The
queue is a pipe too: once it is full, sending more would block the worker.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat
import struct
import termios
import time
from typing import Any

# Callback plugins whose output is one document, or one in each line, for programs (ansible.posix).
_WRITE_DOCUMENTS = frozenset(("json", "jsonl"))

# Text that the playbook has not taken yet may come to this; more is dropped. Linux lets a pipe hold 65,536 bytes.
BACKLOG_MAX_BYTES = 32768
# Time for the playbook to take what it was sent.
TAKEN_TIMEOUT_S = 5.0
_POLL_S = 0.05


class Output:
    """Output of the playbook in the process C(process), the worker's parent.

    :param display: Ansible's C(Display) of this worker.
    :param callback: name of the callback plugin that writes to it. Some write a document, into which no text may come.
    """

    def __init__(self, display: Any, process: int, callback: str = "default") -> None:
        self._display = display
        self._process = process
        self._mute = callback.rpartition(".")[2] in _WRITE_DOCUMENTS
        self._lost = False

    @property
    def verbosity(self) -> int:
        return int(self._display.verbosity)

    @property
    def lost(self) -> bool:
        """Whether nobody can read the output any more: its reader has ended, or the playbook has."""
        self._lost = self._lost or os.getppid() != self._process or not has_reader("/proc/%d/fd/1" % self._process)
        return self._lost

    def say(self, text: str) -> None:
        """Show a line, unless nobody can read it. Waits while the reader pauses, so nothing may depend on this process."""
        if not self._mute and not self.lost:
            self._display.display(text)

    def display(self, text: str, **options: Any) -> None:
        """Show text of a rollout that goes on, unless it would have to wait for the reader; the journal has it too."""
        if not self._mute and not self.lost and self._backlog_bytes() + len(text.encode()) <= BACKLOG_MAX_BYTES:
            self._display.display(text, **options)

    def progress(self, host: str, text: str) -> None:
        """Show a message about a host, if the user asked for such messages, in the way of :meth:`display`."""
        if self.verbosity >= 2 and not self._mute and not self.lost and self._backlog_bytes() <= BACKLOG_MAX_BYTES:
            self._display.vv("%s: %s" % (host, text), host=host)

    def takes_results(self) -> bool:
        """Whether the playbook will take the task's result; False if it waits for ever, or has ended."""
        if not self.lost:
            return True
        if os.getppid() != self._process:
            return False
        # Shows nothing, and is written to no log.
        self._display.display("", log_only=True, screen_only=True)
        until = time.monotonic() + TAKEN_TIMEOUT_S
        while self._backlog_bytes():
            if time.monotonic() >= until:
                return False
            time.sleep(_POLL_S)
        return True

    def _backlog_bytes(self) -> int:
        queue = getattr(self._display, "_final_q", None)
        return unread_bytes(queue._reader.fileno()) if queue is not None else 0


def has_reader(path: str) -> bool:
    """Whether the file at a path is anything but a pipe that nobody reads."""
    try:
        if not stat.S_ISFIFO(os.stat(path).st_mode):
            return True
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        # fifo(7): a named pipe without a reader can't be opened for writing without blocking. Other errors say nothing.
        return error.errno != errno.ENXIO
    try:
        poll = select.poll()
        poll.register(descriptor, 0)
        return not poll.poll(0)
    finally:
        os.close(descriptor)


def unread_bytes(descriptor: int) -> int:
    """Number of bytes in a pipe."""
    return int(struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))[0])
