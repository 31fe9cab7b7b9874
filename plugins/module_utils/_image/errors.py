# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception type of C(_image)."""

from __future__ import annotations

from .._reasons import CodedError


class ImageError(CodedError):
    """A kernel image or initrd that can't be used.

    C(KERNEL_INVALID), C(KERNEL_TRUNCATED), C(WRONG_ARCH), C(PAYLOAD_INVALID),
    C(PAYLOAD_FORMAT), C(NO_DECOMPRESSOR) or C(INITRD_INVALID).
    """
