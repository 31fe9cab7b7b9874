# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encrypted disks whose keys a TPM releases only if boot measurements match.

A kexec measures nothing and resets no TPM register, so such disks may stay locked after it.

Source: the LUKS2 On-Disk Format Specification; tokens of systemd (src/shared/cryptsetup-tpm2.c) and of clevis (a JSON Web
Encryption with its configuration in the protected header).
"""

from __future__ import annotations

import base64
import binascii
import struct
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from .._json import parse_json
from .files import HostFiles

_UDEV = "/run/udev/data"
_CRYPTTAB = "/etc/crypttab"

_HEADER = struct.Struct(">6sHQ")
_MAGIC = b"LUKS\xba\xbe"
_VERSION = 2
_JSON_OFFSET = 4096
# The largest header size that the specification allows.
_HEADER_MAX_BYTES = 4 << 20


@dataclass(frozen=True)
class TpmDisks:
    """Encrypted disks that a TPM unlocks depending on measurements, and those whose header can't be read."""

    bound: List[str]
    unreadable: List[str]


def _decode(part: Any) -> Dict[str, Any]:
    """Decode a part of a JSON Web Encryption; empty if it is invalid."""
    text = str(part)
    try:
        value = parse_json(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error):
        return {}
    return value if isinstance(value, dict) else {}


def _clevis_uses_tpm(config: Any) -> bool:
    """Whether a clevis pin, or one nested in it, uses a TPM."""
    if not isinstance(config, dict):
        return False
    if config.get("pin") == "tpm2":
        return True
    shares = config.get("sss")
    nested = shares.get("jwe") if isinstance(shares, dict) else None
    return any(_clevis_uses_tpm(_decode(str(jwe).partition(".")[0]).get("clevis")) for jwe in nested or ())


def _systemd_is_bound(token: Dict[str, Any]) -> bool:
    """Whether a token depends on measurements: without them a kexec changes nothing."""
    return bool(token.get("tpm2-pcrs", True) or token.get("tpm2_pubkey_pcrs") or token.get("tpm2_pcrlock"))


def _needs_measurements(token: Any) -> bool:
    kind = token.get("type") if isinstance(token, dict) else None
    if kind == "systemd-tpm2":
        return _systemd_is_bound(token)
    jwe = token.get("jwe") if kind == "clevis" else None
    return isinstance(jwe, dict) and _clevis_uses_tpm(_decode(jwe.get("protected")).get("clevis"))


def bound_to_tpm(header: bytes) -> Optional[bool]:
    """Whether a LUKS header has a token that depends on measurements; None if it can't be parsed."""
    magic, version, size_bytes = _HEADER.unpack_from(header) if len(header) >= _HEADER.size else (b"", 0, 0)
    if magic != _MAGIC:
        return None
    if version != _VERSION:
        # LUKS1 has no tokens.
        return False
    try:
        tokens = parse_json(header[_JSON_OFFSET:size_bytes].split(b"\0")[0]).get("tokens", {}).values()
    except (ValueError, AttributeError):
        return None
    return any(_needs_measurements(token) for token in tokens)


def _encrypted_devices(files: HostFiles) -> List[str]:
    found = []
    for name in files.listdir(_UDEV):
        if (
            not name.startswith("b")
            or "E:ID_FS_TYPE=crypto_LUKS" not in (files.read_text("%s/%s" % (_UDEV, name)) or "").splitlines()
        ):
            continue
        for line in (files.read_text("/sys/dev/block/%s/uevent" % name[1:]) or "").splitlines():
            if line.startswith("DEVNAME="):
                found.append("/dev/" + line[len("DEVNAME=") :])
    return found


def _named_in_crypttab(files: HostFiles) -> List[str]:
    lines = [line.split() for line in (files.read_text(_CRYPTTAB) or "").splitlines() if not line.lstrip().startswith("#")]
    return [words[0] for words in lines if len(words) > 3 and any(o.startswith("tpm2-device=") for o in words[3].split(","))]


def read_tpm_disks(files: HostFiles) -> TpmDisks:
    bound: List[str] = []
    unreadable: List[str] = []
    for device in _encrypted_devices(files):
        head = files.read_bytes(device, _HEADER.size) or b""
        size_bytes = _HEADER.unpack(head)[2] if len(head) == _HEADER.size else 0
        verdict = bound_to_tpm(files.read_bytes(device, min(size_bytes, _HEADER_MAX_BYTES)) or b"")
        if verdict is None:
            unreadable.append(device)
        elif verdict:
            bound.append(device)
    return TpmDisks(bound + _named_in_crypttab(files), unreadable)
