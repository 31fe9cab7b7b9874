#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
#
# Makes a unified kernel image of the older kernel, with an initrd by dracut, and has systemd-boot boot that.
set -eu
older=$(find /boot -name 'vmlinuz-*' -printf '%f\n' | sed 's/vmlinuz-//' | sort -V | head -n 1)
options=$(sed -n 's/^options *//p' /boot/efi/loader/entries/*"$older".conf)

dracut --quiet --force --no-hostonly-cmdline --add-drivers 'virtio_pci virtio_blk ext4' /var/tmp/lab-dracut.img "$older"
mkdir -p /boot/efi/EFI/Linux
ukify build --linux="/boot/vmlinuz-$older" --initrd=/var/tmp/lab-dracut.img --uname="$older" \
    --cmdline="$options retain_initrd hugepages=8" --output=/boot/efi/EFI/Linux/lab.efi
printf 'timeout 0\ndefault lab.efi\n' > /boot/efi/loader/loader.conf
sync
