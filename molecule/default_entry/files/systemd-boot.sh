#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
#
# Has no attempt left for the newest kernel, and three for the older one, whose entry gets arguments and one more initrd.
set -eu
cd /boot/efi/loader/entries
older=$(find . -name '*.conf' -printf '%f\n' | sort -V | head -n 1)
for entry in *.conf; do
    [ "$entry" = "$older" ] || mv "$entry" "${entry%.conf}+0-3.conf"
done

sed -i -e 's/^\(options .*\)/\1 retain_initrd hugepages=8/' -e '0,/^initrd/ s|^initrd|initrd /lab-early.cpio\n&|' "$older"
mv "$older" "${older%.conf}+3.conf"
sync
