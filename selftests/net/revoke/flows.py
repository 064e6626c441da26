# SPDX-License-Identifier: GPL-2.0-only
"""Kinds of flow, packet by packet, and the places between which they go."""
import collections
import contextlib
import ctypes
import errno
import os
import socket
import struct
import threading
import time

import packets

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
SOL_PACKET, PACKET_IGNORE_OUTGOING = 263, 23
SO_RCVBUFFORCE = 33
ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 3, 0x800, 0x86dd
SYN, ACK, PUSH = 2, 16, 8
MORE_FRAGMENTS = 0x2000
# Of a datagram in two fragments, what is in the first.
FIRST = 48
DPORT = 4242


@contextlib.contextmanager
def inside(name):
    """In a namespace, to make a socket there."""
    with open('/proc/self/ns/net', encoding='ascii') as before, \
            open(f'/run/netns/{name}', encoding='ascii') as there:
        if LIBC.setns(there.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), 'setns')
        try:
            yield
        finally:
            LIBC.setns(before.fileno(), CLONE_NEWNET)


class Place:
    """A device in a namespace: packets are put onto it, and what it delivers is seen."""

    def __init__(self, netns, device):
        self.netns, self.device = netns, device
        self.seen = collections.Counter()
        self.order = {}
        with inside(netns):
            self.to = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
            self.tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
            self.tap.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
            self.tap.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
            self.tap.bind((device, ETH_P_ALL))
        self.tap.setblocking(False)

    def put(self, packet):
        """Which no peer may be there for."""
        try:
            self.to.sendto(packet,
                           (self.device, ETH_P_IP if packet[0] >> 4 == 4 else ETH_P_IPV6))
        except OSError as error:
            if error.errno != errno.ENOKEY:
                raise

    def look(self):
        """Takes note of what was delivered so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                packet = self.tap.recv(65536)
                self.seen[packet] += 1
                self.order.setdefault(packet, len(self.order))


class Flow:
    """
    One conversation of a peer, in either direction.

    The end that opens it sends forward, the other one back. Addresses are made of the peer's
    network, a number for the kind and one that tells flows of a kind apart; every packet is unlike
    any other.
    """

    def __init__(self, kind, direction, peer, host, port):
        self.kind, self.direction, self.peer = kind, direction, peer
        self.far = kind.address(peer.network, host)
        self.near = kind.address(1, host)
        self.src, self.dst = (self.far, self.near) if direction == 'in' else (self.near, self.far)
        self.port = port
        self.name = f'{kind.name}-{direction}-{peer.network}-{host}'
        self.sent = 0
        # (where it has to arrive, packet) in order
        self.forward, self.back = [], []

    def ends(self, forward):
        """(source, destination, source port, destination port)"""
        one, other = (self.src, self.port), (self.dst, DPORT)
        (source, sport), (to, dport) = (one, other) if forward else (other, one)
        return source, to, sport, dport

    def ip(self, forward, protocol, payload, **more):
        source, to, _, _ = self.ends(forward)
        if self.kind.family == socket.AF_INET:
            return packets.ip4(source, to, protocol, payload, **more)
        return packets.ip6(source, to, protocol, payload)

    def data(self):
        """Unlike any other, in either half."""
        self.sent += 1
        return 2 * f'{self.name} {self.port} {self.sent} '.encode().ljust(40, b'.')

    def direction_of(self, forward):
        """In or out, of a packet."""
        return self.direction if forward else {'in': 'out', 'out': 'in'}[self.direction]

    def put(self, forward, packet):
        from_peer = self.direction_of(forward) == 'in'
        start, end = (self.peer.place, self.peer.gate) if from_peer else \
            (self.peer.gate, self.peer.place)
        (self.forward if forward else self.back).append((end, packet))
        start.put(packet)

    def tuple(self):
        """As the kernel tells it, without what is zero."""
        found = {'protocol': bytes([self.kind.protocol]),
                 'src': socket.inet_pton(self.kind.family, self.src),
                 'dst': socket.inet_pton(self.kind.family, self.dst)}
        if self.kind.protocol in (packets.TCP, packets.UDP):
            found |= {'sport': struct.pack('=H', self.port), 'dport': struct.pack('=H', DPORT)}
        if self.kind.icmp_type:
            found |= {'icmp-type': bytes([self.kind.icmp_type])}
        return found


class Kind:
    """
    A kind of flow. `opening` and `round` give (forward, packet), in order; `round` may be had any
    number of times.
    """
    name, family, protocol, number = '', socket.AF_INET, packets.UDP, 0
    # The type of its first message, where there are types.
    icmp_type = 0
    # After the change nothing is sent until the kernel has said by itself that it ended.
    is_idle = False
    # Fragments after the first are refused because of that, whatever that was refused for.
    is_later = staticmethod(lambda packet: False)

    def address(self, network, host):
        if self.family == socket.AF_INET:
            return f'10.{network}.{self.number}.{host}'
        return f'fd{network:02}::{self.number}:{host}'

    def opening(self, flow):
        return self.round(flow)

    def pending(self, flow):
        """What is sent last before the change, and how it goes on after it."""
        return [], []

    def round(self, flow):
        raise NotImplementedError


class Tcp(Kind):
    """An established connection."""
    name, protocol = 'tcp-busy', packets.TCP

    def segment(self, flow, forward, flags):
        _, _, sport, dport = flow.ends(forward)
        return forward, flow.ip(forward, packets.TCP, packets.tcp(sport, dport, flags, flow.data()))

    def opening(self, flow):
        yield self.segment(flow, True, SYN)
        yield self.segment(flow, False, SYN | ACK)
        yield self.segment(flow, True, ACK)
        yield from self.round(flow)

    def round(self, flow):
        yield self.segment(flow, True, ACK | PUSH)
        yield self.segment(flow, False, ACK | PUSH)


class TcpIdle(Tcp):
    name, is_idle = 'tcp-idle', True


class TcpHalfOpen(Tcp):
    """A SYN that nobody has answered yet; then both ends go on."""
    name = 'tcp-half-open'

    def opening(self, flow):
        yield self.segment(flow, True, SYN)

    def round(self, flow):
        yield self.segment(flow, True, SYN)
        yield self.segment(flow, False, SYN | ACK)


class Udp(Kind):
    """Datagrams both ways."""
    name = 'udp-stream'

    def datagram(self, flow, forward):
        _, _, sport, dport = flow.ends(forward)
        return packets.udp(sport, dport, flow.data())

    def round(self, flow):
        for forward in (True, False, True):
            yield forward, flow.ip(forward, packets.UDP, self.datagram(flow, forward))


class Icmp(Kind):
    """Echo and its replies."""
    name, protocol, icmp_type = 'icmp', packets.ICMP, 8

    def round(self, flow):
        for forward, number in ((True, 8), (False, 0)):
            yield forward, flow.ip(forward, packets.ICMP, packets.echo(
                number, flow.port, flow.sent, flow.data()))


class Icmp6(Kind):
    name, family, protocol, icmp_type = 'icmp6', socket.AF_INET6, packets.ICMP6, 128

    def round(self, flow):
        for forward, number in ((True, 128), (False, 129)):
            source, to, _, _ = flow.ends(forward)
            yield forward, flow.ip(forward, packets.ICMP6, packets.echo6(
                source, to, number, flow.port, flow.sent, flow.data()))


class Fragments(Udp):
    """Datagrams in two fragments each."""
    name = 'fragments'

    @staticmethod
    def is_later(packet):
        return struct.unpack('>H', packet[6:8])[0] & 0x1fff != 0

    @staticmethod
    def number_of(flow):
        """Of the next datagram; not one that another flow of these ends has left unfinished."""
        return (flow.port * 4099 + flow.sent) & 0xffff

    def pair(self, flow, forward):
        whole = self.datagram(flow, forward)
        return [(forward, flow.ip(forward, packets.UDP, part, fragment=field,
                                  identification=self.number_of(flow)))
                for part, field in ((whole[:FIRST], MORE_FRAGMENTS), (whole[FIRST:], FIRST // 8))]

    def pending(self, flow):
        first, later = self.pair(flow, True)
        return [first], [later]

    def round(self, flow):
        for forward in (True, False):
            yield from self.pair(flow, forward)


class Fragments6(Fragments):
    name, family = 'fragments6', socket.AF_INET6

    @staticmethod
    def is_later(packet):
        return struct.unpack('>H', packet[42:44])[0] & 0xfff8 != 0

    def pair(self, flow, forward):
        whole = self.datagram(flow, forward)
        return [(forward, flow.ip(forward, packets.FRAGMENT, packets.fragment6(
            packets.UDP, field, self.number_of(flow)) + part))
            for part, field in ((whole[:FIRST], packets.MORE), (whole[FIRST:], FIRST))]


class Extensions(Udp):
    """Datagrams behind a hop-by-hop and two destination options headers."""
    name, family = 'extensions6', socket.AF_INET6

    def round(self, flow):
        for forward in (True, False, True):
            yield forward, flow.ip(
                forward, packets.HOP_BY_HOP,
                packets.extension(packets.OPTIONS) + packets.extension(packets.OPTIONS, 24) +
                packets.extension(packets.UDP) + self.datagram(flow, forward))


class Transfer(Flow):
    """
    A connection of the kernel's own, whose segments are joined and split on their way, from the end
    that opens it: as much as it may be until something is lost.
    """

    class Kind(Tcp):
        name, number = 'tcp-transfer', 100

    CHUNK, PAUSE = bytes(8192), 0.01
    TOTAL_RETRANS = 100

    def __init__(self, direction, peer, host, port):
        super().__init__(self.Kind(), direction, peer, host, port)
        self.received, self.over = 0, False

    def open(self, patience):
        """Until something has arrived."""
        far, near = self.peer.place.netns, self.peer.gate.netns
        start, end = (far, near) if self.direction == 'in' else (near, far)
        with inside(end):
            listener = socket.create_server((self.dst, DPORT))
        with inside(start):
            self.sender = socket.create_connection((self.dst, DPORT), patience,
                                                   (self.src, self.port))
        listener.settimeout(patience)
        self.receiver, _ = listener.accept()
        listener.close()
        # Whatever is left at the end is not waited for.
        for end in (self.sender, self.receiver):
            end.settimeout(None)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.threads = [threading.Thread(target=work, daemon=True)
                        for work in (self.send, self.receive)]
        for thread in self.threads:
            thread.start()

    def send(self):
        with contextlib.suppress(OSError):
            while not self.over:
                self.sender.send(self.CHUNK)
                time.sleep(self.PAUSE)

    def receive(self):
        with contextlib.suppress(OSError):
            while data := self.receiver.recv(65536):
                self.received += len(data)

    def retransmitted(self):
        """Segments, so far."""
        info = self.sender.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        return struct.unpack_from('=I', info, self.TOTAL_RETRANS)[0]

    def close(self):
        self.over = True
        for end in (self.sender, self.receiver):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        for end in (self.sender, self.receiver):
            end.close()


KINDS = [kind() for kind in (TcpIdle, Tcp, TcpHalfOpen, Udp, Icmp, Icmp6, Fragments, Fragments6,
                             Extensions)]
for number, one in enumerate(KINDS, 1):
    one.number = number
