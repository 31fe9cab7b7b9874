#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
#
# Makes an initrd, of the name given, that leaves a mark if it is loaded with the distribution's own.
set -eu

# initramfs-tools sources what is in this directory, when /run is not yet what the system will have; /dev is.
early=$(mktemp -d)
mkdir -p "$early/conf/conf.d"
echo 'echo early > /dev/lab-early-initrd' > "$early/conf/conf.d/lab-early"
(cd "$early" && find . -mindepth 1 | cpio --quiet -o -H newc) > "$1"
rm -r "$early"
