# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a report, written only if they would change."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._host.atomic import write_atomically

from .._journal.file import open_regular
from .errors import ReportError

# Largest text shown as a difference; Ansible's own limit.
_DIFF_MAX_BYTES = 104_448


def write_file(path: str, content: bytes, mode: int | None, *, new_mode: int, check: bool) -> tuple[bool, dict[str, Any] | None]:
    """Write a file if its content or mode differs.

    :param mode: permissions; None to keep those of the file, or to give a new file C(new_mode).
    :param check: write nothing.
    :return: whether the file changed, or would have; and the difference.
    :raises ReportError: C(REPORT_FAILED).
    """
    try:
        before = _read(path)
        wrong_mode = before is not None and mode is not None and os.stat(path).st_mode & 0o7777 != mode
        if before == content and not wrong_mode:
            return False, None
        if not os.path.isdir(os.path.dirname(path)):
            raise ReportError("REPORT_FAILED", "%s: there is no directory %s" % (path, os.path.dirname(path)))
        if not os.access(os.path.dirname(path), os.W_OK | os.X_OK):
            raise ReportError("REPORT_FAILED", "%s: its directory can't be written to" % path)
        if not check:
            if before != content:
                write_atomically(path, content, new_mode if mode is None else mode)
            if mode is not None:
                os.chmod(path, mode)
    except OSError as error:
        raise ReportError("REPORT_FAILED", "%s: %s" % (path, error.strerror or error)) from error
    return True, _difference(path, before, content)


def _read(path: str) -> bytes | None:
    try:
        with open(open_regular(path, os.O_RDONLY), "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def _difference(path: str, before: bytes | None, content: bytes) -> dict[str, Any]:
    header = {"before_header": path if before is not None else "%s (not there)" % path, "after_header": path}
    if max(len(before or b""), len(content)) > _DIFF_MAX_BYTES:
        return {**header, "dst_larger": _DIFF_MAX_BYTES}
    return {**header, "before": (before or b"").decode("utf-8", "replace"), "after": content.decode("utf-8")}
