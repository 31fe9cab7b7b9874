# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Host class: the machine, its firmware and its drivers in one line. Hosts of one class are expected to behave alike.

Facts come from hosts and are not trusted. Kernels are no part of the class; the ledger has them beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._host.hardware import DRIVERS_MAX, Hardware, plain

# Longest line. Of a longer one, a digest stands for the end.
CLASS_MAX_CHARS = 200
_DIGEST_CHARS = 8
_KINDS = ("network", "storage", "display")

# Codes of the risks that a class is known for, by the ledger.
CLASS_FAILED = "CLASS_FAILED"
UNPROVEN = "UNPROVEN"


def hardware_of(fact: Any) -> Hardware | None:
    """Hardware from the fact C(fleet_kexec.hardware), or from a journal; None if it is not as it should be."""
    if not isinstance(fact, Mapping) or not isinstance(fact.get("drivers"), Mapping):
        return None
    texts = [fact.get(name) for name in ("vendor", "product", "board", "firmware_version")]
    drivers = {kind: fact["drivers"].get(kind, []) for kind in _KINDS}
    if not all(isinstance(text, str) for text in texts) or not all(map(_is_list_of_texts, drivers.values())):
        return None
    vendor, product, board, firmware_version = map(plain, texts)
    shown = {kind: sorted(map(plain, each[:DRIVERS_MAX])) for kind, each in drivers.items()}
    return Hardware(vendor, product, board, firmware_version, shown)


def hardware_of_setup(facts: Mapping[str, Any]) -> Hardware | None:
    """Hardware from the facts of M(ansible.builtin.setup), which have no drivers; None without any."""
    texts = [plain(str(facts.get(name) or "")) for name in ("system_vendor", "product_name", "board_name", "bios_version")]
    # Without privileges, and where there is none, setup says so in place of the value.
    vendor, product, board, firmware_version = ("" if text == "NA" else text for text in texts)
    return Hardware(vendor, product, board, firmware_version, {}) if product else None


def host_class_of(hardware: Hardware | None) -> str:
    """Line such as C(Dell Inc. PowerEdge R650, board 0F2X5K, firmware 2.14.1, drivers ixgbe nvme); empty if nothing is known."""
    if hardware is None:
        return ""
    drivers = _joined(sorted({driver for each in hardware.drivers.values() for driver in each}))
    parts = [
        _joined((hardware.vendor, hardware.product)) or "unknown machine",
        *("%s %s" % (name, text) for name, text in (("board", hardware.board), ("firmware", hardware.firmware_version)) if text),
        *(["drivers " + drivers] if drivers else []),
    ]
    line = ", ".join(parts)
    if len(line) <= CLASS_MAX_CHARS:
        return line
    digest = hashlib.sha256(line.encode("ascii", "replace")).hexdigest()[:_DIGEST_CHARS]
    return "%s #%s" % (line[: CLASS_MAX_CHARS - _DIGEST_CHARS - 2].rstrip(), digest)


def _joined(words: Iterable[str]) -> str:
    return " ".join(word for word in words if word)


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
