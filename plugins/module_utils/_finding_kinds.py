# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds of findings about an outage, by code: what took time, what to do about it, and what that risks.

A finding is kept as plain values, in the host's history and in journals: C(code), C(phases) (gain by phase), C(time_ms),
C(gain_ms), C(basis) and C(evidence). The sentences of its code are added where it is shown, so that the journal of a large fleet
does not repeat them.
A test compares this table with C(docs/shorter-outages.md).
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Optional

#: Meaning of a gain: the measured time itself would be saved; it was calculated under an assumption, which
#: C(docs/shorter-outages.md) names; or it is an upper limit, and how much of it can be saved is up to the unit or device.
MEASURED, MODELLED, AT_MOST = "measured", "modelled", "at_most"
BASES = (MEASURED, MODELLED, AT_MOST)


class FindingKind(NamedTuple):
    """Sentences of a code; C(part) is the part of the module C(prepare_boot) that would do it, None if nothing there can."""

    title: str
    hint: str
    risk: str
    part: Optional[str]


KINDS: Dict[str, FindingKind] = {
    # The old system stops.
    "STOP_TIMEOUT": FindingKind(
        "Units killed at their stop timeout",
        "Find out why they do not stop, or set TimeoutStopSec=5s for them.",
        "A unit that is killed earlier may lose what it had not written yet.",
        "stop_timeout",
    ),
    "STOP_SLOW": FindingKind(
        "Units slow to stop",
        "See in the units' own logs what they do while they stop; stop what can stop earlier in a before hook.",
        "None for a hook; its time is spent while the host is drained.",
        None,
    ),
    "DEVICE_SHUTDOWN": FindingKind(
        "Devices shut down one after another",
        "Shut down controllers side by side: a kernel with asynchronous shutdown, or parallel_shutdown.",
        "A controller that is still in use must not be shut down.",
        "parallel_shutdown",
    ),
    # The kernel, up to its first program.
    "CONSOLE_SERIAL": FindingKind(
        "Kernel messages on a serial console",
        "Append quiet or loglevel=4 to the command line, or raise the console's baud rate.",
        "The console shows less of a boot that hangs; panics still reach it.",
        "quiet",
    ),
    "SMP_BRINGUP": FindingKind(
        "CPUs brought up one after another",
        "Use Linux 6.5 or later, which brings up CPUs in parallel where the architecture can.",
        "That of any newer kernel.",
        None,
    ),
    "DELAY_CALIBRATION": FindingKind(
        "Calibration of the delay loop",
        "Append lpj= with the value that the kernel log names.",
        "The value is wrong on another CPU model, so drivers would wait too long or too short there.",
        None,
    ),
    "INITRD_UNPACKING": FindingKind(
        "Unpacking of the initrd",
        "Load an uncompressed copy without drivers of other machines (initrd=slim); for firmware's, MODULES=dep, hostonly=yes.",
        "A slim initrd does not boot on other hardware.",
        "initrd",
    ),
    "INITCALL_SLOW": FindingKind(
        "Slow initcalls",
        "Do without the driver if nothing here needs it (initcall_blacklist=), or report the time to its maintainers.",
        "A driver that is left out may be needed after all.",
        None,
    ),
    # The initrd.
    "ROOT_DEVICE": FindingKind(
        "Disks of the root file system appear late",
        "See in the kernel log what their controller did until then, such as spin-up, scans of empty ports, or a late driver.",
        "None for looking; a controller's settings may hide its disks.",
        None,
    ),
    "RESUME_DEVICE": FindingKind(
        "Wait for a resume device that does not exist",
        "Append noresume, or set RESUME=none in /etc/initramfs-tools/conf.d/resume and run update-initramfs -u.",
        "The host can't resume from hibernation, which servers do not do.",
        None,
    ),
    "DEFERRED_PROBE": FindingKind(
        "Wait for a device whose driver never comes",
        "Add the missing driver to the initrd, or append deferred_probe_timeout=1.",
        "A driver that comes later than that finds its device given up.",
        None,
    ),
    "INITRD_UNIT": FindingKind(
        "Slow units of the initrd",
        "Leave out of the initrd what the root file system does not need, such as LVM, RAID or multipath.",
        "An initrd that lacks what the root file system needs does not boot.",
        None,
    ),
    # Userspace.
    "DEVICE_TIMEOUT": FindingKind(
        "Devices waited for in vain",
        "Remove the device from /etc/fstab or crypttab, or mark it nofail and noauto.",
        "None while the device does not exist.",
        None,
    ),
    "DEVICE_SLOW": FindingKind(
        "Devices that appear late",
        "Mark what does not belong to sshd or the service nofail, so that they do not wait for it.",
        "A service may start before its file system is there; give it RequiresMountsFor=.",
        None,
    ),
    "FSCK": FindingKind(
        "File system checks",
        "Set the sixth field of /etc/fstab to 0 for journaling file systems, or use xfs, which is not checked at boot.",
        "Damage that the journal does not mend is found later.",
        None,
    ),
    "UDEV_SETTLE": FindingKind(
        "Wait until udev has settled",
        "Find what asks for systemd-udev-settle.service (systemctl list-dependencies --reverse) and update or remove it.",
        "Software that needs it may start before its devices are there.",
        None,
    ),
    "CLOUD_INIT": FindingKind(
        "cloud-init on every boot",
        "Disable it once the host is set up: touch /etc/cloud/cloud-init.disabled.",
        "Changes to the instance's metadata are no longer applied.",
        "cloud_init_disabled",
    ),
    "START_SLOW": FindingKind(
        "Slow units on the way to the network or to sshd",
        "Order the unit after sshd (After=ssh.service), or find in its log what it waits for.",
        "A unit that others rely on then starts later.",
        None,
    ),
    # The network, and sshd.
    "LINK_SLOW": FindingKind(
        "Link negotiation",
        "Bring the interface up in the initrd, so that it negotiates while userspace starts.",
        "None known; the link comes up without an address.",
        None,
    ),
    "DHCP": FindingKind(
        "Wait for an address by DHCP or router advertisement",
        "Configure the address statically, or shorten what delays the server's answer (spanning tree, relays).",
        "A static address has to be kept in step with the network's plan.",
        None,
    ),
    "WAIT_ONLINE": FindingKind(
        "Wait for all interfaces to be online",
        "Wait only for the interface that is needed (--interface=, --any), or order nothing after network-online.target.",
        "Software that expects every interface to be up may start before it is.",
        "wait_online",
    ),
    "SSHD_LATE": FindingKind(
        "sshd starts late",
        "Start sshd without the ordering that it does not need; a drop-in can't take After= away.",
        "Logins are possible while the system is still starting; pam_nologin holds back ordinary users.",
        "ssh_early",
    ),
}


def explained(findings: Any) -> List[Dict[str, Any]]:
    """Add title, hint, risk and part of C(prepare_boot) to findings; those that are malformed or of unknown codes are left out.

    :param findings: as a timeline has them, from a file that may hold anything.
    """
    if not isinstance(findings, list):
        return []
    known = [each for each in findings if isinstance(each, Mapping) and str(each.get("code")) in KINDS]
    return [dict(each, **_sentences(KINDS[str(each["code"])])) for each in known]


def _sentences(kind: FindingKind) -> Dict[str, Any]:
    return {"title": kind.title, "hint": kind.hint, "risk": kind.risk, "prepare_boot": kind.part}
