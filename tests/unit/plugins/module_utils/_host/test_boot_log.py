# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel log on the way into userspace."""

from __future__ import annotations

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._host.boot_log import (
    BootLog,
    Initcall,
    KernelMessage,
    parse_boot_log,
    parse_message,
)

# Of a Debian 13 guest; the initcalls as init/main.c writes them, with initcall_debug.
LOG = """\
6,335,2681379,-;tsc: Refined TSC clocksource calibration: 2596.098 MHz
7,340,2691379,-;initcall init_tis+0x0/0x1a0 returned 0 after 1203 usecs
7,341,2692379,-;initcall virtio_net_driver_init+0x0/0xff0 [virtio_net] returned -19 after 87 usecs
6,364,6917397,-;Run /init as init process
7,365,6917401,-;  with arguments:
6,399,9126217,-;Run /sbin/init as init process
"""


def messages(log: str) -> list[KernelMessage]:
    return [message for message in map(parse_message, log.splitlines()) if message]


def test_messages_of_the_kernel_itself() -> None:
    assert parse_message("4,7,12,-;hello; world") == KernelMessage(7, 4, 12, "hello; world")
    assert [
        parse_message(each)
        for each in (" SUBSYSTEM=pci", "", "x,7,12,-;hello", "²,7,12,-;hello", "12,7,12,-;of syslog", "4,%s,1,-;x" % ("9" * 5000))
    ] == [None] * 6


def test_the_first_program_and_initcalls() -> None:
    assert parse_boot_log(messages(LOG)) == BootLog(
        "/init", 6917397000, [Initcall("init_tis", 1203, 2691379), Initcall("virtio_net_driver_init", 87, 2692379)]
    )


def test_a_log_that_begins_too_late() -> None:
    assert parse_boot_log(messages("6,900,9000000,-;systemd[1]: Hello.")) == BootLog()


@pytest.mark.parametrize("priority", [12, 30])
def test_what_others_write_into_the_log_does_not_count(priority: int) -> None:
    assert parse_boot_log(messages("%d,9,5000,-;Run /init as init process" % priority)) == BootLog()
