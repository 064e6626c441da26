# SPDX-License-Identifier: GPL-2.0-only
"""Recipes for messages: lines that say what is sent and what is wrong with it. Keys and indices are
new in every run, so that bytes would be worth nothing in the next one.

A case is a file of lines; # begins a comment.

    data [packet=NAME] [from=two] [old] [bare] [counter=[+|-]N] [STEP...] [seal [STEP...]]
    initiation [point=N] [stamp=HEX] [claim=HEX] [seal [STEP...] [mac [STEP...]]]
    response [point=N] [seal [STEP...] [mac [STEP...]]]
    cookie [STEP...] [seal [STEP...]]
    raw [STEP...]                   any datagram, of nothing at first
    super SIZE / end                what is between them leaves at once, cut at every SIZE bytes
    rekey                           a new session; what was the session is now the old one
    host                            a packet from the host into the tunnel

Steps before `seal` change what is encrypted, those after it what has been, those after `mac` the
message with its MACs. `data` is sealed in the session of peer one, or the old one, or peer two's; bare:
without padding; counter: +N and -N count from the next one. point: the ephemeral key is this one of low
order. claim: the static key in it. over=6 before `seal` sends by IPv6. The steps:

    flip=AT:BIT  set=AT:HEX  insert=AT:HEX  drop=AT:COUNT  len=COUNT (cut, or filled with zeros)
    index=AT:one|two (the index that the host gave the session, or the handshake that it began)
    sum (the checksum of an IPv4 header)

A..B in a word stands for each of these numbers, a line for each.
"""
import struct

import cases
import packets
from wireguard import LOW_ORDER, REJECT_AFTER_MESSAGES, REPLAY_WINDOW

KINDS = ('data', 'initiation', 'response', 'cookie', 'raw')
OPTIONS = ('packet', 'from', 'old', 'bare', 'counter', 'point', 'stamp', 'claim', 'over')
ONE4, TWO4, HOST4 = '192.168.7.1', '192.168.7.3', '192.168.7.2'
ONE6, TWO6, HOST6 = 'fd07::1', 'fd07::3', 'fd07::2'
GRANTED, REFUSED, HOST_PORT, OUR_PORT = 7001, 7999, 7002, 7003
SYN, ACK = 2, 16


def extensions(*headers):
    """An IPv6 packet with an echo request behind extension headers."""
    payload, following = packets.echo6(ONE6, HOST6, 128, 1, 1), packets.ICMP6
    for header in reversed(headers):
        payload, following = packets.extension(following) + payload, header
    return packets.ip6(ONE6, HOST6, following, payload)


def templates():
    """Inner packets by name: right ones, or right as far as IP is concerned."""
    question4 = packets.echo(8, 1, 1)
    question6 = packets.echo6(ONE6, HOST6, 128, 1, 1)
    datagram = packets.udp(OUR_PORT, GRANTED, b'fuzz' * 8)
    told4 = packets.ip4(HOST4, ONE4, packets.UDP, packets.udp(HOST_PORT, OUR_PORT, b'x'))
    told6 = packets.ip6(HOST6, ONE6, packets.UDP, packets.udp(HOST_PORT, OUR_PORT, b'x'))
    inner4 = {
        'echo4': (packets.ICMP, question4), 'udp4': (packets.UDP, datagram),
        'refused4': (packets.UDP, packets.udp(OUR_PORT, REFUSED, b'no')),
        'reply4': (packets.UDP, packets.udp(OUR_PORT, HOST_PORT, b'yes')),
        'syn4': (packets.TCP, packets.tcp(OUR_PORT, GRANTED, SYN)),
        'ack4': (packets.TCP, packets.tcp(OUR_PORT, GRANTED, ACK, b'data')),
        'error4': (packets.ICMP, packets.with_checksum(bytes((3, 4, 0, 0, 0, 0, 2, 88)) + told4, 2)),
        'sctp4': (packets.SCTP, struct.pack('>HHIIBBH', 1, GRANTED, 0, 0, 1, 0, 20) + bytes(16)),
        'big4': (packets.ICMP, packets.echo(8, 1, 1, bytes(8000))),
        'huge4': (packets.UDP, packets.udp(OUR_PORT, GRANTED, bytes(65000))),
    }
    inner6 = {
        'echo6': (packets.ICMP6, question6), 'udp6': (packets.UDP, datagram),
        'refused6': (packets.UDP, packets.udp(OUR_PORT, REFUSED, b'no')),
        'syn6': (packets.TCP, packets.tcp(OUR_PORT, GRANTED, SYN)),
        'error6': (packets.ICMP6, bytes((2, 0, 0, 0, 0, 0, 5, 0)) + told6),
        'first6': (packets.FRAGMENT, packets.fragment6(packets.ICMP6, packets.MORE) + question6[:8]),
        'later6': (packets.FRAGMENT, packets.fragment6(packets.ICMP6, 8) + question6[8:]),
        'atom6': (packets.FRAGMENT, packets.fragment6(packets.ICMP6, 0) + question6),
    }
    found = {name: packets.ip4(ONE4, HOST4, *what) for name, what in inner4.items()}
    found.update((name, packets.ip6(ONE6, HOST6, *what)) for name, what in inner6.items())
    found.update({
        'first4': packets.ip4(ONE4, HOST4, packets.UDP, datagram[:24], fragment=0x2000),
        'tiny4': packets.ip4(ONE4, HOST4, packets.UDP, datagram[:4], fragment=0x2000),
        'later4': packets.ip4(ONE4, HOST4, packets.UDP, datagram[24:], fragment=3),
        'last4': packets.ip4(ONE4, HOST4, packets.UDP, datagram, fragment=0x1fff),
        'options4': packets.ip4(ONE4, HOST4, packets.ICMP, question4, options=b'\x94\4\0\0\1\1\1\0'),
        'route4': packets.ip4(ONE4, HOST4, packets.ICMP, question4, options=b'\x83\7\4\1\2\3\4\0'),
        'hop6': extensions(packets.HOP_BY_HOP),
        'many6': extensions(packets.HOP_BY_HOP, *[packets.OPTIONS] * 6),
        'routing6': extensions(packets.OPTIONS, packets.ROUTING),
        'stranger4': packets.ip4(TWO4, HOST4, packets.ICMP, question4),
        'stranger6': packets.ip6(TWO6, HOST6, packets.ICMP6, question6),
        'elsewhere4': packets.ip4(ONE4, '192.168.9.9', packets.UDP, datagram),
        'empty': b'',
    })
    return found


TEMPLATES = templates()


def flip(data, at, bit):
    if int(at) < len(data):
        data[int(at)] ^= 1 << int(bit) % 8


def put(data, at, value):
    value, at = bytes.fromhex(value), int(at)
    size = max(0, min(len(value), len(data) - at))
    data[at:at + size] = value[:size]


def insert(data, at, value):
    data[int(at):int(at)] = bytes.fromhex(value)


def drop(data, at, count):
    del data[int(at):int(at) + int(count)]


def resize(data, count):
    del data[int(count):]
    data.extend(bytes(int(count) - len(data)))


def add_sum(data):
    end = min((data[0] & 15) * 4, len(data)) if data else 0
    if end >= 12:
        data[:end] = packets.with_checksum(bytes(data[:end]), 10)


STEPS = {'flip': flip, 'set': put, 'insert': insert, 'drop': drop, 'len': resize, 'sum': add_sum}


def apply(steps, data, indices):
    """The bytes after these steps; indices: those that have a name."""
    data = bytearray(data)
    for step in steps:
        name, _, value = step.partition('=')
        if name == 'index':
            at, _, whose = value.partition(':')
            put(data, at, indices[whose].hex())
        else:
            STEPS[name](data, *value.split(':') if value else ())
    return bytes(data)


class Line:
    """A line, taken apart: its kind, options and three lists of steps."""

    def __init__(self, text):
        words = text.split()
        self.text, self.kind, self.options = text, words[0], {}
        self.plain, self.sealed, self.macs = [], [], []
        self.arguments = words[1:]
        if self.kind not in KINDS:
            return
        steps = self.plain
        for word in words[1:]:
            name, _, value = word.partition('=')
            if name == 'seal':
                steps = self.sealed
            elif name == 'mac':
                steps = self.macs
            elif name in OPTIONS:
                self.options[name] = value
            elif name in STEPS or name == 'index':
                steps.append(word)
            else:
                raise SystemExit(f'what is "{word}" in "{text}"?')


def read(text):
    """The lines of a case."""
    return [Line(one) for one in cases.lines(text)]


# What is interesting, as numbers and as lengths: of the messages, a byte more, a byte less.
NUMBERS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 17, 20, 28, 40, 43, 44, 58, 60, 64, 127, 128, 255)
LENGTHS = (0, 1, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 91, 92, 93, 147, 148, 149, 1420,
           1452, 1472, 1473, 9000, 65507)
COUNTERS = (0, 1, 63, 64, REPLAY_WINDOW - 1, REPLAY_WINDOW, REPLAY_WINDOW + 1, 1 << 32, 1 << 60,
            REJECT_AFTER_MESSAGES - 1, REJECT_AFTER_MESSAGES, (1 << 64) - 1)
# Where the fields of each message begin.
FIELDS = {'data': (0, 1, 4, 8, 15, 16), 'initiation': (0, 1, 4, 8, 40, 88, 116, 132),
          'response': (0, 1, 4, 8, 12, 44, 60, 76), 'cookie': (0, 1, 4, 8, 32, 48), 'raw': (0, 1, 4, 8)}
INNER_FIELDS = (0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 12, 16, 19, 20, 21, 22, 24, 36, 40, 41, 42, 44, 48)
# The messages of a super-packet are as long as the first, the last may be shorter.
SUPER_LENGTHS = (16, 48, 96, 112, 400)


class Chooser:
    """Makes up cases, from a seed."""

    def __init__(self, random):
        self.random = random

    def step(self, fields, end):
        pick = self.random.choice
        at = self.random.randrange(end) if self.random.random() < 0.4 else pick(fields)
        name = pick(('flip', 'flip', 'flip', 'set', 'set', 'set', 'len', 'insert', 'drop', 'index'))
        if name == 'flip':
            return f'flip={at}:{self.random.randrange(8)}'
        if name == 'set':
            size = pick((1, 1, 2, 4, 8, 32))
            value = self.random.randbytes(size) if self.random.random() < 0.4 else \
                pick(NUMBERS).to_bytes(size, pick(('little', 'big')))
            return f'set={at}:{value.hex()}'
        if name == 'len':
            return f'len={pick(LENGTHS) if self.random.random() < 0.5 else self.random.randrange(end + 1)}'
        if name == 'insert':
            return f'insert={at}:{self.random.randbytes(pick((1, 4, 8, 16))).hex()}'
        if name == 'drop':
            return f'drop={at}:{pick((1, 2, 4, 8, 16))}'
        return f'index={at}:{pick(("one", "two"))}'

    def steps(self, fields, end, chance):
        if self.random.random() > chance:
            return []
        return [self.step(fields, end) for _ in range(self.random.choice((1, 1, 1, 2, 3)))]

    def data(self):
        words = [f'packet={self.random.choice(list(TEMPLATES))}']
        if self.random.random() < 0.15:
            words.append(f'counter={self.random.choice(COUNTERS)}')
        elif self.random.random() < 0.15:
            words.append(f'counter={self.random.choice("+-")}{self.random.choice(COUNTERS[:7])}')
        for word, chance in (('old', 0.05), ('from=two', 0.05), ('bare', 0.2)):
            if self.random.random() < chance:
                words.append(word)
        changes = self.steps(INNER_FIELDS, 80, 0.8)
        if changes and self.random.random() < 0.7:
            changes.append('sum')
        after = self.steps(FIELDS['data'], 120, 0.15)
        return words + changes + (['seal'] + after if after else [])

    def initiation(self):
        words = []
        for word, chance in ((f'point={self.random.randrange(len(LOW_ORDER))}', 0.1),
                             (f'stamp={self.random.randbytes(12).hex()}', 0.05),
                             (f'stamp={self.random.choice(("00", "ff")) * 12}', 0.05),
                             (f'claim={self.random.randbytes(32).hex()}', 0.1),
                             (f'claim={self.random.choice(LOW_ORDER).hex()}', 0.1)):
            if self.random.random() < chance:
                words.append(word)
        return words + self.around_macs('initiation', 148)

    def response(self):
        words = [f'point={self.random.randrange(len(LOW_ORDER))}'] if self.random.random() < 0.1 else []
        return words + self.around_macs('response', 92)

    def around_macs(self, kind, end):
        before = self.steps(FIELDS[kind], end - 32, 0.6)
        after = self.steps(FIELDS[kind], end, 0.4)
        return ['seal'] + before + ['mac'] + after

    def cookie(self):
        return self.steps((0,), 16, 0.3) + ['seal'] + self.steps(FIELDS['cookie'], 64, 0.8)

    def raw(self):
        head = bytes((self.random.choice((0, 1, 2, 3, 4, 4, 5, 255)), 0, 0, 0))
        size = self.random.choice(LENGTHS)
        return [f'insert=0:{(head + self.random.randbytes(min(size, 200))).hex()}', f'len={size}']

    def message(self):
        kind = self.random.choices(KINDS, (10, 4, 3, 2, 1))[0]
        over = ['over=6'] if self.random.random() < 0.3 else []
        return ' '.join([kind] + over + getattr(self, kind)())

    def super_packet(self):
        """Mostly of one length, so that what is cut off is what was put in."""
        if self.random.random() < 0.3:
            inside = [self.message() for _ in range(self.random.randrange(1, 9))]
            return [f'super {self.random.choice((1, 16, 32, 64, 92, 148, 500, 1400))}', *inside, 'end']
        size = self.random.choice(SUPER_LENGTHS)
        inside = [f'data bare packet={self.random.choice(list(TEMPLATES))} len={size}' +
                  self.random.choice(('', '', ' sum', f' seal flip={self.random.randrange(size + 32)}:1'))
                  for _ in range(self.random.choice((1, 2, 7, 20)))]
        inside.append(self.random.choice((f'data packet=echo4 bare len={self.random.randrange(size + 1)}',
                                          self.message())))
        return [f'super {size + 32}', *inside, 'end']

    def case(self):
        """Lines, as text."""
        lines = []
        for _ in range(self.random.choice((5, 10, 20, 40))):
            what = self.random.random()
            if what < 0.7:
                lines.append(self.message())
            elif what < 0.85:
                lines.append(f'data packet={self.random.choice(("echo4", "echo6", "udp4", "udp6"))}')
            elif what < 0.95:
                lines += self.super_packet()
            elif what < 0.98:
                lines.append('host')
            else:
                lines.append('rekey')
        return lines
