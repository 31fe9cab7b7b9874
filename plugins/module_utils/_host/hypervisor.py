# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform under the machine: hypervisor, cloud, and the part that the machine itself has in running a hypervisor."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional

from .._command import Runner
from .files import HostFiles

AZURE = "azure"
GOOGLE = "google"
AMAZON = "amazon"

_DMI = "/sys/class/dmi/id"
# Microsoft Learn, "Azure Instance Metadata Service": the chassis asset tag of every Azure VM.
_AZURE_ASSET_TAG = "7783-7084-3265-9085-8269-3286-77"
_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Hypervisor:
    """Platform of the machine.

    :ivar vm: as named by C(systemd-detect-virt --vm) (C(kvm), C(qemu), C(microsoft), ...); None on hardware or if unknown.
    :ivar cloud: C(azure), C(google), C(amazon), or None.
    :ivar xen_guest: type of a guest of Xen, C(PV), C(PVH), C(HVM) or C(unknown); None for none.
    :ivar hyperv_parent: whether it runs guests on Microsoft's hypervisor, as its root partition or within a guest of it.
    """

    vm: Optional[str]
    cloud: Optional[str]
    vendor: Optional[str]
    product: Optional[str]
    xen_dom0: bool
    xen_guest: Optional[str] = None
    hyperv_parent: bool = False


def cloud_of(vendor: Optional[str], product: Optional[str], asset_tag: Optional[str]) -> Optional[str]:
    """Recognise a cloud by its DMI strings; None if it is none of the known ones."""
    if asset_tag == _AZURE_ASSET_TAG:
        return AZURE
    if product == "Google Compute Engine":
        return GOOGLE
    return AMAZON if vendor == "Amazon EC2" else None


def _xen_guest(files: HostFiles, vm: Optional[str]) -> Optional[str]:
    """Type of a guest of Xen; None for none (Documentation/ABI/stable/sysfs-hypervisor-xen of the kernel)."""
    if vm != "xen" and files.read_name("/sys/hypervisor/type") != "xen":
        return None
    return files.read_name("/sys/hypervisor/guest_type") or "unknown"


def read_hypervisor(files: HostFiles, run: Runner) -> Hypervisor:
    said = run(["systemd-detect-virt", "--vm"], _TIMEOUT_S).stdout.strip()
    vm = said if re.fullmatch(r"[a-z][a-z0-9_-]*", said) and said != "none" else None
    vendor, product, asset_tag = (
        files.read_name("%s/%s" % (_DMI, name)) for name in ("sys_vendor", "product_name", "chassis_asset_tag")
    )
    xen_dom0 = "control_d" in (files.read_text("/proc/xen/capabilities") or "")
    return Hypervisor(
        vm=vm,
        cloud=cloud_of(vendor, product, asset_tag),
        vendor=vendor,
        product=product,
        xen_dom0=xen_dom0,
        xen_guest=None if xen_dom0 else _xen_guest(files, vm),
        # The device of drivers/hv/mshv_root_main.c, which there is in parent partitions alone.
        hyperv_parent=files.exists("/dev/mshv"),
    )
