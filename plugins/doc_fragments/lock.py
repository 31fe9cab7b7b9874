# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option that says which slots a run shares with others, shared by everything that reboots many hosts."""

from __future__ import annotations


class ModuleDocFragment:
    """The shared slots."""

    DOCUMENTATION = r"""
options:
  lock:
    description:
      - The slots that this run shares with other runs. Every host that is about to go down takes one, and has it until it is
        proven back or given up. While all are taken, nobody starts another host.
      - A slot outlives its controller. A run that was killed still counts with the hosts that it left down, until it is resumed
        or the slot is freed by hand.
      - The collection's documentation says how to see who holds slots, and how to free one.
    type: dict
    suboptions:
      backend:
        description:
          - Where the slots are kept.
          - V(local) is a directory on the controller (C(fleet.kexec/locks) below E(XDG_STATE_HOME)), for all runs of one user on
            one machine.
          - V(etcd) is for several controllers. It takes an etcd of version 3.4 or later, by its JSON gateway.
        type: str
        choices:
          - local
          - etcd
        default: local
      name:
        description: Runs with the same name share the slots. Those with different names have nothing to do with each other.
        type: str
        default: default
      slots:
        description:
          - How many hosts may be unavailable at once, over all runs with this O(lock.name).
          - All have to give the same number. It can change while no slot is taken and no other run lives.
          - Required for O(lock.backend=etcd). If omitted for V(local), there is no limit across runs; that one host is not
            rebooted by two runs at once is seen to all the same.
        type: int
      timeout_s:
        description: How long to wait for one answer, in seconds; for each of the O(lock.endpoints).
        type: float
        default: 5.0
      endpoints:
        description:
          - URLs of etcd's members. They are tried in this order, and the one that answered last is tried first.
          - Proxies set in the environment are not used.
          - Required for O(lock.backend=etcd). For this and what follows, V(local) has no use.
        type: list
        elements: str
      prefix:
        description: What the names of all keys in etcd begin with.
        type: str
        default: /fleet.kexec
      ttl_s:
        description:
          - After how many seconds without a sign of life a controller counts as dead. It triggers nothing any more then, and
            another one may resume its run. Its slots stay.
          - From 2 to 3600. Not less than etcd needs to find a new leader.
        type: int
        default: 30
      ca_path:
        description:
          - File with the certificates (PEM) of the authorities that etcd's certificate may come from, instead of the system's.
        type: path
      client_cert:
        description: File with a certificate (PEM) to show to etcd. It may contain the key, too.
        type: path
      client_key:
        description: File with the key (PEM) of O(lock.client_cert).
        type: path
      validate_certs:
        description: Whether etcd's certificate is checked.
        type: bool
        default: true
      username:
        description: User to authenticate as to etcd. It has to have the rights to read and write below O(lock.prefix).
        type: str
      password:
        description: The password of O(lock.username). It is sent in the clear unless the endpoint is C(https).
        type: str
"""
