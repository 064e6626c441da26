# SPDX-License-Identifier: GPL-2.0-only
"""Recipes for requests: lines that say which right request is sent, and what is wrong with it.

A case is a file of lines, played on a device that has a policy; # begins a comment.

    OPERATION [two] [STEP...]   one of valid.py; two: sent by a socket that is not the usual one
    asked COUNT                 so many datagrams, each to an address of its own that user space is asked about
    flows COUNT                 the same for addresses of a peer

The steps, each done to what the one before left. A PATH is names or numbers with dots, from the outside: a name is
the first attribute of that name, name~1 the second, a number counts the attributes of its level.

    remove=PATH  double=PATH[:COUNT]  last=PATH (behind its neighbours)
    graft=PATH:OPERATION:PATH (in its place one of another request)
    kind=PATH:NUMBER  nested=PATH (the flag, toggled)  wrap=PATH (in another of its kind)
    number=PATH:NUMBER  flip=PATH:AT:BIT  set=PATH:HEX  empty=PATH
    lie=PATH:NUMBER (added to the length that its header states)
    tail=HEX (behind the last)

A..B in a word stands for each of these numbers, a line for each.
"""
import struct

import cases
from family import NESTED, TYPE_MASK, Attr, Request, walk
from valid import policy_requests, verdict

NUMBERS = (0, 1, 2, 3, 4, 5, 7, 8, 16, 31, 32, 33, 63, 64, 127, 128, 129, 255, 256, 0x7fff, 0x8000,
           0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 1 << 63, (1 << 64) - 1)
SIZES = (0, 1, 2, 4, 8, 16, 28, 32, 33, 64, 1500)
KINDS = (0, 1, 2, 5, 8, 12, 13, 40, TYPE_MASK)
LIES = (-8, -4, -3, -1, 1, 4, 8, 100, 60000)
# What a socket's buffer takes at once.
LONGEST = 60000


def right_requests(family, name, port):
    """One of each operation, for the device of that name."""
    device = {'ifname': name}
    return {operation: family.request(operation, values)
            for operation, values in policy_requests(device, port) + [verdict(device)]}


def name_at(attrs, i):
    """How a path calls attribute number i of its level."""
    if not attrs[i].spec:
        return str(i)
    before = sum(1 for a in attrs[:i] if a.spec and a.spec.name == attrs[i].spec.name)
    return attrs[i].spec.name + (f'~{before}' if before else '')


def find(attrs, path):
    """The list that holds the attribute of a path, and its place there."""
    *outer, last = path.split('.')
    for part in outer:
        attrs = attrs[place(attrs, part)].payload
    return attrs, place(attrs, last)


def place(attrs, part):
    if part.isdigit():
        return int(part)
    name, _, before = part.partition('~')
    return [i for i, a in enumerate(attrs) if a.spec and a.spec.name == name][int(before or 0)]


def remove(attrs, i):
    del attrs[i]


def double(attrs, i, count='1'):
    attrs[i:i] = [attrs[i]] * int(count)


def last(attrs, i):
    attrs.append(attrs.pop(i))


def kind(attrs, i, number):
    attrs[i].kind = attrs[i].kind & NESTED | int(number)


def nested(attrs, i):
    attrs[i].kind ^= NESTED


def wrap(attrs, i):
    attrs[i] = Attr(attrs[i].kind | NESTED, [attrs[i]], attrs[i].spec)


def number(attrs, i, value):
    attrs[i].payload = struct.pack('=Q', int(value))[:len(attrs[i].payload)]


def flip(attrs, i, at, bit):
    data = bytearray(attrs[i].payload)
    data[int(at)] ^= 1 << int(bit)
    attrs[i].payload = bytes(data)


def put(attrs, i, value):
    attrs[i].payload = bytes.fromhex(value)


def empty(attrs, i):
    attrs[i].payload = [] if attrs[i].is_nest else b''


def lie(attrs, i, value):
    attrs[i].lie = int(value)


STEPS = {'remove': remove, 'double': double, 'last': last, 'kind': kind, 'nested': nested, 'wrap': wrap,
         'number': number, 'flip': flip, 'set': put, 'empty': empty, 'lie': lie}


def change(request, step, right):
    """A copy of the request after a step; right: all the right ones."""
    # A copy each time: what was doubled or grafted is not to be one object.
    request = request.copy()
    name, _, value = step.partition('=')
    if name == 'tail':
        request.tail += bytes.fromhex(value)
        return request
    path, *values = value.split(':')
    attrs, i = find(request.attrs, path)
    if name == 'graft':
        others, j = find(right[values[0]].attrs, values[1])
        attrs[i] = others[j]
    else:
        STEPS[name](attrs, i, *values)
    return request


class Spoilt(Request):
    """A request with bytes behind it."""

    def __init__(self, operation, attrs, tail=b''):
        super().__init__(operation, attrs)
        self.tail = tail

    def copy(self):
        return Spoilt(self.operation, super().copy().attrs, self.tail)

    def encode(self):
        return super().encode() + self.tail


def make(words, right):
    """The request of a line's words."""
    request = Spoilt(right[words[0]].operation, right[words[0]].attrs)
    for step in words[1:]:
        if step == 'two':
            continue
        try:
            request = change(request, step, right)
        except (LookupError, ValueError) as error:
            raise SystemExit(f'what is "{step}" in "{" ".join(words)}"?') from error
    return request


def read(text):
    """The lines of a case, as words."""
    return [line.split() for line in cases.lines(text)]


class Chooser:
    """Makes up cases, from a seed."""

    def __init__(self, random, right):
        self.random, self.right = random, right

    def path(self, request):
        """Of any attribute, and the attribute."""
        attrs, i, path = self.random.choice(list(walk(request.attrs)))
        level, names = request.attrs, []
        for attr in path[:-1]:
            names.append(name_at(level, next(n for n, a in enumerate(level) if a is attr)))
            level = attr.payload
        return '.'.join(names + [name_at(attrs, i)]), attrs[i]

    def step(self, request):
        pick = self.random.choice
        if self.random.random() < 0.02:
            return f'tail={self.random.randbytes(pick((1, 2, 3, 4, 8, 40))).hex()}'
        path, attr = self.path(request)
        name = pick(('remove', 'double', 'double', 'last', 'graft', 'kind', 'nested', 'wrap', 'number', 'number',
                     'number', 'flip', 'flip', 'set', 'empty', 'lie'))
        if name in ('number', 'flip') and (attr.is_nest or not attr.payload):
            return f'remove={path}'
        if name == 'double':
            return f'double={path}:{pick((1, 1, 3, 20, 70))}'
        if name == 'graft':
            other = pick(sorted(self.right))
            return f'graft={path}:{other}:{self.path(self.right[other])[0]}'
        if name == 'kind':
            return f'kind={path}:{pick(KINDS)}'
        if name == 'number':
            return f'number={path}:{pick(NUMBERS)}'
        if name == 'flip':
            return f'flip={path}:{self.random.randrange(len(attr.payload))}:{self.random.randrange(8)}'
        if name == 'set':
            return f'set={path}:{self.random.randbytes(pick(SIZES)).hex()}'
        if name == 'lie':
            return f'lie={path}:{pick(LIES)}'
        return f'{name}={path}'

    def request(self):
        """A line: a right request, or one with one to five changes."""
        pick = self.random.choice
        operation = pick(sorted(self.right))
        request = Spoilt(self.right[operation].operation, self.right[operation].attrs)
        words = [operation] + (['two'] if self.random.random() < 0.1 else [])
        for _ in range(pick((0, 1, 1, 1, 2, 3, 5))):
            if not request.attrs:
                break
            step = self.step(request)
            changed = change(request, step, self.right)
            if len(changed.encode()) <= LONGEST:
                request = changed
                words.append(step)
        return ' '.join(words)

    def case(self):
        """Lines, as text."""
        lines = []
        for _ in range(self.random.choice((20, 40, 80))):
            what = self.random.random()
            if what < 0.04:
                lines.append(f'asked {self.random.choice((1, 3, 10))}')
            elif what < 0.08:
                lines.append(f'flows {self.random.choice((1, 3, 10))}')
            else:
                lines.append(self.request())
        return '\n'.join(lines)
