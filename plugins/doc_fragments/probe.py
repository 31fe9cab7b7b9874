# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option that has a service probed while its host reboots, shared by everything that reboots hosts."""

from __future__ import annotations


class ModuleDocFragment:
    """A service that is probed around a reboot."""

    DOCUMENTATION = r"""
options:
  probe:
    description:
      - A service that the controller probes while the host reboots, beside its sshd, to tell how long the service was away. Give
        exactly one of O(probe.port) and O(probe.url).
      - It is probed 20 times a second or more, from the trigger until it answers again after the reboot. More than some 150
        ports, or 70 URLs, that are probed at a time share 6,000 probes a second, or 3,000.
      - Nothing waits for it, and nothing fails for it. If it has not answered by the time the host is done, there is no outage to
        tell, and a note with the code C(PROBE_STILL_DOWN). Have what says that the host is healthy wait for it.
      - A service that gave no good answer before the reboot is not watched, and noted as C(PROBE_NOT_UP).
      - It is connected to directly, through no proxy and no jump host.
    type: dict
    suboptions:
      port:
        description: TCP port that has to take connections. They are closed at once.
        type: int
      url:
        description:
          - Address beginning with V(http://) or V(https://) that is asked for by C(GET). Redirects are not followed.
          - A user and password in it are sent by basic authentication. They, and what follows a V(?), are shown nowhere.
          - A request that takes longer than the time between two probes is ended by its answer, or by O(probe.timeout),
            before the next one begins.
        type: str
      address:
        description:
          - Name or address to connect to. If omitted, where sshd of the host is for O(probe.port), and what it names for
            O(probe.url).
          - Needed with O(probe.port) where sshd can't be connected to directly from the controller.
          - With O(probe.url) it leads the connection elsewhere than to the host in the URL, past a load balancer say. The
            name in the URL is still what is asked for, and what the certificate has to be for.
        type: str
      status:
        description: Status that is a good answer to O(probe.url), or a list of several. Any from 200 to 399 if omitted.
        type: raw
      validate_certs:
        description: Whether the certificate of the server has to be valid, for O(probe.url).
        type: bool
        default: true
      timeout:
        description:
          - Seconds until a request of O(probe.url) that is not answered has failed. A connection that is not made has after a
            second, others being tried meanwhile.
        type: float
        default: 2
"""
