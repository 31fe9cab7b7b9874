# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that is read of a host, with names and contents of any bytes: nothing raises, and all of it can be shown."""

from __future__ import annotations

import base64
import io
import json
import os
import struct
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils import _cli
from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._host.surroundings import READERS, read_surroundings
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.facts import present
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.reading import read
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError
from ansible_collections.fleet.kexec.plugins.module_utils._text import printable_values
from ansible_collections.fleet.kexec.plugins.module_utils._timeline import gathering
from ansible_collections.fleet.kexec.plugins.module_utils._timeline.timeline import Seen, assemble

from ....bzimages import make_bzimage
from ....conftest import DEBIAN_13, PROGRAMS, RELEASE

PCI = "/sys/bus/pci/devices/0000:3b:00.0"
WATCHDOG = "/sys/class/watchdog/watchdog0"
GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
JWE = base64.urlsafe_b64encode(b'{"clevis":{"pin":"tpm2"}}').decode().rstrip("=")
LUKS = b'{"tokens":{"0":{"type":"clevis","jwe":{"protected":"%s"}},"1":{"type":"systemd-tpm2","tpm2-pcrs":[7]}}}' % JWE.encode()

#: A host on which there is something for each reader; a C(@) begins the target of a link.
SEEDS: dict[str, bytes] = {
    **{path: text.encode() for path, text in DEBIAN_13.items()},
    "/proc/1/environ": b"HOME=/\0container=lxc\0",
    "/proc/7/comm": b"kvm\n",
    "/proc/7/status": b"Name:\tkvm\nUid:\t0\t0\t0\t0\n",
    "/proc/7/cgroup": b"0::/machine.slice/x\n",
    "/proc/8/exe": b"@/usr/bin/qemu-kvm",
    "/proc/bootconfig": b'kernel.a = "b"\n',
    "/proc/consoles": b"ttyS0                -W- (EC p a)    4:64\n",
    "/proc/cpuinfo": b"model name\t: A Processor\nflags\t: hypervisor sev\n\n",
    "/proc/iomem": b"00100000-3fffffff : System RAM\n  2f000000-3effffff : Crash kernel\n",
    "/proc/kallsyms": b"0 T virtio_dev_shutdown\n",
    "/proc/sys/kernel/printk": b"4\t4\t1\t7\n",
    "/proc/sys/kernel/version": b"#1 SMP\n",
    "/proc/timer_list": b"now at 5000000 nsecs\njiffies: 4294892296\n",
    "/proc/xen/capabilities": b"control_d\n",
    "/dev/kmsg": b"6,1,5,-;Run /init as init process\n4,2,9,-;initcall a+0x0/0x1 returned 0 after 5 usecs\n",
    "/dev/sda1": struct.pack(">6sHQ", b"LUKS\xba\xbe", 2, 16384).ljust(4096, b"\0") + LUKS,
    "/run/systemd/container": b"",
    "/run/systemd/machines/web": b"NAME=web\nCLASS=vm\n",
    "/run/udev/data/b8:1": b"E:ID_FS_TYPE=crypto_LUKS\n",
    "/run/udev/data/b254:1": b"E:ID_PART_ENTRY_TYPE=0657fd6d\n",
    "/run/reboot-required": b"",
    "/run/systemd/shutdown/scheduled": b"USEC=1795672800000000\nMODE=reboot\n",
    "/run/ostree/staged-deployment": b"",
    "/run/reboot-required.pkgs": b"linux-image\nlibc6\n",
    "/sys/dev/block/8:1/uevent": b"MAJOR=8\nMINOR=1\nDEVNAME=sda1\n",
    "/sys/fs/cgroup/cgroup.controllers": b"cpu\n",
    "/sys/fs/cgroup/lxc/101/x": b"",
    "/sys/class/dmi/id/sys_vendor": b"QEMU\n",
    "/sys/class/dmi/id/product_name": b"Standard PC\n",
    "/sys/class/dmi/id/chassis_asset_tag": b"1\n",
    "/sys/firmware/efi/efivars/SecureBoot-" + GLOBAL: b"\6\0\0\0\1",
    "/sys/firmware/efi/efivars/OsIndications-" + GLOBAL: b"\6\0\0\0\4\0\0\0\0\0\0\0",
    "/sys/firmware/efi/efivars/BootNext-" + GLOBAL: b"\6\0\0\0\1\0",
    "/sys/firmware/efi/efivars/Boot0001-" + GLOBAL: b"\6\0\0\0\1\0\0\0\4\0a\0\0\0\x7f\xff\4\0",
    "/sys/bus/virtio/devices/virtio0/x": b"",
    PCI + "/class": b"0x020000\n",
    PCI + "/vendor": b"0x15b3\n",
    PCI + "/device": b"0x1013\n",
    PCI + "/config": struct.pack("<HHH", 0x15B3, 0x1013, 6),
    PCI + "/sriov_numvfs": b"2\n",
    PCI + "/driver": b"@../../bus/pci/drivers/mlx5_core",
    WATCHDOG + "/identity": b"iTCO_wdt\n",
    WATCHDOG + "/timeout": b"30\n",
    WATCHDOG + "/state": b"active\n",
    WATCHDOG + "/device/driver": b"@../drivers/iTCO_wdt",
    "/etc/crypttab": b"root UUID=1 none luks,tpm2-device=auto\n",
    "/etc/fleet-kexec.conf": b"[policy]\nDRIVER_RISK = warn\n",
    "/var/lib/fleet-kexec/history.jsonl": b'{"boot_id": "a", "phases": []}\n',
    "/var/lib/fleet-kexec/throughput.json": b'{"format": 1, "cpu_model": "A Processor", "copy": 1.0}\n',
    "/var/lib/fleet-kexec/%s/manifest.json" % RELEASE: b'{"format": 1, "release": "6.12"}\n',
    "/var/lib/fleet-kexec/last-stop/token": b"5f0c2d8e9a7b4c61\n",
    "/var/lib/fleet-kexec/last-stop/boot_id": b"0e0a6d8e-9a0f-4d8e-8a4f-1d6f0a4b9c55\n",
    "/var/lib/fleet-kexec/last-stop/stamps": b"began 1 2\nstopped 3 4\n",
    "/var/lib/fleet-kexec/last-stop/staged.json": b'{"token": "5f0c2d8e9a7b4c61"}\n',
    "/run/fleet-kexec/staged.json": b'{"token": "5f0c2d8e9a7b4c61"}\n',
    "/lib/modules/%s/config" % RELEASE: b"CONFIG_KEXEC=y\n",
}
OUTPUTS: dict[str, bytes] = {
    "systemd-detect-virt": b"kvm\n",
    "systemctl": b"Id=a.service\nInactiveExitTimestampMonotonic=5\nActiveState=active\nRuntimeWatchdogUSec=1min\n",
    "journalctl": b'{"UNIT":"a.service","__MONOTONIC_TIMESTAMP":"5","MESSAGE_ID":"de5b426a63be47a7b6ac3eaac82e2f6f"}\n',
    "kexec": b"kexec-tools 2.0.29\n",
    "sh": b"GRUB_DEFAULT=0\n",
}
# Directories in which names are read.
NAMED = (
    "/sys/fs/cgroup",
    "/sys/fs/cgroup/lxc",
    "/run/systemd/machines",
    "/sys/bus/pci/devices",
    "/sys/class/watchdog",
    "/run/udev/data",
    "/boot",
    "/var/lib/fleet-kexec",
    "/proc",
    "/sys/bus/virtio/devices",
)

#: Pieces that have hurt: escape sequences, bytes that are not UTF-8, numbers that are none, nesting, line breaks of Unicode.
PIECES = st.sampled_from(
    [
        b"\xff",
        b"\x1b[2J",
        b"\x1b]0;x\x07",
        b"\0",
        b"\n",
        b"\xc2\x85",
        b"\xe2\x80\xa8",
        b"\xe2\x80\xae",
        b"\xed\xa0\x80",
        b"\xc2\xb2",
        b"\xd9\xa3",
        b"=",
        b":",
        b"0x",
        b"-1",
        b"9" * 5000,
        b"[" * 20_000,
        b'{"tokens":{"0":{"type":"clevis","jwe":{"protected":5}}}}',
        b"{{ 7 * 7 }}",
        b"\\ud800",
        b'"',
    ]
)
ANY_BYTES = st.one_of(st.binary(max_size=64), PIECES, st.lists(PIECES, max_size=6).map(b"".join))
NAMES = st.one_of(st.binary(min_size=1, max_size=80), PIECES.filter(lambda piece: len(piece) < 60)).map(
    lambda name: b"".join(name.replace(b"/", b"_").split(b"\0")) or b"x"
)
PREFIXES = st.sampled_from([b"", b"lxc.payload.", b"docker-", b"vmlinuz-", b"watchdog", b"b8:", b"1", b"machine-", b"0000:"])


@st.composite
def mutated(draw: st.DrawFn, seed: bytes) -> bytes:
    """Content of a file: any, or the seed with any bytes within or in place of some of it."""
    if draw(st.integers(0, 3)) == 0:
        return draw(ANY_BYTES)
    begin = draw(st.integers(0, len(seed)))
    end = draw(st.integers(begin, min(len(seed), begin + 8)))
    return seed[:begin] + draw(ANY_BYTES) + seed[end:]


@st.composite
def hosts(draw: st.DrawFn) -> tuple[dict[str, bytes], dict[str, bytes], list[tuple[str, bytes]]]:
    """Files, outputs of tools, and more directories by the directory that they are in."""
    changed = draw(st.lists(st.sampled_from(sorted(SEEDS)), max_size=12, unique=True))
    said = draw(st.lists(st.sampled_from(sorted(OUTPUTS)), max_size=3, unique=True))
    more = draw(st.lists(st.tuples(st.sampled_from(NAMED), st.tuples(PREFIXES, NAMES).map(b"".join)), max_size=6))
    return (
        {**SEEDS, **{path: draw(mutated(SEEDS[path])) for path in changed}},
        {**OUTPUTS, **{tool: draw(mutated(OUTPUTS[tool])) for tool in said}},
        more,
    )


def make_tree(root: Path, contents: dict[str, bytes], directories: Sequence[tuple[str, bytes]]) -> HostFiles:
    for path, content in contents.items():
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        link = content[1:].replace(b"\0", b"")[:200] if content.startswith(b"@") else b""
        if link:
            os.symlink(link, target)
        else:
            target.write_bytes(content)
    for program in PROGRAMS:
        executable = root / program.lstrip("/")
        executable.parent.mkdir(parents=True, exist_ok=True)
        executable.touch(0o755)
    (root / "boot" / ("vmlinuz-" + RELEASE)).write_bytes(make_bzimage(release=RELEASE))
    for directory, name in directories:
        made = os.path.join(os.fsencode(root) + directory.encode(), name[:200])
        if not os.path.lexists(made):
            os.makedirs(made)
    return HostFiles(str(root))


def texts_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from texts_of(key)
            yield from texts_of(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from texts_of(each)


def check_shown(value: Any) -> None:
    json.dumps(value, ensure_ascii=False).encode("utf-8")
    bad = [text for text in texts_of(value) if not text.isprintable()]
    assert not bad


def answering(outputs: dict[str, bytes]) -> Any:
    def run(argv: Sequence[str], timeout_s: float) -> CommandResult:
        content = outputs.get(os.path.basename(argv[0]))
        return CommandResult(127, "", "") if content is None else CommandResult(0, content.decode("utf-8", "replace"), "")

    return run


def check(contents: dict[str, bytes], outputs: dict[str, bytes], directories: Sequence[tuple[str, bytes]]) -> None:
    """Read a host by every reader, and show what was read."""
    with tempfile.TemporaryDirectory() as root:
        files, run = make_tree(Path(root), contents, directories), answering(outputs)
        for name in READERS:
            read_surroundings(files, run, [name])
        check_shown(printable_values(assemble(gathering.gather(files, run), Seen())))
        out = io.StringIO()
        try:
            check_shown(present(read(files, run)))
            command = _cli.ConsoleCommand(files, run, out)
            command.status(_cli.parse(["status"]))
        except CodedError as error:
            # Only what root has set can't be read.
            assert error.reason.code in ("CONFIG_INVALID", "POLICY_INVALID", "CMDLINE_INVALID")
            check_shown(error.as_result())
        assert all(line.isprintable() for line in out.getvalue().split("\n"))


@settings(max_examples=60)
@given(hosts())
def test_nothing_on_a_host_breaks_what_reads_it(host: Any) -> None:
    check(*host)


@pytest.mark.parametrize("path", sorted(SEEDS))
@pytest.mark.parametrize(
    "content", [b"\xff\x1b[2J\xc2\x85\xe2\x80\xae", b"\xc2\xb2 \xc2\xb2,\xc2\xb2;\xc2\xb2:\xc2\xb2=\xc2\xb2", b"[" * 20_000]
)
def test_no_file_breaks_what_reads_it(path: str, content: bytes) -> None:
    check({**SEEDS, path: content}, OUTPUTS, [])


def test_a_control_group_of_any_name_stops_nothing(tmp_path: Path) -> None:
    groups = [("/sys/fs/cgroup", b"lxc.payload." + name) for name in (b"\xff", b"\x1b[31m", b"a\nb")]
    files = make_tree(tmp_path, SEEDS, groups)
    facts = present(read(files, answering(OUTPUTS)))
    check_shown(facts)
    assert facts["guests"]["containers"] == ["101", "\\x1b[31m", "\\xff", "a\\nb"]
