#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
# Uses six of eight drives: 0 and 1 by MD, 2 and 3 by LVM, 4 by a file system, 5 as swap. Nothing uses 6 and 7.
set -e
udevadm settle
# The kernel may have found them in any order.
drive() {
    readlink -f "/dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_LAB-$1"
}
yes | mdadm --quiet --create /dev/md/lab --name=lab --level=1 --raid-devices=2 --metadata=1.2 "$(drive 0)" "$(drive 1)"
pvcreate --quiet --yes "$(drive 2)" "$(drive 3)"
vgcreate --quiet lab "$(drive 2)" "$(drive 3)"
lvcreate --quiet --yes --type=raid1 --mirrors=1 --size=64m --name=volume lab
mkswap --quiet --label=lab-swap "$(drive 5)"
for each in "lab-md /dev/md/lab" "lab-lv /dev/lab/volume" "lab-plain $(drive 4)"; do
    label=${each% *}
    mkfs.ext4 -q -L "$label" "${each#* }"
    mkdir -p "/srv/$label"
    echo "LABEL=$label /srv/$label ext4 defaults,nofail 0 2" >> /etc/fstab
done
echo 'LABEL=lab-swap none swap nofail 0 0' >> /etc/fstab
mdadm --detail --scan >> /etc/mdadm/mdadm.conf
systemctl daemon-reload
udevadm settle
for label in lab-md lab-lv lab-plain; do
    mount "/srv/$label"
    head -c 8388608 /dev/urandom > "/srv/$label/data"
done
swapon --all
mdadm --wait /dev/md/lab || true
while [ "$(lvs --noheadings -o sync_percent lab/volume | tr -d ' ')" != 100.00 ]; do
    sleep 1
done
sync
sha256sum /srv/lab-*/data > /var/tmp/lab-digests
