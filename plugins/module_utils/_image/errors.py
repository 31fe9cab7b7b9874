# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exception type of C(_image)."""

from __future__ import annotations

from .._reasons import CodedError


class ImageError(CodedError):
    """Raised when a kernel image or initrd can't be used.

    Codes: C(KERNEL_INVALID), C(KERNEL_TRUNCATED), C(WRONG_ARCH), C(PAYLOAD_INVALID), C(PAYLOAD_FORMAT), C(NO_DECOMPRESSOR),
    C(INITRD_INVALID).
    """
