# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Processes of the VM lab that outlive, or outwait, an Ansible task.

A guest lives in one directory: ``overlay.qcow2``, ``console.log``, ``qmp.sock``, ``pid``.
Everything else about the lab is in the playbooks beside this file.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

OVMF = Path("/usr/share/OVMF")
QEMU = "qemu-system-x86_64"
CONSOLE_TAIL_LINES = 60
PROBE_TIMEOUT_S = 30.0
QMP_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 10.0
# Terminal control sequences that firmware, GRUB and systemd write to a serial console.
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][0-9A-B]|.)|[\x00-\x08\x0b-\x1f]")


class LabError(Exception):
    """What went wrong, for the person at the terminal."""


# --- processes ---------------------------------------------------------------------------


def start_ticks(pid: int) -> int | None:
    """Start time of a live process in clock ticks since boot; None if there is none.

    Field 22 of /proc/PID/stat, see proc(5). With the pid it names a process for good.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def running_pid(guest: Path) -> int | None:
    """Pid of the guest's QEMU, if the process of that number is still the one recorded."""
    try:
        pid, ticks = map(int, (guest / "pid").read_text(encoding="utf-8").split())
    except FileNotFoundError:
        return None
    return pid if start_ticks(pid) == ticks else None


def poll(timeout_s: float, interval_s: float = 0.1) -> Iterator[float]:
    """Yields the seconds waited so far until they exceed the timeout."""
    begin = time.monotonic()
    while (waited := time.monotonic() - begin) <= timeout_s:
        yield waited
        time.sleep(interval_s)


# --- a guest -----------------------------------------------------------------------------


def cpu_model(accel: str) -> str:
    """CPU model for an accelerator.

    Nehalem has what the collection measures with (SSE 4.2's crc32) and no 5-level paging, which
    TCG emulates badly. QEMU's TCG before 8.0 breaks cmpxchg16b: the guest must not see it.
    """
    if accel == "kvm":
        return "host"
    version = re.search(r"version (\d+)", subprocess.check_output([QEMU, "--version"], text=True))
    return "Nehalem,-cx16" if version and int(version[1]) < 8 else "Nehalem"


def ovmf(part: str, secure_boot: bool) -> Path:
    """File with a part of the UEFI firmware: the one with Microsoft's keys switches Secure Boot on."""
    return OVMF / f"OVMF_{part}_4M{'.ms' if secure_boot else ''}.fd"


def qemu_command(args: argparse.Namespace) -> list[str]:
    """The QEMU command line of a guest, to be run in the lab's network namespace."""
    guest: Path = args.dir
    firmware: list[str] = []
    machine = "q35,sata=off"
    if args.firmware == "uefi":
        firmware = [
            "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={ovmf('CODE', args.secure_boot)}",
            "-drive", f"if=pflash,unit=1,format=raw,file={guest / 'efivars.fd'}",
        ]  # fmt: skip
    if args.secure_boot:
        # Only firmware in system management mode may write to its variables: an operating system could enrol keys otherwise.
        firmware += ["-global", "driver=cfi.pflash01,property=secure,value=on"]
        machine += ",smm=on"
    # Instructions can only be counted on one thread.
    accel = [args.accel]
    # In threads of their own, emulated processors now and then run code that another one is patching, and oops (int3).
    if args.accel == "tcg" and (args.icount or args.cpus > 1):
        accel = ["tcg,thread=single"]
    if args.icount:
        accel += ["-icount", args.icount]
    return [
        "ip", "netns", "exec", args.netns,
        QEMU, "-name", args.name, "-nodefaults", "-no-user-config", "-display", "none",
        "-machine", machine, "-accel", *accel, "-cpu", cpu_model(args.accel),
        "-smp", str(args.cpus), "-m", str(args.memory_mib), *firmware,
        "-smbios", f"type=11,value=io.systemd.credential:system.hostname={args.name}",
        "-drive", f"if=none,id=disk,format=qcow2,cache=unsafe,file={guest / 'overlay.qcow2'}",
        "-device", "virtio-blk-pci,drive=disk,bootindex=0", "-boot", "strict=on",
        "-netdev", f"tap,id=net0,ifname={args.tap},script=no,downscript=no",
        "-device", f"virtio-net-pci,netdev=net0,mac={args.mac},romfile=",
        "-device", "virtio-rng-pci",
        "-device", "i6300esb", "-action", "watchdog=reset",
        "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
        "-qmp", f"unix:{guest / 'qmp.sock'},server=on,wait=off",
        *(tpm_arguments(guest) if args.tpm else []), *args.qemu_arg,
    ]  # fmt: skip


def tpm_arguments(guest: Path) -> list[str]:
    """QEMU's arguments for a TPM 2.0 that `start_tpm` has started."""
    return [
        "-chardev", f"socket,id=tpm-link,path={guest / 'tpm.sock'}",
        "-tpmdev", "emulator,id=tpm0,chardev=tpm-link", "-device", "tpm-tis,tpmdev=tpm0",
    ]  # fmt: skip


def start_tpm(guest: Path) -> None:
    """Starts a TPM, which ends with the guest's QEMU. What it holds is in the guest's directory."""
    (guest / "tpm").mkdir(exist_ok=True)
    subprocess.run(
        [
            "swtpm", "socket", "--tpm2", "--daemon", "--terminate", "--tpmstate", f"dir={guest / 'tpm'}",
            "--ctrl", f"type=unixio,path={guest / 'tpm.sock'}",
        ],
        check=True,
    )  # fmt: skip


def write_console(source: IO[bytes], log: IO[bytes]) -> None:
    """Copies a serial console to its log, each line stamped with the host's UTC when it began.

    Unbuffered: what a guest said last before it hung is in the log even without a newline.
    """
    fresh = True
    while chunk := os.read(source.fileno(), 65536):
        stamp = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3].encode() + b"Z "
        for line in chunk.replace(b"\r", b"").splitlines(keepends=True):
            log.write(stamp + line if fresh else line)
            fresh = line.endswith(b"\n")


def supervise(command: Sequence[str], guest: Path, report: int) -> None:
    """Runs QEMU and its console log to QEMU's end. Tells `report` b"ok" once QEMU is up."""
    with (
        (guest / "console.log").open("ab", buffering=0) as log,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log) as qemu,
    ):
        pid_file = guest / "pid.new"
        pid_file.write_text(f"{qemu.pid} {start_ticks(qemu.pid)}\n", encoding="utf-8")
        pid_file.rename(guest / "pid")
        for _waited in poll(QMP_TIMEOUT_S):
            if qemu.poll() is not None or (guest / "qmp.sock").exists():
                break
        if qemu.poll() is None:
            os.write(report, b"ok")
        os.close(report)
        assert qemu.stdout is not None
        write_console(qemu.stdout, log)


def daemonize(command: Sequence[str], guest: Path) -> None:
    """Starts the supervisor in a session of its own; returns when the guest's QEMU is up."""
    read_end, write_end = os.pipe()
    if os.fork() == 0:
        os.close(read_end)
        os.setsid()
        if os.fork() == 0:
            null = os.open(os.devnull, os.O_RDWR)
            for stream in range(3):
                os.dup2(null, stream)
            supervise(command, guest, write_end)
        os._exit(0)
    os.close(write_end)
    os.wait()
    with open(read_end, "rb") as answer:
        if answer.read() != b"ok":
            raise LabError(f"QEMU did not start: {console_tail(guest)}")


def start(args: argparse.Namespace) -> str:
    """Starts a guest unless it runs: `started` or `running`."""
    guest: Path = args.dir
    if running_pid(guest):
        return "running"
    guest.mkdir(parents=True, exist_ok=True)
    (guest / "qmp.sock").unlink(missing_ok=True)
    if not (guest / "overlay.qcow2").exists():
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", "-b", args.image, "-F", "qcow2", guest / "overlay.qcow2"],
            check=True,
        )
        shutil.copyfile(ovmf("VARS", args.secure_boot), guest / "efivars.fd")
    if args.tpm:
        start_tpm(guest)
    daemonize(qemu_command(args), guest)
    return "started"


def stop(args: argparse.Namespace) -> str:
    """Ends a guest as if its power was cut, and forgets its disk: `stopped` or `absent`."""
    guest: Path = args.dir
    if not guest.exists():
        return "absent"
    for number in (signal.SIGTERM, signal.SIGKILL):
        pid = running_pid(guest)
        if pid is None:
            break
        os.kill(pid, number)
        for _waited in poll(STOP_TIMEOUT_S):
            if running_pid(guest) is None:
                break
    if running_pid(guest):
        raise LabError(f"QEMU of {guest.name} does not end")
    shutil.rmtree(guest)
    return "stopped"


def console_tail(guest: Path) -> str:
    """The last lines of a guest's console, readable on a terminal."""
    log = guest / "console.log"
    if not log.exists():
        return f"no console log in {guest}"
    text = log.read_bytes().decode("utf-8", "replace").splitlines()[-CONSOLE_TAIL_LINES:]
    return "\n".join([f"--- end of {log} ---", *(ESCAPES.sub("", line) for line in text), "---"])


def wait_ssh(args: argparse.Namespace) -> str:
    """Waits for sshd's banner and says after how many ms, counted from the start of QEMU.

    One connection that got a banner ends the wait: sshd penalises an address whose connections
    close before they authenticate.
    """
    guest: Path = args.dir
    started_s = (guest / "pid").stat().st_mtime
    for waited_s in poll(args.timeout_s):
        with contextlib.suppress(OSError):
            left_s = max(0.2, args.timeout_s - waited_s)
            with socket.create_connection((args.address, args.port), timeout=min(1.0, left_s)) as probe:
                probe.settimeout(left_s)
                if probe.recv(64).startswith(b"SSH-"):
                    return str(round((time.time() - started_s) * 1000))
        if running_pid(guest) is None:
            raise LabError(f"{guest.name}: QEMU has ended\n{console_tail(guest)}")
    raise LabError(f"{guest.name}: no SSH banner within {args.timeout_s:g} s\n{console_tail(guest)}")


def execute(guest: Path, commands: Sequence[dict[str, Any]]) -> list[Any]:
    """Sends QMP commands, each with `execute` and perhaps `arguments`, one after the other; their return values."""
    returned = []
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(QMP_TIMEOUT_S)
        link.connect(str(guest / "qmp.sock"))
        with link.makefile("rw", encoding="utf-8") as stream:
            stream.readline()
            for message in ({"execute": "qmp_capabilities"}, *commands):
                stream.write(json.dumps(message) + "\n")
                stream.flush()
                # Events may come before the answer.
                answer = next(a for a in map(json.loads, stream) if "return" in a or "error" in a)
                if "error" in answer:
                    raise LabError(f"{message['execute']}: {answer['error']['desc']}")
                returned.append(answer["return"])
    return returned[1:]


def qmp(args: argparse.Namespace) -> str:
    """Sends one QMP command (`system_reset`, `stop`, `cont`, …); its return value as JSON."""
    return json.dumps(execute(args.dir, [{"execute": args.execute, "arguments": json.loads(args.arguments)}])[0])


def wait_console(guest: Path, pattern: str, timeout_s: float) -> None:
    """Waits until a guest's console says something that matches a regular expression, from now on."""
    with (guest / "console.log").open("rb") as log:
        log.seek(0, os.SEEK_END)
        said = b""
        for _waited in poll(timeout_s):
            said += log.read()
            if re.search(pattern.encode(), said):
                return
    raise LabError(f"{guest.name}: no {pattern!r} within {timeout_s:g} s\n{console_tail(guest)}")


def qmp_after(args: argparse.Namespace) -> str:
    """Sends QMP commands once the console says something; their return values as JSON."""
    wait_console(args.dir, args.console, args.timeout_s)
    return json.dumps(execute(args.dir, json.loads(args.commands)))


# --- the host ----------------------------------------------------------------------------


def kvm_works(kernel: str) -> bool:
    """Whether a guest kernel gets as far under KVM as to miss its root file system.

    /dev/kvm may be there, and openable, and its guests hang or die all the same.
    """
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    command = [
        QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-machine", "q35",
        "-accel", "kvm", "-cpu", "host", "-m", "512", "-serial", "stdio", "-kernel", kernel,
        "-append", "console=ttyS0 panic=-1",
    ]  # fmt: skip
    try:
        probe = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PROBE_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    return b"VFS: Unable to mount root" in probe.stdout


def accel(args: argparse.Namespace) -> str:
    """`kvm` where it truly works, else `tcg`. Found out once per boot of the host."""
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    answer: Path = args.cache / f"accel-{boot_id}"
    if not answer.exists():
        for stale in args.cache.glob("accel-*"):
            stale.unlink(missing_ok=True)
        answer.write_text("kvm" if kvm_works(args.kernel) else "tcg", encoding="utf-8")
    return answer.read_text(encoding="utf-8")


def cpu(args: argparse.Namespace) -> str:
    """The CPU model that goes with an accelerator."""
    return cpu_model(str(args.accel))


def playbook_pid() -> int:
    """The outermost ansible-playbook this process runs under (tasks run in short-lived forks)."""
    found, pid = 0, os.getppid()
    while pid > 1:
        if b"ansible-playbook" in Path(f"/proc/{pid}/cmdline").read_bytes():
            found = pid
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        pid = int(stat.rpartition(")")[2].split()[1])
    if not found:
        raise LabError("lock: not under an ansible-playbook")
    return found


def lock(args: argparse.Namespace) -> str:
    """Takes a lock for the playbook this runs under; prints the pid that holds it.

    A process has to hold it, for tasks come and go. It ends, and the lock with it, when it is
    killed or when the playbook ends, however that happens.
    """
    owner = playbook_pid()
    owner_ticks = start_ticks(owner)
    args.file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(args.file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for _waited in poll(args.timeout_s):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            continue
    else:
        raise LabError(f"{args.file} is still held by another run after {args.timeout_s:g} s")
    holder = os.fork()
    if holder:
        return str(holder)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)
    while start_ticks(owner) == owner_ticks:
        time.sleep(0.5)
    os._exit(0)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(required=True)

    def command(function: Any, **options: Any) -> argparse.ArgumentParser:
        name = function.__name__.replace("_", "-")
        sub = commands.add_parser(name, help=(function.__doc__ or "").partition("\n")[0], **options)
        sub.set_defaults(run=function)
        return sub

    guest = argparse.ArgumentParser(add_help=False)
    guest.add_argument("dir", type=Path, help="the guest's directory")

    sub = command(start, parents=[guest])
    for option in ("--name", "--image", "--netns", "--tap", "--mac"):
        sub.add_argument(option, required=True)
    sub.add_argument("--accel", choices=("kvm", "tcg"), required=True)
    sub.add_argument("--icount", default="", help="QEMU's -icount: a clock that counts instructions; with tcg only")
    sub.add_argument("--firmware", choices=("bios", "uefi"), default="bios")
    sub.add_argument("--secure-boot", action="store_true", help="with the firmware uefi only")
    sub.add_argument("--tpm", action="store_true", help="with a TPM 2.0")
    sub.add_argument("--memory-mib", type=int, required=True)
    sub.add_argument("--cpus", type=int, required=True)
    sub.add_argument("--qemu-arg", action="append", default=[], help="one more argument for QEMU; repeatable")

    command(stop, parents=[guest])

    sub = command(wait_ssh, parents=[guest])
    sub.add_argument("address")
    sub.add_argument("--port", type=int, default=22)
    sub.add_argument("--timeout-s", type=float, required=True)

    sub = command(qmp, parents=[guest])
    sub.add_argument("execute")
    sub.add_argument("arguments", nargs="?", default="{}", help="a JSON object")

    sub = command(qmp_after, parents=[guest])
    sub.add_argument("console", help="a regular expression, for what the console says from now on")
    sub.add_argument("commands", help="a JSON list of commands, each with `execute` and perhaps `arguments`")
    sub.add_argument("--timeout-s", type=float, required=True)

    sub = command(accel)
    sub.add_argument("--cache", type=Path, required=True)
    sub.add_argument("--kernel", required=True, help="a Linux kernel to boot")

    sub = command(cpu)
    sub.add_argument("accel", choices=("kvm", "tcg"))

    sub = command(lock)
    sub.add_argument("file", type=Path)
    sub.add_argument("--timeout-s", type=float, required=True)
    return parser.parse_args(arguments)


def main() -> int:
    """Runs one subcommand; its answer is the output."""
    args = parse(sys.argv[1:])
    try:
        print(args.run(args))
    except (LabError, OSError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
