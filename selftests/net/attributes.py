# SPDX-License-Identifier: GPL-2.0-only
"""Every attribute of every command, made wrong in every way that an attribute can be.

The requests are those of selftests/fuzz/valid.py, which the device accepts in their order; what
can be wrong about an attribute comes from kmod/fz.yaml. A wrong request has to be refused with a
sentence and to change nothing. Prints KTAP; `attributes.sh` calls it.
"""
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'fuzz'))
from family import NESTED, INTEGERS, Attr, Family, Snapshot, build, load_spec, walk  # noqa: E402
from valid import policy_requests  # noqa: E402


def number(spec, value):
    """A bound: a number, or the name of a constant."""
    if isinstance(value, int):
        return value
    return next(c['value'] for c in spec.consts if c['name'] == value)


def lengths(spec, attribute):
    """The shortest and the longest payload that an attribute may have."""
    checks = {k: number(spec, v) for k, v in attribute.checks.items() if k.endswith('-len')}
    if attribute.type in INTEGERS:
        size = struct.calcsize('=' + INTEGERS[attribute.type])
        return size, size
    if attribute.type == 'string':
        return 1, checks['max-len'] + 1
    if 'exact-len' in checks:
        return checks['exact-len'], checks['exact-len']
    return checks.get('min-len', 0), checks['max-len']


def places(request):
    """The path to every attribute that the specification knows; the request may be changed there."""
    for _, _, path in walk(request.attrs):
        if path[-1].spec:
            yield path


def leaves(request):
    return (path for path in places(request) if not path[-1].is_nest)


def levels(spec, request):
    """(path, list, attribute set) of every level where attributes of a set stand."""
    yield (), request.attrs, request.operation.set
    for _, _, path in walk(request.attrs):
        attr = path[-1]
        if not attr.is_nest:
            continue
        if attr.spec and attr.spec.type != 'indexed-array':
            yield path, attr.payload, spec.sets[attr.spec.nest]
        elif not attr.spec:
            yield path, attr.payload, spec.sets[path[-2].spec.nest]


def changed(request, path, change):
    """A copy of the request with something done to the attribute at the path."""
    index = [p for _, _, p in walk(request.attrs)].index(path)
    copy = request.copy()
    attr = [p for _, _, p in walk(copy.attrs)][index][-1]
    change(attr)
    return copy


def set_payload(payload):
    return lambda attr: setattr(attr, 'payload', payload)


def too_short(spec, request):
    for path in leaves(request):
        shortest, _ = lengths(spec, path[-1].spec)
        if path[-1].spec.type == 'string':
            yield path, changed(request, path, set_payload(b'x'))
        if shortest:
            yield path, changed(request, path, set_payload(path[-1].payload[:shortest - 1]))


def too_long(spec, request):
    for path in leaves(request):
        _, longest = lengths(spec, path[-1].spec)
        filler = b'x' * longest + b'\0' if path[-1].spec.type == 'string' else bytes(longest + 1)
        yield path, changed(request, path, set_payload(filler))


def out_of_range(spec, request):
    for path in leaves(request):
        attribute = path[-1].spec
        if attribute.type not in INTEGERS:
            continue
        form = '=' + INTEGERS[attribute.type]
        wrong = []
        if attribute.enum:
            enum = spec.enums[attribute.enum]
            wrong.append(enum.max_value + 1)
        if 'min' in attribute.checks:
            wrong.append(attribute.checks['min'] - 1)
        if 'max' in attribute.checks:
            wrong.append(attribute.checks['max'] + 1)
        for value in wrong:
            yield path, changed(request, path, set_payload(struct.pack(form, value)))


def appended(spec, request, extra):
    """The request with something added at every level; `extra` says what, from the level's set."""
    for path, _, attribute_set in levels(spec, request):
        for attr in extra(attribute_set, path):
            if path:
                yield path + (attr,), changed(request, path, lambda a, x=attr: a.payload.append(x))
            else:
                copy = request.copy()
                copy.attrs.append(attr)
                yield (attr,), copy


def unknown(spec, request):
    def extra(attribute_set, _):
        past = max(a.value for a in attribute_set.attributes) + 1
        return [Attr(past, bytes(4)), Attr(0x3fff, b''), Attr(0, bytes(4))]

    return appended(spec, request, extra)


def only_in_answers(spec, request):
    def extra(attribute_set, path):
        for attribute in attribute_set.attributes:
            asked = path or attribute.name in request.operation.request
            if attribute.type == 'unused' or (asked and not attribute.answer_only):
                continue
            if attribute.nest:
                yield Attr(attribute.value | NESTED, build(spec, attribute.nest, {}))
            else:
                shortest, longest = lengths(spec, attribute) if attribute.type in INTEGERS or \
                    attribute.checks else (1, 1)
                yield Attr(attribute.value, bytes(max(shortest, min(longest, 1))))

    return appended(spec, request, extra)


def toggle_nested(attr):
    attr.kind ^= NESTED


def nested_flag(spec, request):
    for _, _, path in walk(request.attrs):
        yield path, changed(request, path, toggle_nested)


def lying_length(spec, request):
    for _, _, path in walk(request.attrs):
        size = len(path[-1].encode())
        for stated in (0, 3, 0xffff):
            yield path, changed(request, path,
                                lambda a, s=stated: setattr(a, 'lie', s - size))


def too_deep(spec, request):
    deep = [Attr(1 | NESTED, [])]
    for _ in range(60):
        deep = [Attr(1 | NESTED, deep)]
    for path in places(request):
        if path[-1].is_nest:
            yield path, changed(request, path, set_payload(deep))


def left_over(spec, request):
    copy = request.copy()
    encoded = request.encode()
    copy.encode = lambda: encoded + b'\1\0\0'
    yield (), copy


FAULTS = {
    'too short': too_short,
    'too long': too_long,
    'out of its range': out_of_range,
    'unknown': unknown,
    'only in answers': only_in_answers,
    'nested or not, against its kind': nested_flag,
    'of a length that lies': lying_length,
    'nested too deep': too_deep,
    'followed by bytes': left_over,
}


def describe(request, path):
    return ' > '.join([request.operation.name] +
                      [a.spec.name if a.spec else str(a.kind & 0x3fff) for a in path])


class Test:
    """One fault, tried on all requests."""

    def __init__(self, family, device):
        self.family = family
        self.device = device
        self.tried = {name: 0 for name in FAULTS}
        self.complaints = {name: [] for name in FAULTS}

    def refuse(self, name, path, request, before):
        answer = self.family.send(request)
        self.tried[name] += 1
        where = describe(request, path)
        if not answer.error:
            self.complaints[name].append(f'{where}: accepted')
        elif not answer.sentence:
            self.complaints[name].append(f'{where}: errno {answer.error} without a sentence')
        after = Snapshot(self.family, self.device)
        if before != after:
            self.complaints[name].append(f'{where}: something has changed')
        return after

    def run(self):
        for operation, values in policy_requests({'ifname': self.device}):
            request = self.family.request(operation, values)
            before = Snapshot(self.family, self.device)
            for name, fault in FAULTS.items():
                for path, wrong in fault(self.family.spec, request):
                    before = self.refuse(name, path, wrong, before)
            answer = self.family.send(request)
            if answer.error:
                print(f'Bail out! {operation}: {answer.error} {answer.sentence}')
                sys.exit(1)


def main():
    spec = load_spec()
    test = Test(Family(spec), sys.argv[1])
    test.run()
    print(f'TAP version 13\n1..{len(FAULTS)}')
    for i, name in enumerate(FAULTS, 1):
        complaints = test.complaints[name]
        for complaint in complaints[:20]:
            print(f'# {complaint}')
        print(f'{"not ok" if complaints or not test.tried[name] else "ok"} {i} '
              f'an attribute {name} ({test.tried[name]} requests)')
    sys.exit(any(test.complaints.values()))


main()
