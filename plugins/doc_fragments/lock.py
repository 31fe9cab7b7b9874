# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the option for slots that several runs share."""

from __future__ import annotations


class ModuleDocFragment:
    """Shared slots."""

    DOCUMENTATION = r"""
options:
  lock:
    description:
      - Slots that this run shares with other runs. Every host takes one before it is drained, and holds it until it is back in
        service or given up. While all are taken, no run drains another host.
      - A slot outlives its controller. Hosts that stay down keep their slots until they are seen up, the run is resumed, or the
        slots are freed by hand.
      - The collection's documentation says how to list the holders of slots, and how to free a slot.
    type: dict
    suboptions:
      backend:
        description:
          - Storage of the slots.
          - V(local) is a directory on the controller (C(fleet.kexec/locks) below E(XDG_STATE_HOME)), for all runs of one user on
            one machine.
          - V(etcd) is for several controllers. It needs etcd 3.4 or later, with its JSON gateway.
        type: str
        choices: [local, etcd]
        default: local
      name:
        description: Name of the set of slots. Runs with the same name share slots; runs with different names are independent.
        type: str
        default: default
      slots:
        description:
          - Number of hosts that may be unavailable at once, over all runs with this O(lock.name). All have to give the same
            number. It can change while no slot is taken and no other run is alive.
          - Required for O(lock.backend=etcd). If omitted for V(local), there is no limit across runs, but two runs still never
            reboot the same host at once.
        type: int
      timeout_s:
        description: Seconds to wait for one answer, for each of the O(lock.endpoints).
        type: float
        default: 5.0
      endpoints:
        description:
          - URLs of etcd's members. They are tried in this order, beginning with the one that answered last. Proxies set in the
            environment are not used.
          - Required for O(lock.backend=etcd). V(local) ignores this option and those that follow.
        type: list
        elements: str
      prefix:
        description: Prefix of all keys in etcd.
        type: str
        default: /fleet.kexec
      ttl_s:
        description:
          - Seconds without a sign of life after which a controller counts as dead. It then triggers nothing more, and another one
            may resume its run. Its slots stay taken.
          - From 2 to 3600, and at least as long as etcd needs to elect a leader.
        type: int
        default: 30
      ca_path:
        description: PEM file with the certificates of the authorities to trust for etcd, instead of the system's. Python 3.13 and
          later want them to keep to RFC 5280 (docs/locks.md, section Private CAs).
        type: path
      client_cert:
        description: PEM file with a certificate to present to etcd. It may also contain the key.
        type: path
      client_key:
        description: PEM file with the key of O(lock.client_cert).
        type: path
      validate_certs:
        description: Whether etcd's certificate is checked.
        type: bool
        default: true
      username:
        description: User to authenticate as to etcd. Needs permission to read and write below O(lock.prefix).
        type: str
      password:
        description: Password of O(lock.username). It is sent in cleartext unless the endpoint is C(https).
        type: str
"""
