# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time at which this host got its first network address, as the kernel recorded it.

Netlink reports it in struct ifa_cacheinfo (linux/if_addr.h): hundredths of a second, counted in jiffies since boot
(net/ipv4/devinet.c, C(cstamp_delta())). C(/proc/timer_list) relates jiffies to CLOCK_MONOTONIC.
"""

from __future__ import annotations

import re
import socket
import struct
from dataclasses import dataclass
from typing import Callable, List, NamedTuple, Optional, Tuple

from .files import HostFiles

_RTM_NEWADDR, _RTM_GETADDR = 20, 22
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLM_F_REQUEST_DUMP = 0x301
_HEADER = struct.Struct("=IHHII")
# family, prefix length, flags, scope, interface
_MESSAGE = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_IFA_CACHEINFO = 6
_CACHEINFO = struct.Struct("=IIII")
_SCOPE_GLOBAL = 0
_RECEIVE_BYTES = 1 << 16
_TIMEOUT_S = 5.0

# CONFIG_HZ of x86 (kernel/Kconfig.hz).
_HZ = (100, 250, 300, 1000)
# Tolerance between jiffies and CLOCK_MONOTONIC: more than a virtual machine makes up for late timer ticks.
_AGREE_NS = 2 * 10**9


# INFINITY_LIFE_TIME, net/addrconf.h.
_FOREVER = 0xFFFFFFFF


class AddressRecord(NamedTuple):
    """A global address: its creation in hundredths of a second of jiffies, whether it was leased, and the interface's index."""

    made_cs: int
    leased: bool
    interface_index: int


@dataclass(frozen=True)
class FirstAddress:
    """The first address of global scope, on CLOCK_MONOTONIC.

    :ivar leased: whether its lifetime is limited, as that of an address by DHCP or router advertisement is.
    :ivar interface: name of the interface; empty if unknown.
    """

    monotonic_ns: int
    error_ns: int
    leased: bool = False
    interface: str = ""


@dataclass(frozen=True)
class Jiffies:
    """Jiffies since boot at a reading of CLOCK_MONOTONIC, and their rate."""

    monotonic_ns: int
    elapsed: int
    hz: int


def parse_jiffies(timer_list: str) -> Optional[Jiffies]:
    """Parse C(/proc/timer_list); None if values are missing or more than one tick rate fits.

    The counter starts five minutes before its 32-bit wrap (INITIAL_JIFFIES, linux/jiffies.h), so its value alone gives away
    the tick rate, except at an uptime of about five minutes.
    """
    now = re.search(r"^now at (\d+) nsecs", timer_list, re.MULTILINE)
    jiffies = re.search(r"^jiffies: (\d+)", timer_list, re.MULTILINE)
    if now is None or jiffies is None:
        return None
    monotonic_ns = int(now.group(1))
    found = []
    for hz in _HZ:
        elapsed = int(jiffies.group(1)) - ((1 << 32) - 300 * hz)
        if abs(elapsed * 10**9 // hz - monotonic_ns) <= _AGREE_NS:
            found.append(Jiffies(monotonic_ns, elapsed, hz))
    return found[0] if len(found) == 1 else None


def parse_addresses(data: bytes) -> List[AddressRecord]:
    """Parse the global addresses in RTM_GETADDR answers."""
    made = []
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, _flags, _sequence, _port = _HEADER.unpack_from(data, offset)
        if length < _HEADER.size:
            break
        if kind == _RTM_NEWADDR and offset + _HEADER.size + _MESSAGE.size <= len(data):
            _family, _prefix, _flags, scope, index = _MESSAGE.unpack_from(data, offset + _HEADER.size)
            life = _life(data, offset + _HEADER.size + _MESSAGE.size, min(offset + length, len(data)))
            if scope == _SCOPE_GLOBAL and life is not None:
                made.append(AddressRecord(life[1], life[0] != _FOREVER, index))
        offset += (length + 3) & ~3
    return made


def _life(data: bytes, offset: int, end: int) -> Optional[Tuple[int, int]]:
    """Valid lifetime and creation time of an address, from its attributes."""
    while offset + _ATTRIBUTE.size <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size:
            return None
        if kind == _IFA_CACHEINFO and offset + _ATTRIBUTE.size + _CACHEINFO.size <= end:
            _preferred, valid, created, _updated = map(int, _CACHEINFO.unpack_from(data, offset + _ATTRIBUTE.size))
            return valid, created
        offset += (length + 3) & ~3
    return None


def first_address(made: List[AddressRecord], jiffies: Jiffies, name_of: Callable[[int], str]) -> Optional[FirstAddress]:
    """Find the oldest address; C(name_of) gives the name of an interface by its index."""
    if not made:
        return None
    first = min(made)
    age_ns = jiffies.elapsed * 10**9 // jiffies.hz - first.made_cs * 10**7
    # Hundredths and jiffies are both truncated, at both ends.
    error_ns = 10**7 + 2 * 10**9 // jiffies.hz
    return FirstAddress(jiffies.monotonic_ns - age_ns, error_ns, first.leased, name_of(first.interface_index))


def interface_name(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except OSError:
        return ""


def dump_addresses() -> bytes:
    """Ask the kernel for all addresses (RTM_GETADDR); empty if it can't be asked."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as link:
            link.settimeout(_TIMEOUT_S)
            request = _MESSAGE.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
            link.send(_HEADER.pack(_HEADER.size + len(request), _RTM_GETADDR, _NLM_F_REQUEST_DUMP, 1, 0) + request)
            answer = b""
            while True:
                part = link.recv(_RECEIVE_BYTES)
                answer += part
                if not part or _ends(part):
                    return answer
    except OSError:
        return b""


def _ends(part: bytes) -> bool:
    offset = 0
    while offset + _HEADER.size <= len(part):
        length, kind = struct.unpack_from("=IH", part, offset)
        if kind in (_NLMSG_DONE, _NLMSG_ERROR) or length < _HEADER.size:
            return True
        offset += (length + 3) & ~3
    return False


def read_first_address(
    files: HostFiles, dump: Callable[[], bytes] = dump_addresses, name_of: Callable[[int], str] = interface_name
) -> Optional[FirstAddress]:
    """Read the first address; None if there is none, or its age is unknown (without privileges, for example)."""
    jiffies = parse_jiffies(files.read_text("/proc/timer_list") or "")
    return first_address(parse_addresses(dump()), jiffies, name_of) if jiffies else None
