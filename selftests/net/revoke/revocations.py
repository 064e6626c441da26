# SPDX-License-Identifier: GPL-2.0-only
"""Ways in which flows can lose their leave."""
import socket

import scene
from family import decode
from scene import (REMOVE_ME, REPLACE_ALLOWEDIPS, enum_name, give_others, grant, key_of, rejoin,
                   resource, wait_for)


class Revocation:
    """
    A way to lose leave. `reason` is what packets are refused for, `end` why flows end. All flows of
    the peer lose it, but for those that have the other grant, where there can be one.
    """
    reason, end = 'no-grant', 'revoked'
    # Whether the other grant helps.
    spares = True
    # Whether idle flows are ended without a packet.
    is_swept = True
    # Packets that still arrive after the change.
    still = 0

    def give(self, cells, spared):
        scene.device.ask('new-resource', resource=[resource(f) for f in cells + spared])
        scene.device.ask('new-grant', grant=[grant(f) for f in cells + spared])

    def take(self, cells, spared):
        """Takes it from all of these."""
        raise NotImplementedError

    def refusal(self, flow, forward):
        """(direction, reason) that a packet is counted under, if it is."""
        return flow.direction_of(forward), self.reason

    def restore(self):
        pass


class GrantRemoved(Revocation):
    """grant removed"""

    def take(self, cells, spared):
        scene.device.ask('del-grant', grant=[key_of(grant(f)) for f in cells + spared])


class ResourceChanged(Revocation):
    """resource changed"""

    def take(self, cells, spared):
        """To another service, or another address."""
        scene.device.ask('new-resource', resource=[
            resource(f, service=[{'protocol': 99}]) if number % 2 else
            resource(f, prefix=[{'addr': bytes((192, 0, 2, 77)), 'len': 32}])
            for number, f in enumerate(cells + spared)])


class ResourceRemoved(Revocation):
    """resource removed"""

    def take(self, cells, spared):
        scene.device.ask('del-resource', resource=[{'name': f.name} for f in cells + spared])


class DenyAdded(Revocation):
    """deny added"""
    reason = end = 'denied'
    spares = False

    def give(self, cells, spared):
        """What is denied later is there already: the denial alone has to count."""
        super().give(cells, spared)
        scene.device.ask('new-resource', resource=[
            {'name': f'{f.name}-deny', 'prefix': [larger(f)]} for f in cells])

    def take(self, cells, spared):
        """Of a larger resource, for the peer or for any."""
        denials = [{**grant(f), 'resource': f'{f.name}-deny', 'action': 'deny'} for f in cells]
        for number, one in enumerate(denials):
            if number % 2:
                del one['peer']
        scene.device.ask('new-grant', grant=denials)


def larger(flow):
    """A prefix of two addresses, that no flow has which goes on."""
    address = socket.inet_pton(flow.kind.family, flow.dst)
    return {'addr': address[:-1] + bytes([address[-1] & 0xfe]), 'len': 8 * len(address) - 1}


class LeaseEnded(Revocation):
    """lease ended"""
    reason = end = 'expired'

    def take(self, cells, spared):
        scene.device.ask('new-grant', grant=[grant(f, **{'lease-ms': 1}) for f in cells + spared])
        wait_for('the lease to end', lambda: all(self.has_ended(f) for f in cells))

    @staticmethod
    def has_ended(flow):
        answer = scene.device.ask('explain', peer=flow.peer.key, direction=flow.direction,
                            tuple=flow.tuple())
        return enum_name('reason', dict(decode(scene.device.family.spec, 'decision', answer[0]))[
            'reason']) == 'expired'


class PeerRemoved(Revocation):
    """peer removed"""
    end = 'peer-removed'
    spares = False

    def take(self, cells, spared):
        scene.device.ask('set-device', peers=[{'public-key': cells[0].peer.key, 'flags': REMOVE_ME}])

    def refusal(self, flow, forward):
        """Without a peer there is nobody to judge."""
        return 'unroutable' if flow.direction_of(forward) == 'out' else None

    def restore(self):
        rejoin(scene.victim)


class AllowedIpsChanged(Revocation):
    """allowed IPs changed"""
    reason = end = 'source'
    spares = False

    def take(self, cells, spared):
        scene.device.ask('set-device', peers=[{
            'public-key': cells[0].peer.key, 'flags': REPLACE_ALLOWEDIPS,
            'allowedips': [{'family': socket.AF_INET, 'ipaddr': bytes((192, 0, 2, 0)),
                            'cidr-mask': 24}]}])

    def refusal(self, flow, forward):
        return ('in', 'source') if flow.direction_of(forward) == 'in' else 'unroutable'

    def restore(self):
        scene.device.ask('set-device', peers=[{'public-key': scene.victim.key,
                                         'flags': REPLACE_ALLOWEDIPS,
                                         'allowedips': scene.victim.allowed}])


class ModeChanged(Revocation):
    """mode changed from open"""
    end = 'mode'
    mode = 'open'

    def give(self, cells, spared):
        """Without a grant, but for what is spared."""
        self.set_mode(self.mode)

    def take(self, cells, spared):
        self.set_mode('enforce')

    def restore(self):
        self.set_mode('inherit')

    @staticmethod
    def set_mode(mode):
        scene.device.ask('set-device', peers=[{'public-key': scene.victim.key, 'mode': [
            {'direction': direction, 'mode': mode} for direction in ('in', 'out')]}])


class ModeChangedFromObserve(ModeChanged):
    """mode changed from observe"""
    mode = 'observe'


class EpochCommitted(Revocation):
    """epoch committed without it"""

    def take(self, cells, spared):
        """With all that is spared restated."""
        scene.device.ask('begin-epoch')
        give_others(spared)
        scene.device.ask('commit-epoch')


class QuotaUsedUp(Revocation):
    """quota used up"""
    reason = end = 'quota'
    is_swept = False
    still = 1

    def give(self, cells, spared):
        scene.device.ask('new-resource', resource=[resource(f) for f in cells + spared])
        scene.device.ask('new-grant', grant=[grant(f, quota=1 << 30) for f in cells + spared])

    def take(self, cells, spared):
        """What is left is one packet more, of the size of the next; of what is spared, nothing."""
        scene.device.ask('new-grant', grant=[
            grant(f, quota=sum(len(packet) for _, packet in f.forward + f.back) +
                  len(f.next[0][1])) for f in cells] + [grant(f, quota=1) for f in spared])


REVOCATIONS = [GrantRemoved, ResourceChanged, ResourceRemoved, DenyAdded, LeaseEnded, PeerRemoved,
               AllowedIpsChanged, ModeChanged, ModeChangedFromObserve, EpochCommitted, QuotaUsedUp]
