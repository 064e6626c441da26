# SPDX-License-Identifier: GPL-2.0-only
"""Inner packets of a peer that means harm. Prints KTAP; `hostile.sh` calls it.

We are both peers of selftests/fuzz/tunnel.py, whose ends share no code with the module, and each has a session. The
host enforces. What a peer sends is delivered as it is, or refused: then one counter has moved by one, and one event
has told the reason, the peer and, where it can be read, the tuple.

    one     reaches the host by ICMP and by TCP and UDP to port 7001
    two     the same
    host    reaches both by TCP and UDP
"""
import itertools
import os
import pathlib
import random
import select
import socket
import struct
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / 'fuzz'), str(HERE / 'wire')]
sys.dont_write_bytecode = True
import packets  # noqa: E402
import wireguard as wg  # noqa: E402
from family import Family, decode, load_spec  # noqa: E402
from packets import FRAGMENT, HOP_BY_HOP, ICMP, ICMP6, MORE, OPTIONS, ROUTING, SCTP, TCP, UDP  # noqa: E402
from recipe import GRANTED, HOST4, HOST6, HOST_PORT, ONE4, ONE6, OUR_PORT, REFUSED, TWO4, TWO6  # noqa: E402
from tunnel import PATIENCE, SESSION_SECONDS, Tunnel  # noqa: E402

AUTH, ESP, NONE, MOBILITY, DCCP, UDPLITE = 51, 50, 59, 135, 33, 136
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
MORE4 = 0x2000
PASSES = 'passes'
LONG = bool(os.environ.get('FZ_LONG'))
DATA = b'0123456789abcdef' * 2
HALF = 60000    # of what numbers of 16 bits tell apart in two families
PIECE = 1368    # of a datagram that does not fit the MTU

numbers = itertools.count(1000)


def udp(port, data=DATA, source=OUR_PORT):
    return packets.udp(source, port, data)


def tcp(port, flags, source=OUR_PORT):
    return packets.tcp(source, port, flags, DATA)


def four(protocol, payload, source=ONE4, to=HOST4, **header):
    return packets.ip4(source, to, protocol, payload, **header)


def six(protocol, payload, source=ONE6, to=HOST6):
    return packets.ip6(source, to, protocol, payload)


def changed(packet, at, value):
    """With other bytes at an offset; the checksum of an IPv4 header is right again."""
    packet = packet[:at] + value + packet[at + len(value):]
    end = (packet[0] & 15) * 4
    return packets.with_checksum(packet[:end], 10) + packet[end:] if packet[0] >> 4 == 4 and end >= 20 else packet


def short(number):
    return struct.pack('>H', number)


class Hostile(Tunnel):
    """The tunnel, with a session for each peer and ears for what is said of their packets."""

    def __init__(self, spec):
        super().__init__(spec, 'enforce')
        with self.host:
            self.watch = Family(spec)
        self.watch.join('denials')
        self.renew(self.two)
        self.ask('set-device', {'mode': [{'direction': 'out', 'mode': 'enforce', 'flags': 0}]})
        self.resource('tcp', [HOST4, HOST6], TCP, GRANTED)
        self.resource('udp-peers', [ONE4, ONE6, TWO4, TWO6], UDP)
        self.resource('tcp-peers', [ONE4, ONE6, TWO4, TWO6], TCP)
        for peer in self.one, self.two:
            for name, direction in (('host', 'in'), ('tcp', 'in'), ('udp-peers', 'out'), ('tcp-peers', 'out')):
                self.grant(peer, name, direction)
        self.complaints_now = []

    def resource(self, name, addresses, protocol, port=None):
        service = {'protocol': protocol, **({'port-min': port, 'port-max': port} if port else {})}
        self.ask('new-resource', {'resource': [{
            'name': name, 'service': [service], 'prefix': [
                {'addr': socket.inet_pton(socket.AF_INET6 if ':' in a else socket.AF_INET, a),
                 'len': 128 if ':' in a else 32} for a in addresses]}]})

    def grant(self, peer, resource, direction):
        self.ask('new-grant', {'grant': [{'peer': peer.public, 'resource': resource, 'direction': direction}]})

    # What becomes of packets

    def stats(self):
        """Numbers of the device, and by reason the refusals of what came in. What the host's stack sends of its
        own accord is no matter of ours, such as an error about pieces of which some never came."""
        refused, rest = {}, {}
        for name, value in decode(self.family.spec, 'stats', self.ask('get-stats', {})[0]):
            if name == 'refused':
                one = dict(value)
                if self.word('direction', one) == 'in':
                    refused[self.word('reason', one)] = struct.unpack('=Q', one['packets'])[0]
            elif len(value) in (4, 8):
                rest[name] = int.from_bytes(value, sys.byteorder)
        return rest, refused

    def word(self, enum, attributes):
        """How the specification calls the value of the attribute that has the name of its enum."""
        value = attributes[enum][0]
        return next(e.name for e in self.family.spec.enums[enum].entries if e.value == value)

    def heard(self):
        """Packets that were delivered, but for those that only ask whether all is judged."""
        found = []
        while select.select([self.tap], [], [], 0)[0]:
            packet, where = self.tap.recvfrom(70000)
            if where[2] != socket.PACKET_OUTGOING and b'alive' not in packet:
                found.append(packet)
        return found

    def told(self, count):
        """So many events, or as many as come."""
        found, end = [], time.monotonic() + PATIENCE
        while len(found) < count and time.monotonic() < end:
            found += self.events(1)
        return found + self.events(0)

    def events(self, seconds):
        return [event for _, event in self.watch.events(seconds) if self.word('direction', event) == 'in']

    def judged(self, peer, sent, bare=False):
        """What was delivered of these packets, and the events about the others, of which each counts one."""
        # Not one that could end before these are judged.
        if (not peer.sessions or time.monotonic() > peer.begun + SESSION_SECONDS / 2) and not (
                self.begin(peer=peer) and self.exchange(peer)):
            raise SystemExit('there is no session')
        seal = peer.sessions[-1].seal_as_is if bare else peer.sessions[-1].seal
        _, before = self.stats()
        self.heard()
        for packet in sent:
            peer.send(seal(packet))
        # One after the other: when this is answered, they all have been judged.
        if not self.exchange(peer):
            raise SystemExit('the session is dead')
        _, after = self.stats()
        moved = {reason: after[reason] - before.get(reason, 0) for reason in after
                 if after[reason] != before.get(reason, 0)}
        events = self.told(sum(moved.values()))
        by_reason = {}
        for event in events:
            reason = self.word('reason', event)
            by_reason[reason] = by_reason.get(reason, 0) + 1
            if event.get('peer') != peer.public:
                self.complain('an event names another peer')
        if by_reason != moved:
            self.complain(f'counters say {moved}, events {by_reason}')
        return self.heard(), [reason for reason in moved for _ in range(moved[reason])], events

    def complain(self, sentence):
        self.complaints_now.append(sentence)

    def expect(self, what, packet, outcome, peer=None, bare=False):
        """One packet; the outcome is PASSES or a reason."""
        delivered, reasons, events = self.judged(peer or self.one, [packet], bare)
        if outcome == PASSES:
            if delivered != [packet] or reasons:
                self.complain(f'{what}: {"delivered" if delivered else "not delivered"}, '
                              f'{"as another" if delivered and delivered != [packet] else "refused for"} {reasons}')
            return
        if delivered:
            self.complain(f'{what}: delivered')
        if reasons != [outcome]:
            self.complain(f'{what}: refused for {reasons}, not {outcome}')
        for event in events:
            self.check_tuple(what, packet, dict(event.get('tuple', ())))

    def check_tuple(self, what, packet, told):
        """What an event says of a packet is not made up."""
        if not told:
            return
        at, size = (12, 4) if len(told['src']) == 4 else (8, 16)
        if packet[0] >> 4 != (4 if size == 4 else 6) or told['src'] + told['dst'] != packet[at:at + 2 * size]:
            self.complain(f'{what}: the event tells of another packet')

    def run(self, case):
        """Of a method: what it complains about."""
        self.complaints_now = []
        case()
        return self.complaints_now

    # Cases

    def forged_sources(self):
        """a source that is not the peer's"""
        for source in (TWO4, HOST4, '192.168.7.77', '0.0.0.0', '127.0.0.1', '255.255.255.255', '224.0.0.1',
                       '192.0.2.1'):
            self.expect(source, four(UDP, udp(GRANTED), source=source), 'source')
        for source in (TWO6, HOST6, 'fd07::77', 'fe80::1', '::', '::1', 'ff02::1', '2001:db8::1',
                       f'::ffff:{ONE4}', f'::{ONE4}'):
            self.expect(source, six(UDP, udp(GRANTED), source=source), 'source')
        self.expect('of one, by two', four(UDP, udp(GRANTED)), 'source', self.two)
        self.expect('of one, by two', six(UDP, udp(GRANTED)), 'source', self.two)
        self.expect('of two, malformed too', changed(four(UDP, udp(GRANTED), source=TWO4), 24, short(1)), 'source')
        self.expect('its own', four(UDP, udp(GRANTED)), PASSES)
        self.expect('its own', six(UDP, udp(GRANTED)), PASSES)

    def lying_lengths(self):
        """a length that lies"""
        right4, right6 = four(UDP, udp(GRANTED)), six(UDP, udp(GRANTED))
        for total in (0, 1, 19, 20, 27, len(right4) - 1, len(right4) + 20, 0xffff):
            self.expect(f'total length {total}', changed(right4, 2, short(total)), 'malformed')
        for total in (0, 1, 7, len(right6) - 41, len(right6), 0xffff):
            self.expect(f'payload length {total}', changed(right6, 4, short(total)), 'malformed')
        for first in (0x00, 0x05, 0x40, 0x44, 0x4f, 0x55, 0x75, 0xf5):
            self.expect(f'first byte {first:#x}', bytes([first]) + right4[1:], 'malformed')
        self.expect('version 4', b'\x45' + right6[1:], 'malformed')
        self.expect('version 6, so that the source is another', b'\x60' + right4[1:], 'source')
        for packet, header in ((right4, 20), (right6, 40)):
            for size in (0, 7, len(DATA) + 9, 0xffff):
                self.expect(f'UDP length {size}', changed(packet, header + 4, short(size)), 'malformed')
            self.expect('UDP length 8', changed(packet, header + 4, short(8)), PASSES)
            for size in range(1, header + 8):
                self.expect(f'{size} bytes', packet[:size], 'malformed', bare=True)
        for offset in (0, 4, 14, 15):
            for packet, header in ((four(TCP, tcp(GRANTED, SYN)), 20), (six(TCP, tcp(GRANTED, SYN)), 40)):
                self.expect(f'TCP offset {offset}', changed(packet, header + 12, bytes([offset << 4])), 'malformed')
        self.expect('ICMP of 7 bytes', four(ICMP, bytes((8, 0, 0, 0, 0, 1, 0))), 'malformed')
        self.expect('SCTP of 12 bytes', four(SCTP, bytes(12)), 'malformed')
        # What follows the packet is none of it.
        delivered, reasons, _ = self.judged(self.one, [right4 + b'padding', right6 + bytes(100)])
        if delivered != [right4, right6] or reasons:
            self.complain('padding is not taken off')

    def options4(self):
        """IPv4 options that shift ports"""
        granted, refused = udp(GRANTED), udp(REFUSED)
        # As a UDP header where one without options would be: source 0x8808, and the port.
        decoy = {port: bytes((0x88, 8)) + short(port) + bytes(4) for port in (GRANTED, REFUSED)}
        self.expect('decoy granted', four(UDP, refused, options=decoy[GRANTED]), 'no-grant')
        self.expect('decoy refused', four(UDP, granted, options=decoy[REFUSED]), PASSES)
        for size in range(4, 44, 4):
            self.expect(f'{size} bytes, granted', four(UDP, granted, options=b'\1' * size), PASSES)
            self.expect(f'{size} bytes, refused', four(UDP, refused, options=b'\1' * size), 'no-grant')
        for what, options, outcome in (
                ('end, then anything', b'\0\x83\x03\x04', PASSES),
                ('record route', b'\7\7\4' + bytes(4) + b'\1', PASSES),
                ('loose source route', b'\x83\7\4\1\2\3\4\0', 'malformed'),
                ('strict source route', b'\x89\7\4\1\2\3\4\0', 'malformed'),
                ('strict, behind another', b'\1\1\1\1\x89\3\4\0', 'malformed'),
                ('of no length', b'\7\0\1\1', 'malformed'),
                ('of one byte', b'\7\1\1\1', 'malformed'), ('too long', b'\7\5\1\1', 'malformed'),
                ('cut off', b'\1\1\1\7', 'malformed')):
            self.expect(what, four(UDP, granted, options=options), outcome)

    def extensions6(self):
        """IPv6 extension headers that shift ports, up to 20 deep"""
        def chain(headers, port, size=8):
            payload, following = udp(port), UDP
            for header in reversed(headers):
                # Options of one byte that mean nothing, and no segments left.
                payload, following = bytes((following, size // 8 - 1)) + bytes(size - 2) + payload, header
            return six(following, payload)

        for size in (8, 16, 256, 1024, 2048):
            self.expect(f'{size} bytes, granted', chain([OPTIONS], GRANTED, size), PASSES)
            self.expect(f'{size} bytes, refused', chain([OPTIONS], REFUSED, size), 'no-grant')
        # An option that nobody knows, of type and length as a port that is granted would be.
        decoy = struct.pack('>BBBB', UDP, 11, *divmod(GRANTED, 256)) + bytes(89) + b'\1\1\0'
        self.expect('decoy granted', six(OPTIONS, decoy + udp(REFUSED)), 'no-grant')
        for depth in range(1, 21):
            headers = [HOP_BY_HOP] + [OPTIONS, ROUTING] * 10
            self.expect(f'{depth} deep', chain(headers[:depth], GRANTED), PASSES if depth <= 8 else 'malformed')
        self.expect('8 deep, refused', chain([OPTIONS] * 8, REFUSED), 'no-grant')
        self.expect('hop-by-hop second', chain([OPTIONS, HOP_BY_HOP], GRANTED), 'malformed')
        self.expect('hop-by-hop twice', chain([HOP_BY_HOP] * 2, GRANTED), 'malformed')
        route = six(ROUTING, packets.extension(UDP) + udp(GRANTED))
        self.expect('segments left', route, 'malformed')
        for header in OPTIONS, HOP_BY_HOP, ROUTING, AUTH:
            self.expect(f'header {header} past the end', six(header, b'\x11\xff' + bytes(6) + udp(GRANTED)),
                        'malformed')
            self.expect(f'header {header} cut off', six(header, b'\x11\0\0\0'), 'malformed')
        authentic = struct.pack('>BBH', UDP, 4, 0) + bytes(20)
        self.expect('authentication, granted', six(AUTH, authentic + udp(GRANTED)), PASSES)
        self.expect('authentication, refused', six(AUTH, authentic + udp(REFUSED)), 'no-grant')
        for header in NONE, ESP, MOBILITY, 139, 140, 253:
            self.expect(f'protocol {header}', six(header, packets.extension(UDP) + udp(GRANTED)), 'no-grant')
            self.expect(f'protocol {header} behind options',
                        six(OPTIONS, packets.extension(header) + udp(GRANTED)), 'no-grant')

    def protocols(self):
        """IP in IP, and protocols that nothing can be read of"""
        inside4, inside6 = four(UDP, udp(GRANTED)), six(UDP, udp(GRANTED))
        for protocol in (0, 2, 4, 41, 47, ESP, AUTH, NONE, 89, 94, 97, 98, 103, 112, 115, 137, 253, 254, 255):
            self.expect(f'protocol {protocol}', four(protocol, inside4), 'no-grant')
            self.expect(f'protocol {protocol}, IPv6 in it', four(protocol, inside6), 'no-grant')
        for protocol in (4, 41, 47, 89, 94, 97, 103, 112, 115, 137, 254, 255):
            self.expect(f'protocol {protocol} of IPv6', six(protocol, inside4), 'no-grant')
            self.expect(f'protocol {protocol} of IPv6, IPv6 in it', six(protocol, inside6), 'no-grant')
        for protocol in (SCTP, DCCP, UDPLITE):
            self.expect(f'protocol {protocol}', four(protocol, udp(GRANTED)), 'no-grant')

    def pieces(self, is4, protocol, number):
        """What makes a fragment of one datagram, of peer one."""
        def piece(start, data, more, source=None):
            if is4:
                return four(protocol, data, source=source or ONE4, identification=number & 0xffff,
                            fragment=start // 8 | (MORE4 if more else 0))
            return six(FRAGMENT, packets.fragment6(protocol, start | (MORE if more else 0), number) + data,
                       source=source or ONE6)
        return piece

    def fragments(self):
        """fragments: tiny, overlapping, late, out of order"""
        for is4 in True, False:
            self.fragments_of(is4, lambda protocol: self.pieces(is4, protocol, next(numbers)), '4' if is4 else '6')

    def fragments_of(self, is4, new, family):
        whole, head = udp(GRANTED, bytes(range(120))), tcp(GRANTED, SYN)
        def expect(what, packet, outcome, *more):
            self.expect(f'IPv{family}: {what}', packet, outcome, *more)

        piece = new(TCP)
        for size in (8, 16):
            expect(f'TCP header of {size} bytes', piece(0, head[:size], True), 'fragment')
        expect('the rest of it', piece(16, head[16:], False), 'fragment')
        piece = new(UDP)
        expect('no ports', piece(0, b'', True), 'fragment')
        expect('ports alone', piece(0, whole[:8], True), PASSES)
        expect('the rest of it', piece(8, whole[8:], False), PASSES)
        expect('late', piece(8, whole[8:], False), 'fragment')
        expect('later yet', piece(128, whole[:8], False), 'fragment')
        piece = new(UDP)
        expect('before its first', piece(24, whole[24:], False), 'fragment')
        expect('the first', piece(0, whole[:24], True), PASSES)
        expect('again', piece(24, whole[24:], False), PASSES)
        piece = new(UDP)
        for start, end, more, outcome in ((0, 24, True, PASSES), (16, 40, True, 'fragment'), (40, 48, True, PASSES),
                                          (24, 56, True, 'fragment'), (40, 48, True, 'fragment'),
                                          (8, 16, True, 'fragment'), (0, 24, True, 'fragment'),
                                          (0, 128, True, 'fragment'), (48, 64, True, PASSES), (96, 128, False, PASSES),
                                          (64, 128, False, 'fragment'), (128, 136, True, 'fragment'),
                                          (64, 96, False, 'fragment'), (24, 40, True, PASSES), (64, 96, True, PASSES)):
            data = (whole + whole)[start:end]
            expect(f'{start} to {end}{"" if more else ", the last"}', piece(start, data, more), outcome)
        piece = new(TCP)
        expect('a TCP header', piece(0, head[:24], True), PASSES)
        expect('other flags over it', piece(8, head[8:24], True), 'fragment')
        piece = new(UDP)
        expect('to a port that is refused', piece(0, udp(REFUSED)[:24], True), 'no-grant')
        expect('the rest of it', piece(24, whole[24:], False), 'fragment')
        piece = new(UDP)
        expect('the first', piece(0, whole[:24], True), PASSES)
        expect('another first', piece(0, udp(REFUSED)[:24], True), 'no-grant')
        expect('not a multiple of eight', piece(24, whole[24:33], True), 'fragment')
        expect('empty', piece(24, b'', True), 'fragment')
        expect('past the longest datagram', piece(65528, bytes(16), False), 'fragment')
        expect('by another peer', piece(24, whole[24:48], True, TWO4 if is4 else TWO6), 'fragment', self.two)
        expect('by another peer in the name of the first', piece(24, whole[24:48], True), 'source', self.two)
        expect('the rest of it', piece(24, whole[24:], False), PASSES)
        piece = new(UDP)
        expect('the first', piece(0, whole[:8], True), PASSES)
        for number in range(1, 8):
            expect(f'{number} gaps', piece(16 * number, whole[:8], True), PASSES)
        expect('8 gaps', piece(16 * 8, whole[:8], True), 'fragment')
        expect('7 gaps', piece(8, whole[:8], True), PASSES)
        piece = new(ICMP if is4 else ICMP6)
        error = self.error(four if is4 else six, four(UDP, udp(OUR_PORT), HOST4, ONE4))
        error = error[20 if is4 else 40:]
        expect('an error in pieces', piece(0, error[:24], True), 'fragment')
        if is4:
            return
        number = next(numbers)
        nested = packets.fragment6(UDP, MORE, number) + whole[:24]
        expect('a fragment in a fragment', six(FRAGMENT, packets.fragment6(FRAGMENT, MORE, number) + nested),
               'fragment')
        expect('extension headers cut off',
               six(FRAGMENT, packets.fragment6(OPTIONS, MORE, number) + b'\x11\1' + bytes(6)), 'fragment')
        expect('ports behind options', six(FRAGMENT, packets.fragment6(OPTIONS, MORE, number) + packets.extension(UDP) +
                                           whole[:24]), PASSES)
        expect('the rest of it', six(FRAGMENT, packets.fragment6(OPTIONS, 32, number) + whole[24:]), PASSES)
        expect('a fragment alone', six(FRAGMENT, packets.fragment6(UDP, 0, number) + udp(GRANTED)), PASSES)
        expect('a fragment alone, refused', six(FRAGMENT, packets.fragment6(UDP, 0, number) + udp(REFUSED)), 'no-grant')

    def late_fragments(self):
        """a fragment that comes too long after its first"""
        pieces = [self.pieces(is4, UDP, next(numbers)) for is4 in (True, False)]
        for piece in pieces:
            self.expect('the first', piece(0, udp(GRANTED)[:8], True), PASSES)
        at, end = 8, time.monotonic() + 2 * PATIENCE
        # One after the other, until it is too late for the datagram.
        while pieces and time.monotonic() < end:
            for piece in pieces[:]:
                delivered, reasons, _ = self.judged(self.one, [piece(at, bytes(8), True)])
                if not delivered:
                    pieces.remove(piece)
                    if at == 8 or reasons != ['fragment']:
                        self.complain(f'at {at}: refused for {reasons}')
            select.select([], [], [], 1)
            at += 8
        if pieces:
            self.complain('never refused')

    @staticmethod
    def error(family, quoted, kind=None):
        """An ICMP error of peer one that quotes a packet."""
        if family is four:
            return four(ICMP, packets.with_checksum(bytes(kind or (3, 3)) + bytes(6) + quoted, 2))
        return six(ICMP6, bytes(kind or (1, 4)) + bytes(6) + quoted)

    def speak(self, to, port=OUR_PORT):
        """A datagram of the host to a peer, so that there is a flow."""
        is6 = ':' in to
        with self.host:
            speaker = socket.socket(socket.AF_INET6 if is6 else socket.AF_INET, socket.SOCK_DGRAM)
        with speaker:
            speaker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if is6:
                speaker.bind((HOST6, HOST_PORT))
            else:
                speaker.bind((HOST4, HOST_PORT + 1))
            speaker.sendto(b'x', (to, port))

    def errors(self):
        """ICMP errors that quote what is not the peer's"""
        for to in ONE4, TWO4, ONE6, TWO6:
            self.speak(to)
        for family, host, one, two, header in ((four, HOST4, ONE4, TWO4, 20), (six, HOST6, ONE6, TWO6, 40)):
            def quoted(to, port=OUR_PORT, protocol=UDP, payload=None):
                source = HOST_PORT + (family is four)
                return family(protocol, payload or packets.udp(source, port, b'x'), source=host, to=to)

            def expect(what, quotation, outcome, *more):
                self.expect(f'{family.__name__}: {what}', self.error(family, quotation, *more), outcome)

            expect('own flow', quoted(one), PASSES)
            expect('own flow, cut off behind the ports', quoted(one)[:header + 8], PASSES)
            expect("flow of another peer", quoted(two), 'no-grant')
            expect('no flow', quoted(one, OUR_PORT + 1), 'no-grant')
            expect('no such protocol', quoted(one, protocol=TCP, payload=tcp(OUR_PORT, SYN)), 'no-grant')
            expect('own question', family(UDP, udp(GRANTED), source=one, to=host), 'malformed')
            expect('to somebody else', family(UDP, udp(GRANTED), source=two, to=host), 'malformed')
            expect('ports cut off', quoted(one)[:header + 7], 'malformed')
            expect('header cut off', quoted(one)[:header - 1], 'malformed')
            expect('nothing', b'', 'malformed')
            other, theirs = (six, (HOST6, ONE6)) if family is four else (four, (HOST4, ONE4))
            expect('the other family', other(UDP, udp(OUR_PORT), source=theirs[0], to=theirs[1]), 'malformed')
            error = bytes((3, 3) if family is four else (1, 4)) + bytes(6) + quoted(one)
            expect('an error', quoted(one, protocol=ICMP if family is four else ICMP6, payload=error), 'malformed')
        later = four(UDP, udp(OUR_PORT), source=HOST4, to=ONE4, fragment=8)
        self.expect('a later fragment', self.error(four, later), 'fragment')
        source_route = four(UDP, udp(OUR_PORT), source=HOST4, to=ONE4, options=b'\x83\7\4\1\2\3\4\0')
        self.expect('a source route', self.error(four, source_route), 'malformed')
        self.expect('of too many headers', self.error(six, six(
            OPTIONS, b''.join([packets.extension(OPTIONS)] * 9 + [packets.extension(UDP)]) + udp(OUR_PORT),
            source=HOST6, to=ONE6)), 'malformed')

    def segments(self):
        """TCP segments outside of any connection"""
        for family, header in ((four, 20), (six, 40)):
            def expect(what, payload, outcome):
                self.expect(f'{family.__name__}: {what}', family(TCP, payload), outcome)

            for name, flags in (('SYN', SYN), ('ACK', ACK), ('SYN ACK', SYN | ACK), ('FIN ACK', FIN | ACK),
                                ('RST', RST), ('RST ACK', RST | ACK), ('PSH ACK', PSH | ACK)):
                expect(f'{name} to a port that is refused', tcp(REFUSED, flags), 'no-grant')
                expect(f'{name} as if it were an answer', packets.tcp(GRANTED, 40000, flags), 'no-grant')
            for name, flags in (('nothing', 0), ('FIN', FIN), ('PSH', PSH), ('URG', URG),
                                ('FIN PSH URG', FIN | PSH | URG), ('SYN FIN', SYN | FIN), ('SYN RST', SYN | RST),
                                ('SYN FIN ACK', SYN | FIN | ACK), ('all', 0x3f)):
                expect(f'{name} to a port that is granted', tcp(GRANTED, flags), 'malformed')
        for where, one, two, family in ((socket.AF_INET, ONE4, TWO4, four), (socket.AF_INET6, ONE6, TWO6, six)):
            with self.host:
                connection = socket.socket(where, socket.SOCK_STREAM)
            with connection:
                connection.setblocking(False)
                connection.connect_ex((one, 5000))
                port = connection.getsockname()[1]
                def expect(what, flags, outcome, source=5000, sender=None):
                    self.expect(f'{family.__name__}, with a connection of the host: {what}', family(
                        TCP, packets.tcp(source, port, flags), source=sender or one), outcome,
                                self.two if sender else self.one)

                expect('a SYN back', SYN, 'no-grant')
                expect('an answer from another port', SYN | ACK, 'no-grant', 5001)
                expect('an answer by another peer', SYN | ACK, 'no-grant', 5000, two)
                expect('the answer', SYN | ACK, PASSES)

    def pings(self, peer, identifiers):
        """Questions of a peer, each a flow that is answered. Returns what became of them."""
        address = peer.prefixes[0][0]
        return self.judged(peer, [four(ICMP, packets.echo(8, number, 1), source=address) for number in identifiers])

    def flows(self):
        """Flows of each peer, listed."""
        found = {self.one.public: 0, self.two.public: 0}
        for message in self.ask('get-flow', {}):
            for name, value in decode(self.family.spec, 'flows', message):
                if name == 'flow':
                    found[dict(value)['peer']] += 1
        return found

    def budget(self):
        """a peer that opens very many flows spends its own budget"""
        limit, step = (100000, 100) if LONG else (400, 50)
        share = limit - limit // 4
        self.ask('del-flow', {})
        # None ends by itself, however long it takes to open them.
        self.ask('set-device', {'max-flows': limit, 'timeouts': {'icmp': 7200, 'udp-new': 7200}})
        self.pings(self.two, [1, 2, 3])
        opened, refused = 0, 0
        for base in range(0, share + 2 * step, step):
            sent = [four(ICMP, packets.echo(8, number, 1)) if number < HALF else
                    six(ICMP6, packets.echo6(ONE6, HOST6, 128, number - HALF, 1))
                    for number in range(base, base + step)]
            delivered, reasons, _ = self.judged(self.one, sent)
            opened += len(delivered)
            refused += reasons.count('table-full')
            if len(delivered) + reasons.count('table-full') != step:
                self.complain(f'{len(delivered)} flows delivered, others refused for {set(reasons)}')
        numbers_now, _ = self.stats()
        if not share - 4 <= opened <= share or not refused:
            self.complain(f'{opened} flows of {share} opened, {refused} refused')
        self.expect('own flow', four(ICMP, packets.echo(8, 5, 2)), PASSES)
        self.expect('no room of its own', four(UDP, udp(GRANTED, source=1)), 'table-full')
        for number in range(1, 60):
            self.expect('flow of another peer', four(ICMP, packets.echo(8, number, 2), source=TWO4), PASSES, self.two)
        # What is not answered gives way to others of the same peer, not to anybody's.
        self.ask('del-flow', {'peer': self.one.public})
        theirs = self.flows()[self.two.public]
        for base in range(0, share + 2 * step, step):
            self.judged(self.one, [four(UDP, udp(GRANTED, source=1 + number)) if number < HALF else
                                   six(UDP, udp(GRANTED, source=1 + number - HALF))
                                   for number in range(base, base + step)])
        found, (numbers_then, _) = self.flows(), self.stats()
        if found[self.two.public] < theirs or not 0 < found[self.one.public] <= share:
            self.complain(f'flows: {found[self.one.public]} of one, {found[self.two.public]} of two, who had {theirs}')
        if numbers_then['flows-evicted'] <= numbers_now['flows-evicted']:
            self.complain('no flow has made room')
        self.ask('del-flow', {})
        self.ask('set-device', {'max-flows': 1 << 16, 'timeouts': {'icmp': 30, 'udp-new': 30}})

    def whole_datagrams(self):
        """granted datagrams of 64 KB pass whole, in pieces, both ways"""
        for is4 in True, False:
            for shuffled in False, True:
                self.whole_datagram(is4, shuffled)

    def whole_datagram(self, is4, shuffled):
        what = f'IPv{4 if is4 else 6}{", out of order" if shuffled else ""}'
        one, host, size = (ONE4, HOST4, 65507) if is4 else (ONE6, HOST6, 65527)
        port, content = next(numbers), os.urandom(size)
        with self.host:
            ear = socket.socket(socket.AF_INET if is4 else socket.AF_INET6, socket.SOCK_DGRAM)
        with ear:
            ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            ear.bind((host, GRANTED))
            ear.settimeout(PATIENCE)
            datagram = packets.with_checksum(packets.udp(port, GRANTED, content), 6,
                                             packets.pseudo(one, host, UDP, size + 8))
            piece = self.pieces(is4, UDP, next(numbers))
            parts = [piece(at, datagram[at:at + PIECE], at + PIECE < len(datagram))
                     for at in range(0, len(datagram), PIECE)]
            if shuffled:
                # The first has to be the first; more gaps than are remembered are refused.
                rest = parts[1:]
                for at in range(0, len(rest), 6):
                    rest[at:at + 6] = random.sample(rest[at:at + 6], len(rest[at:at + 6]))
                parts[1:] = rest
            for at in range(0, len(parts), 16):
                delivered, reasons, _ = self.judged(self.one, parts[at:at + 16])
                if delivered != parts[at:at + 16]:
                    self.complain(f'{what}: {len(delivered)} pieces passed, others were refused for {reasons}')
            if self.complaints_now:
                return
            try:
                got, where = ear.recvfrom(70000)
            except TimeoutError:
                self.complain(f'{what}: no datagram')
                return
            if got != content:
                self.complain(f'{what}: another datagram')
            while self.one.take(0):
                pass
            ear.sendto(content, where)
            if self.reassembled(is4) != packets.udp(GRANTED, port, content)[8:]:
                self.complain(f'{what}: the answer is another datagram, or none')

    def reassembled(self, is4):
        """The datagram that comes out for peer one in pieces, without its UDP header."""
        parts, total, end = {}, None, time.monotonic() + PATIENCE
        while (total is None or sum(map(len, parts.values())) < total) and time.monotonic() < end:
            message = self.one.take(1)
            packet = self.one.opened(message) if message and wg.kind(message) == wg.DATA else None
            if not packet or packet[0] >> 4 != (4 if is4 else 6):
                continue
            if is4 and packet[9] == UDP:
                length, _, word = struct.unpack('>HHH', packet[2:8])
                at, more, data = (word & 0x1fff) * 8, word & MORE4, packet[20:length]
            elif not is4 and packet[6] == FRAGMENT:
                length, = struct.unpack('>H', packet[4:6])
                word, = struct.unpack('>H', packet[42:44])
                at, more, data = word & 0xfff8, word & MORE, packet[48:40 + length]
            else:
                continue
            parts[at] = data
            if not more:
                total = at + len(data)
        return b''.join(parts[at] for at in sorted(parts))[8:]


def main():
    tunnel = Hostile(load_spec())
    cases = (tunnel.forged_sources, tunnel.lying_lengths, tunnel.options4, tunnel.extensions6, tunnel.protocols,
             tunnel.fragments, tunnel.errors, tunnel.segments, tunnel.budget, tunnel.whole_datagrams,
             *([tunnel.late_fragments] if LONG else []))
    print(f'TAP version 13\n1..{len(cases)}', flush=True)
    failed = False
    for number, case in enumerate(cases, 1):
        complaints = tunnel.run(case)
        print(''.join(f'# {c}\n' for c in complaints[:20]) +
              f'{"not ok" if complaints else "ok"} {number} {case.__doc__}', flush=True)
        failed |= bool(complaints)
    tunnel.remove()
    sys.exit(failed)


main()
