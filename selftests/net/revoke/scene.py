# SPDX-License-Identifier: GPL-2.0-only
"""The gate, its two peers, and what is asked of them. set_up() makes all that stands at the end."""
import base64
import collections
import pathlib
import socket
import struct
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOP / 'wire'), str(TOP.parent / 'fuzz')]
sys.dont_write_bytecode = True
import packets  # noqa: E402
from family import Family, attributes, decode, load_spec  # noqa: E402
from flows import DPORT, SO_RCVBUFFORCE, Place, inside  # noqa: E402

REMOVE_ME, REPLACE_ALLOWEDIPS = 1, 2
ADD_MEMBERSHIP = 1
PATIENCE = 30
HOUR = 3600 * 1000


class Events(Family):
    """A socket that hears of flows and denials."""

    def __init__(self, specification):
        super().__init__(specification)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
        answer = self._groups()
        for name in ('flows', 'denials'):
            self.sock.setsockopt(270, ADD_MEMBERSHIP, answer[name])
        self.sock.setblocking(False)
        self.names = {o.value: o.name for o in specification.operations}

    def _groups(self):
        family, self.id = self.id, 16
        body = struct.pack('=HH', 4 + len(self.spec.name) + 1, 2) + self.spec.name.encode() + b'\0'
        answer = self.transact(3, 0, body + bytes(-len(body) % 4), ack=False)
        self.id = family
        groups = {}
        for kind, payload in attributes(answer.messages[0]):
            for _, group in attributes(payload) if kind == 7 else ():
                values = dict(attributes(group))
                groups[values[1].rstrip(b'\0').decode()] = struct.unpack('=I', values[2])[0]
        return groups

    def read(self):
        """(command, attributes) of what has come."""
        while True:
            try:
                data = self.sock.recv(1 << 17)
            except BlockingIOError:
                return
            while len(data) >= 20:
                length, = struct.unpack('=I', data[:4])
                name = self.names[data[16]]
                of = 'decision' if name == 'denial' else 'flows'
                yield name, decode(self.spec, of, data[20:length])
                data = data[(length + 3) & ~3:]


class Peer:
    def __init__(self, network, key, place, gate):
        self.network, self.place, self.gate = network, place, gate
        self.key = base64.b64decode(key)
        self.allowed = [{'family': family, 'ipaddr': address, 'cidr-mask': bits}
                        for family, address, bits in (
                            (socket.AF_INET, bytes((10, network, 0, 0)), 16),
                            (socket.AF_INET6, bytes((0xfd, network)) + bytes(14), 16))]


class Device:
    """The gate's, and what it is told to do."""

    def __init__(self, specification, name):
        self.family = Family(specification)
        self.events = Events(specification)
        self.name = name

    def ask(self, command, **values):
        answer = self.family.send(self.family.request(command, {'ifname': self.name, **values}))
        if answer.error:
            raise SystemExit(f'{command} fails: {answer.error} {answer.sentence}')
        return answer.messages

    def refused(self):
        """Packets by (direction, reason), refused so far."""
        spec = self.family.spec
        found = decode(spec, 'stats', self.ask('get-stats')[0])
        counts = (dict(value) for name, value in found if name == 'refused')
        return collections.Counter({
            (enum_name('direction', one['direction']), enum_name('reason', one['reason'])):
            struct.unpack('=Q', one['packets'])[0] for one in counts})

    def unroutable(self):
        where = pathlib.Path(f'/sys/class/net/{self.name}/statistics/tx_errors')
        return int(where.read_text(encoding='ascii'))


def enum_name(enum, payload):
    return next(e.name for e in device.family.spec.enums[enum].entries if e.value == payload[0])


def wait_for(what, condition):
    until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > until:
            print(f'# waited in vain: {what}', flush=True)
            return False
        look()
        time.sleep(0.005)
    return True


def look():
    for place in places:
        place.look()


def arrived(flow):
    """(forward, back), of what was sent."""
    return tuple(sum(end.seen[packet] for end, packet in sent)
                 for sent in (flow.forward, flow.back))


def all_arrived(flows):
    look()
    return all(end.seen[packet] for flow in flows for end, packet in flow.forward + flow.back)


# What policy there is: a resource and a grant for each flow, whose names are the flow's.

def resource(flow, **changes):
    service = {'protocol': flow.kind.protocol}
    if flow.kind.protocol in (packets.TCP, packets.UDP):
        service['port-min'] = DPORT
    address = socket.inet_pton(flow.kind.family, flow.dst)
    return {'name': flow.name, 'prefix': [{'addr': address, 'len': 8 * len(address)}],
            'service': [service], **changes}


def also(flow):
    """Another one that covers it."""
    address = socket.inet_pton(flow.kind.family, flow.dst)
    return {'name': f'{flow.name}-also', 'prefix': [{'addr': address, 'len': 8 * len(address)}]}


def tag(flow):
    return flow.name.encode().ljust(16, b' ')[:16]


def grant(flow, **values):
    return {'peer': flow.peer.key, 'resource': flow.name, 'direction': flow.direction,
            'tag': tag(flow), **values}


def also_grant(flow):
    return {**grant(flow), 'resource': f'{flow.name}-also', 'lease-ms': HOUR}


def key_of(one):
    return {k: v for k, v in one.items() if k in ('peer', 'resource', 'direction')}


def give_others(spared):
    """Their other grant; and to the flows of the other peer what they need."""
    flows = spared + bystanders
    device.ask('new-resource', resource=[also(f) for f in flows])
    device.ask('new-grant', grant=[also_grant(f) for f in flows])


def rejoin(peer):
    """Both ends begin anew, with a session that the first packet asks for."""
    device.ask('set-device', peers=[{'public-key': peer.key, 'allowedips': peer.allowed}])
    other.remove_and_add()


class Other:
    """The peer's end."""

    def __init__(self, netns, name, gate_key, endpoint):
        self.name, self.gate_key, self.endpoint = name, base64.b64decode(gate_key), endpoint
        with inside(netns):
            self.family = Family(device.family.spec)

    def remove_and_add(self):
        everything = [{'family': socket.AF_INET, 'ipaddr': bytes(4), 'cidr-mask': 0},
                      {'family': socket.AF_INET6, 'ipaddr': bytes(16), 'cidr-mask': 0}]
        for peer in ({'public-key': self.gate_key, 'flags': REMOVE_ME},
                     {'public-key': self.gate_key, 'endpoint': self.endpoint,
                      'allowedips': everything}):
            answer = self.family.send(self.family.request(
                'set-device', {'ifname': self.name, 'peers': [peer]}))
            if answer.error:
                raise SystemExit(f'set-device fails: {answer.error} {answer.sentence}')


def set_up(gate_netns, peer_netns, other_netns, peer_key, other_key, gate_key):
    """Namespaces with the devices fz0, fz1 and fz2, and public keys."""
    global device, victim, witness, places, other
    device = Device(load_spec(), 'fz0')
    gate = Place(gate_netns, 'fz0')
    victim = Peer(9, peer_key, Place(peer_netns, 'fz1'), gate)
    witness = Peer(8, other_key, Place(other_netns, 'fz2'), gate)
    places = [gate, victim.place, witness.place]
    endpoint = struct.pack('=H', socket.AF_INET) + struct.pack('!H', 1000) + \
        socket.inet_aton('192.0.2.1') + bytes(8)
    other = Other(peer_netns, 'fz1', gate_key, endpoint)


device = victim = witness = other = None
places, bystanders = [], []
