# SPDX-License-Identifier: GPL-3.0-or-later
"""A Debian host with GRUB as a directory tree, and an update-grub that really runs on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ansible_collections.fleet.kexec.plugins.module_utils._bootloader.mkconfig_grub import DebianGrub
from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult, run_command
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles

from ....conftest import RELEASE, write_tree

MAIN = """\
# If you change this file, run 'update-grub' afterwards.
GRUB_DEFAULT=0
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=`( . /nowhere/os-release && echo "$NAME" ) 2>/dev/null || echo Debian`
GRUB_CMDLINE_LINUX_DEFAULT="quiet"
GRUB_CMDLINE_LINUX="console=ttyS0"
"""
KDUMP = 'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT crashkernel=384M-:128M"\n'
KDUMP_PATH = "/etc/default/grub.d/kdump-tools.cfg"

# Reads and writes what grub-mkconfig and its 10_linux do, in their order.
UPDATE_GRUB = r"""#!/bin/sh
set -e
root=${0%/usr/sbin/update-grub}
. "$root/etc/default/grub"
for drop_in in "$root"/etc/default/grub.d/*.cfg; do
    if [ -e "$drop_in" ]; then . "$drop_in"; fi
done
entry() {
    printf "menuentry '%s' --class os \$menuentry_id_option '%s' {\n" "$1" "$2"
    printf "\tlinux\t/boot/vmlinuz-%s root=/dev/vda1 ro %s\n" "$3" "$4"
    if [ -e "$root/boot/initrd.img-$3" ]; then printf "\tinitrd\t/boot/initrd.img-%s\n" "$3"; fi
    printf "}\n"
}
{
    printf 'if [ -s $prefix/grubenv ]; then\n  load_env\nfi\nmenuentry_id_option="--id"\n'
    case $GRUB_DEFAULT in saved) chosen='${saved_entry}' ;; *) chosen=$GRUB_DEFAULT ;; esac
    printf 'if [ "${next_entry}" ] ; then\n   set default="${next_entry}"\nelse\n   set default="%s"\nfi\n' "$chosen"
    echo '### BEGIN /etc/grub.d/10_linux ###'
    normal="$GRUB_CMDLINE_LINUX $GRUB_CMDLINE_LINUX_DEFAULT"
    first=1
    for kernel in $(ls -r "$root/boot" | sed -n 's/^vmlinuz-//p'); do
        if [ "$first" ]; then
            entry "$GRUB_DISTRIBUTOR" simple "$kernel" "$normal"
            echo "submenu 'Advanced options' \$menuentry_id_option 'advanced' {"
        fi
        first=
        title="$GRUB_DISTRIBUTOR, with Linux $kernel"
        entry "$title" "gnulinux-$kernel-advanced" "$kernel" "$normal"
        entry "$title (recovery mode)" "gnulinux-$kernel-recovery" "$kernel" "single $GRUB_CMDLINE_LINUX"
    done | sed '/^submenu/,$ { /^submenu/! s/^/\t/ }'
    echo '}'
    echo '### END /etc/grub.d/10_linux ###'
    if [ -x "$root/etc/grub.d/40_custom" ]; then
        echo '### BEGIN /etc/grub.d/40_custom ###'
        "$root/etc/grub.d/40_custom"
        echo '### END /etc/grub.d/40_custom ###'
    fi
} > "$root/boot/grub/grub.cfg.new"
mv "$root/boot/grub/grub.cfg.new" "$root/boot/grub/grub.cfg"
"""


class DebianHost:
    """The host. Its update-grub can be another, and is counted."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = HostFiles(str(root))
        self.updates = 0
        write_tree(
            root,
            {
                "/etc/default/grub": MAIN,
                "/boot/vmlinuz-" + RELEASE: "",
                "/boot/vmlinuz-6.1.0-9-cloud-amd64": "",
                "/boot/grub/grubenv": "# GRUB Environment Block\n",
            },
        )
        self.install_update_grub(UPDATE_GRUB)
        self.update_grub()

    def install_update_grub(self, script: str) -> None:
        write_tree(self.root, {"/usr/sbin/update-grub": script})
        (self.root / "usr/sbin/update-grub").chmod(0o755)

    def write(self, path: str, text: str) -> None:
        """Write a file, as an administrator does who does not forget to run update-grub."""
        write_tree(self.root, {path: text})
        self.update_grub()

    def update_grub(self) -> None:
        done = self.run(["/usr/sbin/update-grub"], 60)
        assert done.rc == 0, done.stderr
        self.updates = 0

    def run(self, argv: Sequence[str], timeout_s: float) -> CommandResult:
        if argv[0] == "/usr/sbin/update-grub":
            self.updates += 1
            return run_command([self.files.path(argv[0]), *argv[1:]], timeout_s)
        assert argv[0] == "sh"
        return run_command(argv, timeout_s)

    def bootloader(self) -> DebianGrub:
        return DebianGrub(self.files, self.run)
