# SPDX-License-Identifier: GPL-2.0-only
"""The netlink family as kmod/fz.yaml describes it, down to the bytes, so that they can be wrong.

A request is a tree: a list of Attr, whose payload is bytes or again such a list. No kernel
interface stands between the tree and the wire, and nothing here refuses what the kernel should.
"""
import collections
import functools
import importlib.util
import pathlib
import select
import socket
import struct
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
F_REQUEST, F_ACK, F_DUMP_INTR, F_ROOT, F_MATCH = 1, 4, 0x10, 0x100, 0x200
F_ACK_TLVS = 0x200
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLMSGERR_MSG, NLMSGERR_OFFS = 1, 2
NESTED = 0x8000
TYPE_MASK = 0x3fff
INTEGERS = {'u8': 'B', 'u16': 'H', 'u32': 'I', 'u64': 'Q'}


def load_spec():
    """The specification, read by the generator's own classes."""
    where = TOP / 'kmod/fz-gen.py'
    module = importlib.util.spec_from_file_location('fz_gen', where)
    generator = importlib.util.module_from_spec(module)
    sys.dont_write_bytecode = True
    module.loader.exec_module(generator)
    return generator.Spec(TOP / 'kmod/fz.yaml')


class Attr:
    """One attribute: its type with flags, its payload, and what the specification says of it."""

    def __init__(self, kind, payload, spec=None):
        self.kind = kind
        self.payload = payload
        self.spec = spec
        self.lie = 0        # added to the length that the header states

    @property
    def is_nest(self):
        return isinstance(self.payload, list)

    def copy(self):
        """All of it, but what the specification says."""
        attr = Attr(self.kind, [a.copy() for a in self.payload] if self.is_nest else self.payload, self.spec)
        attr.lie = self.lie
        return attr

    def encode(self):
        body = encode(self.payload) if self.is_nest else self.payload
        length = (4 + len(body) + self.lie) & 0xffff
        return struct.pack('=HH', length, self.kind) + body + bytes(-len(body) % 4)


def encode(attrs):
    return b''.join(a.encode() for a in attrs)


def walk(attrs, path=()):
    """Every attribute of a tree with the list that holds it, outer ones first."""
    for i, attr in enumerate(attrs):
        yield attrs, i, path + (attr,)
        if attr.is_nest:
            yield from walk(attr.payload, path + (attr,))


def value_of(spec, attribute, value):
    """The payload of an attribute of the specification."""
    if attribute.type in INTEGERS and not isinstance(value, bytes):
        if isinstance(value, str):
            enum = spec.enums[attribute.enum]
            value = next(e.value for e in enum.entries if e.name == value)
        return struct.pack('=' + INTEGERS[attribute.type], value)
    if attribute.type == 'string':
        return value.encode() + b'\0'
    return value


def build(spec, name, values):
    """The tree of an attribute set, from a dict: names to values, lists where there are several."""
    attrs = []
    for key, value in values.items():
        attribute = spec.sets[name].find(key)
        if attribute.type == 'indexed-array':
            inner = [Attr(i | NESTED, build(spec, attribute.nest, v))
                     for i, v in enumerate(value)]
            attrs.append(Attr(attribute.value | NESTED, inner, attribute))
        elif attribute.nest:
            for one in value if isinstance(value, list) else [value]:
                attrs.append(Attr(attribute.value | NESTED, build(spec, attribute.nest, one),
                                  attribute))
        else:
            attrs.append(Attr(attribute.value, value_of(spec, attribute, value), attribute))
    return attrs


class Request:
    """A message to the family."""

    def __init__(self, operation, attrs):
        self.operation = operation
        self.attrs = attrs

    def copy(self):
        return Request(self.operation, [a.copy() for a in self.attrs])

    def encode(self):
        return encode(self.attrs)


class Answer:
    """What came back: an errno (0 for none), its sentence, and the payloads of a dump, which may
    say that it was interrupted by changes."""

    def __init__(self):
        self.error = 0
        self.sentence = ''
        self.messages = []
        self.interrupted = False


class Family:
    """A socket that speaks to it."""

    def __init__(self, spec):
        self.spec = spec
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
        self.sock.bind((0, 0))
        for option in (10, 11, 12):     # CAP_ACK, EXT_ACK, GET_STRICT_CHK
            self.sock.setsockopt(270, option, 1)
        self.sock.settimeout(30)
        self.sequence = 0
        self.id = 16                    # nlctrl, until we know
        self.groups = {}
        self.id = self._lookup(spec.name)

    def close(self):
        self.sock.close()

    def _lookup(self, name):
        body = Attr(2, name.encode() + b'\0').encode()
        answer = self.transact(3, 0, body, ack=False)
        found = dict(attributes(answer.messages[0]))
        if 1 not in found:
            raise SystemExit(f'there is no netlink family {name}')
        for _, group in attributes(found.get(7, b'')):
            group = dict(attributes(group))
            self.groups[group[1].rstrip(b'\0').decode()] = struct.unpack('=I', group[2])[0]
        return struct.unpack('=H', found[1][:2])[0]

    def join(self, group):
        """From now on, events() has those of the group."""
        self.sock.setsockopt(270, 1, self.groups[group])

    def events(self, seconds):
        """Those that have come, after waiting for one: the name of the operation, and its attributes as decode()
        has them."""
        if not select.select([self.sock], [], [], seconds)[0]:
            return
        while select.select([self.sock], [], [], 0)[0]:
            data = self.sock.recv(1 << 17)
            while len(data) >= 20:
                length, = struct.unpack('=I', data[:4])
                operation = next(o for o in self.spec.operations if o.value == data[16])
                yield operation.name, dict(decode(self.spec, operation.set.name, data[20:length]))
                data = data[(length + 3) & ~3:]

    def transact(self, command, flags, body, ack=True, between=None):
        """Sends one message; returns when its answer is complete. `between` is called between its parts."""
        self.sequence += 1
        header = struct.pack('=IHHIIBBH', 20 + len(body), self.id,
                             F_REQUEST | (F_ACK if ack else 0) | flags, self.sequence, 0,
                             command, self.spec.version, 0)
        self.sock.send(header + body)
        answer = Answer()
        while True:
            done = self._read(self.sock.recv(1 << 17), answer)
            if done or not ack and answer.messages:
                return answer
            if between:
                between()

    def _read(self, data, answer):
        while len(data) >= 16:
            length, kind, flags, sequence = struct.unpack('=IHHI', data[:12])
            payload, data = data[16:length], data[(length + 3) & ~3:]
            if sequence != self.sequence:
                continue
            answer.interrupted |= bool(flags & F_DUMP_INTR)
            if kind in (NLMSG_ERROR, NLMSG_DONE):
                answer.error = -struct.unpack('=i', payload[:4])[0] if len(payload) >= 4 else 0
                if flags & F_ACK_TLVS:
                    start = 20 if kind == NLMSG_ERROR else 4
                    for tlv, value in attributes(payload[start:]):
                        if tlv == NLMSGERR_MSG:
                            answer.sentence = value.rstrip(b'\0').decode()
                return True
            answer.messages.append(payload[4:])
        return False

    def send(self, request, between=None):
        flags = F_ROOT | F_MATCH if request.operation.kind == 'dump' else 0
        return self.transact(request.operation.value, flags, request.encode(), between=between)

    def operation(self, name):
        return next(o for o in self.spec.operations if o.name == name)

    def request(self, name, values):
        operation = self.operation(name)
        return Request(operation, build(self.spec, operation.set.name, values))


def attributes(data):
    """(type, payload) of each attribute in bytes that the kernel sent."""
    while len(data) >= 4:
        length, kind = struct.unpack('=HH', data[:4])
        if length < 4:
            raise ValueError('an attribute shorter than its header')
        yield kind & TYPE_MASK, data[4:length]
        data = data[(length + 3) & ~3:]


@functools.lru_cache(maxsize=4096)
def decode(spec, name, data, leave_out=()):
    """The opposite of build(), as nested tuples: what can be compared."""
    found = []
    by_value = {a.value: a for a in spec.sets[name].attributes}
    for kind, payload in attributes(data):
        attribute = by_value[kind]
        if attribute.name in leave_out:
            continue
        if attribute.type == 'indexed-array':
            payload = tuple(decode(spec, attribute.nest, inner, leave_out)
                            for _, inner in attributes(payload))
        elif attribute.nest:
            payload = decode(spec, attribute.nest, payload, leave_out)
        found.append((attribute.name, payload))
    return tuple(found)


# What changes by itself, with time, traffic and other objects; and what every message of a dump says again.
PASSING = ('generation', 'last-heard-ms', 'tx-bytes', 'packets', 'bytes', 'flows', 'quota-used', 'grants',
           'ifindex', 'ifname')
# How much later than asked for a dump may be made, on a busy machine.
LATE_MS = 5000


def split_lease(what):
    """An object without its lease, and the lease."""
    name, value = what
    if name != 'grant':
        return what, None
    lease = next((struct.unpack('=Q', v)[0] for part, v in value if part == 'lease-ms'), None)
    return (name, tuple(one for one in value if one[0] != 'lease-ms')), lease


class Snapshot:
    """All that can be configured of a device. Equal to a later one if that lacks nothing but grants whose leases
    have ended since."""

    def __init__(self, family, device):
        self.at = time.monotonic()
        self.objects = collections.Counter()
        self.leases = {}
        for name in ('get-device', 'get-resource', 'get-grant'):
            request = family.request(name, {'ifname': device})
            for message in self.ask(family, request):
                for what in decode(family.spec, request.operation.set.name, message, PASSING):
                    what, lease = split_lease(what)
                    self.objects[what] += 1
                    self.leases[what] = lease

    @staticmethod
    def ask(family, request):
        """The messages of a dump that no change interrupted."""
        for _ in range(100):
            answer = family.send(request)
            if answer.error:
                raise SystemExit(f'{request.operation.name} fails: {answer.error} {answer.sentence}')
            if not answer.interrupted:
                return answer.messages
        raise SystemExit(f'{request.operation.name} is interrupted all the time')

    def __eq__(self, later):
        passed = (later.at - self.at) * 1000 + LATE_MS
        gone = self.objects - later.objects
        return not later.objects - self.objects and all((self.leases[g] or passed) < passed for g in gone)
