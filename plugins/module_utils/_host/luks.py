# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Headers of LUKS volumes, and whether a TPM releases their key only if boot measurements match.

Sources: the LUKS1 and LUKS2 On-Disk Format Specifications; tokens of systemd (src/shared/cryptsetup-tpm2.c) and of clevis (a JSON
Web Encryption with its configuration in the protected header); libluksmeta.c of https://github.com/latchset/luksmeta for the
metadata that clevis keeps between the key slots and the data of a LUKS1 volume.
"""

from __future__ import annotations

import base64
import binascii
import struct
from typing import Any, Dict, Iterator, Optional
from uuid import UUID

from .._json import parse_json

#: Bytes that tell how long a header is.
HEAD_BYTES = 592
# The largest header size that the LUKS2 specification allows. LUKS1 volumes usually begin their data at 2 MiB.
_MAX_BYTES = 4 << 20
_MAGIC = b"LUKS\xba\xbe"
_ALIGNMENT = 4096
_SECTOR_BYTES = 512

# Magic, version, header size.
_LUKS2 = struct.Struct(">6sHQ")
_JSON_OFFSET = 4096

# Payload offset in sectors and key length, at 104; then the key slots: state, iterations, salt, offset in sectors, stripes.
_LUKS1_SIZES = struct.Struct(">104xII")
_KEY_SLOT = struct.Struct(">II32sII")
_KEY_SLOTS_OFFSET = 208
_KEY_SLOTS = 8

# Magic, version, CRC-32C; then a slot for each key slot: UUID, offset from the magic, length, CRC-32C, reserved.
_LUKSMETA = struct.Struct(">8sII")
_LUKSMETA_MAGIC = b"LUKSMETA"
_LUKSMETA_SLOT = struct.Struct(">16sIIII")
_CLEVIS = UUID("cb6e8904-81ff-40da-a84a-07ab9ab5715e").bytes


def header_bytes(head: bytes) -> int:
    """Size of a header, metadata behind it included, from its first :data:`HEAD_BYTES`; 0 if it is none."""
    if len(head) < HEAD_BYTES or not head.startswith(_MAGIC):
        return 0
    version, size_bytes = _LUKS2.unpack_from(head)[1:]
    if version == 1:
        size_bytes = _LUKS1_SIZES.unpack_from(head)[0] * _SECTOR_BYTES
    return min(int(size_bytes), _MAX_BYTES)


def bound_to_tpm(header: bytes) -> Optional[bool]:
    """Whether a token or metadata in a LUKS header depends on measurements; None if it can't be parsed."""
    if not header_bytes(header):
        return None
    if _LUKS2.unpack_from(header)[1] == 1:
        return any(_clevis_uses_tpm(_protected(jwe)) for jwe in _luksmeta(header))
    try:
        tokens = parse_json(header[_JSON_OFFSET : header_bytes(header)].split(b"\0")[0]).get("tokens", {}).values()
    except (ValueError, AttributeError):
        return None
    return any(_needs_measurements(token) for token in tokens)


def _luksmeta(header: bytes) -> Iterator[str]:
    """JSON Web Encryptions that clevis stored behind the key slots of a LUKS1 volume."""
    key_bytes = _LUKS1_SIZES.unpack_from(header)[1]
    end = 0
    for number in range(_KEY_SLOTS):
        offset, stripes = _KEY_SLOT.unpack_from(header, _KEY_SLOTS_OFFSET + number * _KEY_SLOT.size)[3:]
        sectors = offset + -(-key_bytes * stripes // _SECTOR_BYTES)
        end = max(end, sectors * _SECTOR_BYTES)
    metadata = header[-(-end // _ALIGNMENT) * _ALIGNMENT :]
    if len(metadata) < _LUKSMETA.size + _KEY_SLOTS * _LUKSMETA_SLOT.size or not metadata.startswith(_LUKSMETA_MAGIC):
        return
    for number in range(_KEY_SLOTS):
        owner, offset, size = _LUKSMETA_SLOT.unpack_from(metadata, _LUKSMETA.size + number * _LUKSMETA_SLOT.size)[:3]
        if owner == _CLEVIS:
            yield metadata[offset : offset + size].decode("ascii", "replace")


def _protected(jwe: Any) -> Any:
    """Configuration of clevis in the protected header of a JSON Web Encryption, which it begins with; None if it is invalid."""
    text = str(jwe).partition(".")[0]
    try:
        value = parse_json(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error):
        return None
    return value.get("clevis") if isinstance(value, dict) else None


def _clevis_uses_tpm(config: Any) -> bool:
    """Whether a clevis pin, or one nested in it, uses a TPM."""
    if not isinstance(config, dict):
        return False
    if config.get("pin") == "tpm2":
        return True
    shares = config.get("sss")
    nested = shares.get("jwe") if isinstance(shares, dict) else None
    return isinstance(nested, list) and any(_clevis_uses_tpm(_protected(jwe)) for jwe in nested)


def _systemd_is_bound(token: Dict[str, Any]) -> bool:
    """Whether a token depends on measurements: without them a kexec changes nothing."""
    return bool(token.get("tpm2-pcrs", True) or token.get("tpm2_pubkey_pcrs") or token.get("tpm2_pcrlock"))


def _needs_measurements(token: Any) -> bool:
    kind = token.get("type") if isinstance(token, dict) else None
    if kind == "systemd-tpm2":
        return _systemd_is_bound(token)
    jwe = token.get("jwe") if kind == "clevis" else None
    return isinstance(jwe, dict) and _clevis_uses_tpm(_protected(jwe.get("protected")))
