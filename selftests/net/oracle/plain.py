# SPDX-License-Identifier: GPL-2.0-only
"""A second evaluator of policy: it has no index, and goes over all there is for each question.

Addresses are (family, number); a prefix is an address and a length.
"""
import dataclasses
import socket

BITS = {socket.AF_INET: 32, socket.AF_INET6: 128}
ICMP = {socket.AF_INET: 1, socket.AF_INET6: 58}
PORTS = (6, 17, 132)


@dataclasses.dataclass(frozen=True)
class Tuple:
    family: int
    protocol: int
    src: int
    dst: int
    sport: int = 0
    dport: int = 0
    icmp_type: int = 0


@dataclasses.dataclass
class Grant:
    """
    end: numbers leases that run; the highest ends last.
    quota: in bytes, or None; used of it; spent once a packet did not fit.
    """
    action: str = 'allow'
    expired: bool = False
    tag: bytes = bytes(16)
    end: int = 0
    quota: int | None = None
    used: int = 0
    spent: bool = False

    def inherit(self, old):
        """Takes the place of another, or of none: what was used of a quota stays used."""
        self.used, self.spent = 0, False
        if old is not None and old.quota and self.quota:
            self.used = old.used
            self.spent = old.spent if old.quota == self.quota else old.used >= self.quota


class Policy:
    """
    resources: name to (prefixes, services); a prefix is (family, address, length), a service
    (protocol, first, last), where None is all.
    grants: (peer or None for any, resource, direction) to Grant.
    modes: (peer or None for the device, direction) to (mode, ask); a peer that inherits has none.
    allowed: peer to prefixes.
    """

    def __init__(self, allowed):
        self.resources, self.grants, self.allowed = {}, {}, allowed
        self.modes = {(None, direction): ('enforce', False) for direction in ('in', 'out')}

    def drop_resource(self, name):
        del self.resources[name]
        self.grants = {key: grant for key, grant in self.grants.items() if key[1] != name}

    def set_grant(self, key, grant):
        grant.inherit(self.grants.get(key))
        self.grants[key] = grant

    def mode(self, peer, direction):
        return self.modes.get((peer, direction), self.modes[None, direction])

    def covers(self, name, packet):
        prefixes, services = self.resources[name]
        if not any(in_prefix(prefix, packet.family, packet.dst) for prefix in prefixes):
            return False
        # ICMP of the other family has no type that a service could name.
        point = packet.dport if packet.protocol in PORTS else -1
        if packet.protocol == ICMP[packet.family]:
            point = packet.icmp_type
        return not services or any(
            protocol == packet.protocol and (first is None or first <= point <= last)
            for protocol, first, last in services)

    def owner(self, family, address):
        """The peer that an inner address belongs to."""
        best, owner = -1, None
        for peer, prefixes in self.allowed.items():
            for prefix in prefixes:
                if prefix[2] > best and in_prefix(prefix, family, address):
                    best, owner = prefix[2], peer
        return owner

    def answer(self, peer, direction, packet):
        """(verdict, reason, mode, keys of the grants of which one decides)"""
        mode, ask = self.mode(peer, direction)
        if self.owner(packet.family, packet.src if direction == 'in' else packet.dst) != peer:
            return 'refuse', 'source', mode, []
        if mode == 'open':
            return 'pass', 'none', mode, []
        grants = {key: grant for key, grant in self.grants.items()
                  if key[0] in (None, peer) and key[2] == direction and self.covers(key[1], packet)}

        def those(action, expired, spent=False):
            return [key for key, grant in grants.items() if grant.action == action and
                    grant.expired == expired and (expired or grant.spent == spent)]

        def best(keys):
            """Without a quota rather than with, and that which ends last."""
            return max(keys, key=lambda key: (grants[key].quota is None, grants[key].end))

        reason, deciding = 'no-grant', []
        if those('deny', False):
            reason, deciding = 'denied', those('deny', False)
        elif those('allow', False):
            return 'pass', 'none', mode, [best(those('allow', False))]
        elif those('allow', False, spent=True):
            reason, deciding = 'quota', those('allow', False, spent=True)
        elif those('allow', True):
            reason, deciding = 'expired', those('allow', True)
        if mode == 'observe':
            return 'observe', reason, mode, deciding
        return 'ask' if ask and reason != 'denied' else 'refuse', reason, mode, deciding

    def admit(self, peer, direction, packet, length):
        """As answer(), for a first packet that uses something up."""
        while True:
            verdict, reason, mode, keys = self.answer(peer, direction, packet)
            grant = self.grants[keys[0]] if verdict == 'pass' and keys else None
            if grant is None or grant.quota is None:
                return verdict, reason
            if length <= grant.quota - grant.used:
                grant.used += length
                return verdict, reason
            # Another may have room.
            grant.spent = True


def in_prefix(prefix, family, address):
    of, start, length = prefix
    return of == family and all(
        (start ^ address) >> (BITS[family] - 1 - bit) & 1 == 0 for bit in range(length))
