# SPDX-License-Identifier: GPL-2.0-only
"""A device of fz and the two peers that it has, which are we, in namespaces of this process.

    one: begins its sessions and is granted to reach the host; two: the host begins, in vain or not

                  probe                                        host
        192.168.7.1, fd07::1 one -+                       192.168.7.2/24 tun, port 1000
        192.168.7.3, fd07::3 two -+---- eth ---- eth ---- fd07::2/64
                 192.0.2.1, 2001:db8::1       192.0.2.2, 2001:db8::2
"""
import os
import select
import socket
import struct
import time

from cryptography.exceptions import InvalidTag

import packets
import recipe
import wireguard as wg
from family import Family
from namespace import Namespace

SOL_UDP, UDP_SEGMENT = 17, 103
REMOVE_ME = 1
REJECT = 2      # what is refused is answered
PORT = 1000
HOST4, HOST6 = '::ffff:192.0.2.2', '2001:db8::2'
# How long an answer may take on a busy machine, and after how long it is asked for again.
PATIENCE, AGAIN = 60, 2
# A session is over after three minutes.
SESSION_SECONDS = 100
CHECK_ID = 0xf2


class Peer:
    """One of our ends: a key, a socket of both families, and the sessions that there are."""

    def __init__(self, port, prefixes):
        self.key, self.psk = os.urandom(32), os.urandom(32)
        self.public = wg.public(self.key)
        self.port, self.prefixes = port, prefixes
        self.stamps = wg.Stamps()
        self.line = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.line.bind(('::', port))
        self.sessions = []
        self.begun = 0
        self.initiation = None      # of the host

    def send(self, message, over6=False, segment=0):
        """False if our own kernel does not send it."""
        how = [(SOL_UDP, UDP_SEGMENT, struct.pack('=H', segment))] if segment else []
        try:
            self.line.sendmsg([message], how, 0, (HOST6 if over6 else HOST4, PORT))
        except OSError:
            return False
        return True

    def take(self, seconds):
        """The next datagram, or None."""
        if not select.select([self.line], [], [], max(seconds, 0))[0]:
            return None
        return self.line.recv(70000)

    def opened(self, message):
        """The packet in a data message of any of our sessions, whatever index it is sent to; else None."""
        for session in reversed(self.sessions):
            addressed = message[:4] + struct.pack('<I', session.local_index) + message[8:]
            try:
                return session.open(addressed)[1]
            except InvalidTag:
                pass
        return None


class Tunnel:
    """Sends the lines of cases to a device, and sees whether it lives."""

    def __init__(self, spec, mode):
        self.mode, self.sent, self.unsent, self.delivered = mode, 0, 0, 0
        self.spoiled = False        # what we send now may be older than what the host has seen
        self.host, self.probe = Namespace(), Namespace()
        self.host_key = os.urandom(31) + b'\x40'
        self.remote = wg.public(self.host_key)
        self.sequence = 0
        self.wire()
        with self.host:
            self.family = Family(spec)
            self.tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
            self.tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            self.tap.bind(('tun', 3))
            self.tap.setblocking(False)
            self.speaker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.speaker.bind(('', recipe.HOST_PORT))
        with self.probe:
            self.one = Peer(2001, [(recipe.ONE4, 32), (recipe.ONE6, 128)])
            self.two = Peer(2002, [(recipe.TWO4, 32), (recipe.TWO6, 128)])
        self.ask('set-device', {
            'private-key': self.host_key, 'listen-port': PORT,
            'mode': [{'direction': 'in', 'mode': mode, 'flags': REJECT if mode == 'enforce' else 0},
                     {'direction': 'out', 'mode': 'open', 'flags': 0}]})
        self.ask('new-resource', {'resource': [{
            'name': 'host', 'prefix': [{'addr': socket.inet_aton(recipe.HOST4), 'len': 32},
                                       {'addr': socket.inet_pton(socket.AF_INET6, recipe.HOST6),
                                        'len': 128}],
            'service': [{'protocol': packets.ICMP}, {'protocol': packets.ICMP6},
                        {'protocol': packets.UDP, 'port-min': recipe.GRANTED,
                         'port-max': recipe.GRANTED}]}]})
        self.renew(self.one)

    def wire(self):
        probe, host = self.probe, self.host
        probe.run('ip', 'link', 'add', 'eth', 'type', 'veth', 'peer', 'name', 'eth', 'netns', host.path)
        for namespace, number in ((probe, 1), (host, 2)):
            namespace.run('ip', 'addr', 'add', f'192.0.2.{number}/24', 'dev', 'eth')
            namespace.run('ip', 'addr', 'add', f'2001:db8::{number}/64', 'dev', 'eth', 'nodad')
            namespace.run('ip', 'link', 'set', 'eth', 'up')
        host.run('ip', 'link', 'add', 'tun', 'type', 'fz')
        host.run('ip', 'addr', 'add', f'{recipe.HOST4}/24', 'dev', 'tun')
        host.run('ip', 'addr', 'add', f'{recipe.HOST6}/64', 'dev', 'tun', 'nodad')
        host.run('ip', 'link', 'set', 'tun', 'up')

    def remove(self):
        self.host.run('ip', 'link', 'del', 'tun')

    def ask(self, operation, values):
        answer = self.family.send(self.family.request(operation, {'ifname': 'tun', **values}))
        if answer.error:
            raise SystemExit(f'{operation}: {answer.error} {answer.sentence}')
        return answer.messages

    def renew(self, peer):
        """The host forgets all that it knows of a peer but its keys."""
        self.ask('set-device', {'peers': [{'public-key': peer.public, 'flags': REMOVE_ME}]})
        values = {'public-key': peer.public, 'preshared-key': peer.psk, 'flags': 0, 'allowedips': [
            {'family': socket.AF_INET6 if ':' in address else socket.AF_INET, 'cidr-mask': size,
             'ipaddr': socket.inet_pton(socket.AF_INET6 if ':' in address else socket.AF_INET, address)}
            for address, size in peer.prefixes]}
        if peer is self.two:
            values['endpoint'] = struct.pack('=H', socket.AF_INET) + struct.pack('!H', peer.port) + \
                socket.inet_aton('192.0.2.1') + bytes(8)
        self.ask('set-device', {'peers': [values]})
        if peer is self.one:
            self.ask('new-grant', {'grant': [{'peer': peer.public, 'resource': 'host', 'direction': 'in',
                                              'action': 'allow', 'lease-ms': 3600000, 'tag': bytes(16)}]})
        peer.sessions, peer.initiation, peer.stamps = [], None, wg.Stamps()

    # Sessions that a peer begins: peer one, if no other is named

    def begin(self, seconds=PATIENCE, peer=None):
        """A new session; False if there is none to be had."""
        peer = peer or self.one
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            initiation = wg.Initiator(peer.key, self.remote, peer.psk, peer.stamps.next())
            peer.send(initiation.message)
            again = time.monotonic() + AGAIN
            while (message := peer.take(again - time.monotonic())) is not None:
                if wg.kind(message) == wg.RESPONSE and message[8:12] == initiation.message[4:8]:
                    peer.sessions = peer.sessions[-1:] + [initiation.finish(message)]
                    peer.begun = time.monotonic()
                    return True
        return False

    def renew_session(self):
        """The same, with the peer made anew if a timestamp of the future may have been taken. What
        is still queued can spoil the new one too."""
        if not self.spoiled:
            return self.begin()
        end = time.monotonic() + PATIENCE
        while self.spoiled and time.monotonic() < end:
            self.renew(self.one)
            self.spoiled = not self.begin(2 * AGAIN)
        return not self.spoiled

    @staticmethod
    def is_usable(peer):
        """Whether a session can still be expected to work."""
        return peer.sessions and time.monotonic() < peer.begun + SESSION_SECONDS and \
            peer.sessions[-1].counter < wg.REJECT_AFTER_MESSAGES

    def usable(self):
        return self.is_usable(self.one)

    @staticmethod
    def question(peer, sequence):
        (four, _), (six, _) = peer.prefixes
        if sequence % 2:
            return packets.ip4(four, recipe.HOST4, packets.ICMP,
                               packets.echo(8, CHECK_ID, sequence, b'alive'))
        return packets.ip6(six, recipe.HOST6, packets.ICMP6, packets.echo6(
            six, recipe.HOST6, 128, CHECK_ID, sequence, b'alive'))

    def exchange(self, peer=None):
        """Whether the host answers in the session."""
        peer = peer or self.one
        self.sequence = (self.sequence + 1) & 0xffff
        end = time.monotonic() + PATIENCE
        expected = struct.pack('>HH', CHECK_ID, self.sequence) + b'alive'
        while time.monotonic() < end and self.is_usable(peer):
            peer.send(peer.sessions[-1].seal(self.question(peer, self.sequence)))
            again = time.monotonic() + AGAIN
            while (message := peer.take(again - time.monotonic())) is not None:
                if wg.kind(message) == wg.DATA and expected in (peer.opened(message) or b''):
                    return True
        return False

    # Peer two

    def provoke(self):
        """The host begins a handshake with peer two, as with somebody it has just been told of."""
        self.renew(self.two)
        while self.two.take(0):
            pass
        self.speaker.sendto(b'x', (recipe.TWO4, recipe.OUR_PORT))
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and not self.two.initiation:
            self.hear(self.two.take(end - time.monotonic()))
        return self.two.initiation is not None

    def hear(self, message):
        """What came for peer two. Whether it is in one of its sessions."""
        if message and wg.kind(message) == wg.INITIATION:
            self.two.initiation = message
        return bool(message) and wg.kind(message) == wg.DATA and self.two.opened(message) is not None

    def responder(self):
        return wg.Responder(self.two.key, self.two.psk, self.two.initiation)

    def answer(self):
        """Whether the handshake that the host began can be ended, if it has not been."""
        end, answered = time.monotonic() + PATIENCE, None
        while time.monotonic() < end:
            if self.two.initiation != answered:
                answered = self.two.initiation
                response, session = self.responder().answer()
                self.two.sessions.append(session)
                self.two.send(response)
            if self.hear(self.two.take(AGAIN)):
                return True
        return False

    # Messages

    def indices(self):
        one = self.one.sessions[-1].remote_index if self.one.sessions else 0
        return {'one': struct.pack('<I', one), 'two': (self.two.initiation or bytes(8))[4:8]}

    def data(self, line):
        peer = self.two if line.options.get('from') == 'two' else self.one
        if not peer.sessions:
            return None
        session = peer.sessions[0 if 'old' in line.options else -1]
        packet = recipe.apply(line.plain, recipe.TEMPLATES[line.options.get('packet', 'echo4')],
                              self.indices())
        counter = line.options.get('counter')
        if counter is None:
            number = session.counter
        elif counter[0] in '+-':
            number = max(session.counter + int(counter), 0) & (1 << 64) - 1
        else:
            number = int(counter)
        if number >= 1 << 64:
            return None
        # Greater than any that the host may have seen.
        if number < wg.REJECT_AFTER_MESSAGES:
            session.counter = max(session.counter, number + 1)
        seal = session.seal_as_is if 'bare' in line.options else session.seal
        return recipe.apply(line.sealed, seal(packet, number), self.indices())

    @staticmethod
    def point(line):
        return wg.LOW_ORDER[int(line.options['point'])] if 'point' in line.options else None

    def add_macs(self, line, bare):
        bare = recipe.apply(line.sealed, bare, self.indices())
        return recipe.apply(line.macs, wg.add_macs(bare, self.remote), self.indices())

    def initiation(self, line):
        stamp = bytes.fromhex(line.options['stamp']) if 'stamp' in line.options else self.one.stamps.next()
        claim = bytes.fromhex(line.options['claim']) if 'claim' in line.options else None
        if stamp > wg.tai64n(self.one.stamps.last):
            # The host may take it, and refuses all that come before it.
            self.spoiled = True
        made = wg.Initiator(self.one.key, self.remote, self.one.psk, stamp, point=self.point(line),
                            claimed=claim)
        return self.add_macs(line, made.bare)

    def response(self, line):
        message, session = self.responder().answer(self.point(line))
        if not self.point(line):
            self.two.sessions.append(session)
        return self.add_macs(line, message[:60])

    def cookie(self, line):
        plain = recipe.apply(line.plain, os.urandom(16), self.indices())
        reply = wg.cookie_reply(self.two.initiation, self.two.public, plain)
        return recipe.apply(line.sealed, reply, self.indices())

    def raw(self, line):
        return recipe.apply(line.plain, b'', self.indices())

    def sender(self, line):
        return self.two if line.kind in ('response', 'cookie') else self.one

    def send(self, message, line, segment=0):
        if self.sender(line).send(message, line.options.get('over') == '6', segment):
            self.sent += -(-len(message) // segment) if segment else 1
        else:
            self.unsent += 1

    def play(self, lines):
        """Sends what the lines say."""
        together = None
        for line in lines:
            if line.kind == 'super':
                together, segment, first = b'', int(line.arguments[0]), None
            elif line.kind == 'end':
                if first:
                    self.send(together, first, segment)
                together = None
            elif line.kind == 'rekey':
                if not (self.renew_session() and self.exchange()):
                    return ['there is no new session']
            elif line.kind == 'host':
                self.speaker.sendto(b'host', (recipe.ONE4, recipe.OUR_PORT))
            elif line.kind not in recipe.KINDS:
                raise SystemExit(f'what is "{line.text}"?')
            elif (message := getattr(self, line.kind)(line)) is None:
                continue
            elif together is None:
                self.send(message, line)
            elif self.sender(line) is self.sender(first or line):
                # From the port of another it would be right too, and the peer from then on there.
                together, first = together + message, first or line
        return []

    # What has to be so

    def is_wrong(self, packet):
        """What is wrong with a packet that was delivered, or None."""
        if packet[0] >> 4 == 4 and len(packet) >= 20:
            length, protocol = struct.unpack('>2xH5xB', packet[:10])
            source, to = (socket.inet_ntoa(packet[at:at + 4]) for at in (12, 16))
            ours, host = (recipe.ONE4, recipe.TWO4), recipe.HOST4
        elif packet[0] >> 4 == 6 and len(packet) >= 40:
            length, protocol = struct.unpack('>4xHB', packet[:7])
            source, to = (socket.inet_ntop(socket.AF_INET6, packet[at:at + 16]) for at in (8, 24))
            length, ours, host = length + 40, (recipe.ONE6, recipe.TWO6), recipe.HOST6
        else:
            return 'neither IPv4 nor IPv6'
        if length != len(packet):
            return f'{len(packet)} bytes, its header says {length}'
        if source not in ours:
            return f'from {source}'
        if self.mode == 'enforce' and (to != host or source != ours[0] or protocol in (
                packets.TCP, packets.SCTP)):
            return f'from {source} to {to}, protocol {protocol}: nothing grants it'
        return None

    def complaints(self):
        """About what has been delivered since the last time."""
        found = []
        while True:
            try:
                packet, where = self.tap.recvfrom(70000)
            except BlockingIOError:
                return found
            if where[2] == socket.PACKET_OUTGOING:
                continue
            self.delivered += 1
            wrong = self.is_wrong(packet)
            if wrong:
                found.append(f'delivered: {wrong}: {packet[:80].hex()}')

    def run(self, lines):
        """One case. Returns what is wrong afterwards, as sentences."""
        self.spoiled = False
        both = any(line.kind in ('response', 'cookie') for line in lines)
        if not self.usable() and not (self.begin() and self.exchange()):
            return ['there is no session to begin with']
        if both and not self.provoke():
            return ['the host begins no handshake']
        wrong = self.play(lines)
        if self.spoiled or not self.usable():
            self.renew_session()
        if not self.exchange():
            wrong.append('the session of peer one is dead, ' +
                         ('another one lives' if self.begin() and self.exchange() else 'and so is a new one'))
        if both and not self.answer():
            wrong.append('the handshake that the host began with peer two has no end')
        if not self.ask('get-device', {}):
            wrong.append('the device is not listed')
        return wrong + self.complaints()
