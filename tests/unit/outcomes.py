# SPDX-License-Identifier: GPL-3.0-or-later
"""How a call ended: its coded error, the memory it took."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CATALOGUE, CodedError


def code_of(call: Callable[..., Any], *arguments: Any) -> str:
    """The code that a call fails with."""
    with pytest.raises(CodedError) as caught:
        call(*arguments)
    assert caught.value.reason.code in CATALOGUE
    assert caught.value.reason.message
    return caught.value.reason.code


def peak_bytes(call: Callable[[], Any]) -> int:
    """The most memory that a call had allocated at one time, for its result too; it may fail with a coded error."""
    tracemalloc.start()
    try:
        call()
    except CodedError:
        pass
    finally:
        _now, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return peak
