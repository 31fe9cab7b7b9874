#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
#
# Pins the older kernel as the saved default, adds arguments, and has an initrd loaded before the others.
set -eu
older=$(find /boot -name 'vmlinuz-*' -printf '%f\n' | sed 's/vmlinuz-//' | sort -V | head -n 1)

cat > /etc/default/grub.d/lab.cfg <<END
GRUB_DEFAULT=saved
GRUB_CMDLINE_LINUX="\$GRUB_CMDLINE_LINUX retain_initrd hugepages=8"
GRUB_EARLY_INITRD_LINUX_CUSTOM="lab-early.cpio"
END
update-grub
advanced=$(sed -n "s/^submenu .* '\(gnulinux-advanced-[^']*\)' {/\1/p" /boot/grub/grub.cfg)
grub-set-default "$advanced>gnulinux-$older-advanced-${advanced#gnulinux-advanced-}"
