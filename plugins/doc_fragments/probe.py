# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the option that probes a service while its host reboots."""

from __future__ import annotations


class ModuleDocFragment:
    """Service that is probed around a reboot."""

    DOCUMENTATION = r"""
options:
  probe_ssh:
    description:
      - Whether the host's sshd is watched by TCP connections that read its banner and do not log in. Usually three of them reach
        it for each reboot, two before it goes down and one once it is back, and at most four and three. While it is down, it is
        probed several times a second.
      - With V(false), the host is only asked over its own connection, which logs in. Its return is noticed up to a few seconds
        later, or 11 seconds if something refuses connections, and the outage is less precise. Use it where a single connection
        without a login bans the controller, as with C(PerSourcePenalties noauth:300) in sshd_config, or with fail2ban's
        C(mode = aggressive) and a C(maxretry) below 5.
      - Hosts behind a jump host or a proxy command are never probed.
    type: bool
    default: true
  probe:
    description:
      - A service that the controller probes while the host reboots, in addition to its sshd, to measure the outage of the
        service. Give exactly one of O(probe.port) and O(probe.url).
      - It is probed at least 20 times a second, from the trigger until it answers again after the reboot. More than some 150
        ports, or 70 URLs, that are probed concurrently share 6,000 probes a second, or 3,000.
      - Nothing waits for the service, and nothing fails because of it. If it has not answered when the host is done, there is no
        outage to report, and a note has the code C(PROBE_STILL_DOWN). To avoid that, let the health check of the host wait for
        the service.
      - A service that gave no good answer before the reboot is not probed, and is noted as C(PROBE_NOT_UP).
      - Connections are direct, without proxies or jump hosts.
    type: dict
    suboptions:
      port:
        description: TCP port that has to accept connections. They are closed immediately.
        type: int
      url:
        description:
          - Address beginning with V(http://) or V(https://), requested by C(GET). Redirects are not followed.
          - A user and password in it are sent by basic authentication. They, and anything after a V(?), are never shown.
          - A request that takes longer than the interval between probes runs until its answer, or O(probe.timeout), before the
            next one begins.
        type: str
      address:
        description:
          - Name or address to connect to. If omitted, the address of the host's sshd for O(probe.port), and the host in the URL
            for O(probe.url).
          - Required with O(probe.port) if the controller cannot connect directly to sshd.
          - With O(probe.url), connects to this address instead of the host in the URL, for example to bypass a load balancer. The
            request and the check of the certificate still use the name in the URL.
        type: str
      status:
        description: Status, or list of statuses, that is a good answer to O(probe.url). If omitted, any from 200 to 399.
        type: raw
      validate_certs:
        description: Whether the certificate of the server has to be valid, for O(probe.url).
        type: bool
        default: true
      timeout:
        description: Seconds after which an unanswered request of O(probe.url) fails. A connection that is not made fails after
          one second, while others are tried.
        type: float
        default: 2
"""
