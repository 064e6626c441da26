# SPDX-License-Identifier: GPL-2.0-only
"""
Policies by chance: what `explain` says, and what packets do, against an evaluator without an index.

A device, the gate, has three peers, of which the first is really there. Policy is changed by chance,
in turn by netlink requests, in an epoch that replaces all of it, and by `fzctl batch`. After each
such round many questions are asked, and packets are sent from the peer's end and from the gate's: one
arrives exactly if it was explained as passing.

    oracle.py GATE PEER KEY KEY KEY SEED ROUNDS

Namespaces with the devices fz0 and fz1, and the keys of the peers. Prints KTAP; `oracle.sh` calls it.
"""
import base64
import collections
import dataclasses
import ipaddress
import pathlib
import random
import socket
import struct
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOP / 'revoke'), str(TOP / 'wire'), str(TOP.parent / 'fuzz')]
sys.dont_write_bytecode = True
import packets  # noqa: E402
from family import Family, decode, load_spec  # noqa: E402
from flows import Place  # noqa: E402
from plain import BITS, ICMP, PORTS, Grant, Policy, Tuple  # noqa: E402

FAMILIES = (socket.AF_INET, socket.AF_INET6)
RESOURCES, CHANGES, QUESTIONS, PACKETS = 24, 30, 210, 60
PROTOCOLS = (6, 17, 132, 1, 58, 47, 99)
HOUR = 3600
PATIENCE = 30
OWNER = {0: (10, 9), 1: (10, 8), 2: (10, 9, 2)}


def text(family, address):
    return str(ipaddress.ip_address(packed(family, address)))


def packed(family, address):
    return address.to_bytes(BITS[family] // 8, 'big')


class Chance:
    """Everything that is chosen, so that it is close together and overlaps."""

    def __init__(self, seed):
        self.random, self.ends = random.Random(seed), 0

    def family(self):
        return self.random.choice(FAMILIES)

    def address(self, family, second):
        """Of a peer's network (10.9, 10.8), or of the gate's (10.1)."""
        third, last = self.random.choice((0, 1, 2, 128)), self.random.choice((1, 2, 3, 129, 254))
        if family == socket.AF_INET:
            return int.from_bytes(bytes((10, second, third, last)), 'big')
        return 0xfd << 120 | second << 112 | third << 64 | last

    def prefix(self):
        family = self.family()
        length = self.random.choice((BITS[family], self.random.randrange(BITS[family] + 1)))
        address = self.address(family, self.random.choice((1, 8, 9)))
        return family, address >> (BITS[family] - length) << (BITS[family] - length), length

    def service(self):
        protocol = self.random.choice(PROTOCOLS[:-1])
        if protocol == 47 or self.random.random() < 0.3:
            return protocol, None, None
        first = self.random.randrange(16)
        return protocol, first, first + self.random.choice((0, 0, 1, 5))

    def resource(self):
        return ([self.prefix() for _ in range(self.random.randint(1, 3))],
                [self.service() for _ in range(self.random.randrange(4))])

    def key(self, names):
        return (self.random.choice((None, 0, 1, 2)), self.random.choice(names),
                self.random.choice(('in', 'out')))

    def end(self):
        """Of a lease that runs: after all others, whatever time it takes to say so."""
        self.ends += 1
        return self.ends

    def grant(self):
        """Many quotas are for some packets, and end; some are not."""
        action = self.random.choices(('allow', 'deny'), (4, 1))[0]
        quota = self.random.choice((None, None, 50, 50, 90, 120, 1 << 40))
        return Grant(action, self.random.random() < 0.2, self.random.randbytes(16), self.end(),
                     quota if action == 'allow' else None)

    def renewed(self, old):
        """In the place of another: of the same policy, with the same quota, or not."""
        grant = self.grant()
        if self.random.random() < 0.5:
            grant.action, grant.tag = old.action, old.tag
        if grant.action == 'deny':
            grant.quota = None
        elif self.random.random() < 0.5:
            grant.quota = old.quota
        return grant

    def mode(self):
        """Of a peer or of the device; None inherits."""
        whose = self.random.choice((None, 0, 1, 2))
        modes = [('enforce', False)] * 4 + [('enforce', True), ('observe', False), ('open', False)]
        return (whose, self.random.choice(('in', 'out'))), \
            self.random.choice(modes + ([None] * 4 if whose is not None else []))

    def packet(self, direction, to_send=False):
        """A tuple; of one to send the far end is the first peer's."""
        family = self.family()
        far = self.address(family, 9 if to_send else self.random.choice((9, 9, 9, 8)))
        near = self.address(family, 1)
        src, dst = (far, near) if direction == 'in' else (near, far)
        protocol = self.random.choice(PROTOCOLS)
        found = {}
        if protocol in PORTS:
            found = {'sport': self.random.randint(1024, 65535),
                     'dport': self.random.randrange(24)}
        elif protocol == ICMP[family]:
            # of those that are no errors, and that no peer may need to answer
            found = {'icmp_type': self.random.choice((8, 10, 13, 17) if family == socket.AF_INET
                                                     else (128, 130, 144))}
        return Tuple(family, protocol, src, dst, **found)


class ByNetlink:
    """Says each change in a request of its own."""

    def __init__(self, gate):
        self.gate = gate

    def resource(self, name, prefixes, services):
        self.gate.ask('new-resource', resource=[{
            'name': name,
            'prefix': [{'addr': packed(family, address), 'len': length}
                       for family, address, length in prefixes],
            'service': [{'protocol': protocol} if first is None else
                        {'protocol': protocol, 'port-min': first, 'port-max': last}
                        for protocol, first, last in services]}])

    def drop_resource(self, name):
        self.gate.ask('del-resource', resource=[{'name': name}])

    def named(self, key):
        peer, name, direction = key
        return {**({} if peer is None else {'peer': self.gate.keys[peer]}),
                'resource': name, 'direction': direction}

    def grant(self, key, grant):
        lease = 1 if grant.expired else (HOUR + grant.end) * 1000
        quota = {} if grant.quota is None else {'quota': grant.quota}
        self.gate.ask('new-grant', grant=[
            {**self.named(key), 'action': grant.action, 'tag': grant.tag, 'lease-ms': lease,
             **quota}])

    def drop_grant(self, key):
        self.gate.ask('del-grant', grant=[self.named(key)])

    def mode(self, whose, mode):
        peer, direction = whose
        name, ask = mode or ('inherit', False)
        setting = [{'direction': direction, 'mode': name, 'flags': int(ask)}]
        if peer is None:
            self.gate.ask('set-device', mode=setting)
        else:
            self.gate.ask('set-device', peers=[
                {'public-key': self.gate.keys[peer], 'mode': setting}])

    def done(self):
        pass


class ByFzctl:
    """Says all in the lines of one batch; what fzctl has no words for goes by netlink, first."""

    def __init__(self, gate):
        self.gate, self.lines, self.netlink = gate, [], ByNetlink(gate)

    def say(self, *words):
        self.lines.append(' '.join(words))

    @staticmethod
    def service(protocol, first, last):
        names = {6: 'tcp', 17: 'udp', 132: 'sctp'}
        if first is None:
            return f'proto/{protocol}'
        if protocol not in names or not first:
            return None
        return f'{names[protocol]}/{first}' + (f'-{last}' if last != first else '')

    def resource(self, name, prefixes, services):
        words = [self.service(*service) for service in services]
        if None in words:
            self.done()
            self.netlink.resource(name, prefixes, services)
            return
        self.say('resource add fz0', name,
                 *(f'{text(family, address)}/{length}' for family, address, length in prefixes),
                 *words)

    def drop_resource(self, name):
        self.say('resource del fz0', name)

    def named(self, key):
        peer, name, direction = key
        whose = 'any' if peer is None else f'peer {base64.b64encode(self.gate.keys[peer]).decode()}'
        return f'{whose} resource {name} {direction}'

    def grant(self, key, grant):
        if grant.expired:
            self.done()
            self.netlink.grant(key, grant)
            return
        self.say('grant add fz0', self.named(key), 'deny' if grant.action == 'deny' else '',
                 f'for {HOUR + grant.end}s tag {grant.tag.hex()}',
                 '' if grant.quota is None else f'quota {grant.quota}')

    def drop_grant(self, key):
        self.say('grant del fz0', self.named(key))

    def mode(self, whose, mode):
        peer, direction = whose
        name, ask = mode or ('inherit', False)
        self.say('mode fz0', '' if peer is None else
                 f'peer {base64.b64encode(self.gate.keys[peer]).decode()}',
                 direction, name, 'ask' if ask else '')

    def done(self):
        if not self.lines:
            return
        subprocess.run(('fzctl', 'batch', '-'), input='\n'.join(self.lines) + '\n', text=True,
                       check=True)
        self.lines = []


class Gate:
    """The device, as it is asked."""

    def __init__(self, keys):
        self.family = Family(load_spec())
        self.keys = keys

    def ask(self, command, **values):
        answer = self.family.send(self.family.request(command, {'ifname': 'fz0', **values}))
        if answer.error:
            raise SystemExit(f'{command} fails: {answer.error} {answer.sentence}: {values}')
        return answer.messages

    def name(self, enum, payload):
        return next(e.name for e in self.family.spec.enums[enum].entries if e.value == payload[0])

    def explain(self, peer, direction, packet):
        """(verdict, reason, mode, key of the grant that decides, or None, its tag)"""
        values = {'protocol': packet.protocol, 'src': packed(packet.family, packet.src),
                  'dst': packed(packet.family, packet.dst)}
        if packet.protocol in PORTS:
            values |= {'sport': packet.sport, 'dport': packet.dport}
        if packet.protocol == ICMP[packet.family]:
            values |= {'icmp-type': packet.icmp_type}
        found = dict(decode(self.family.spec, 'decision', self.ask(
            'explain', peer=self.keys[peer], direction=direction, tuple=values)[0]))
        grant = dict(found.get('grant', ()))
        key = None
        if grant:
            key = (self.keys.index(grant['peer']) if 'peer' in grant else None,
                   grant['resource'].rstrip(b'\0').decode(),
                   self.name('direction', grant['direction']))
        return (self.name('verdict', found['verdict']), self.name('reason', found['reason']),
                self.name('mode', found['mode']), key, grant.get('tag', bytes(16)))

    def refused(self):
        """Packets by direction and reason."""
        counts = collections.Counter()
        for name, value in decode(self.family.spec, 'stats', self.ask('get-stats')[0]):
            if name == 'refused':
                value = dict(value)
                counts[self.name('direction', value['direction']),
                       self.name('reason', value['reason'])] += \
                    struct.unpack('=Q', value['packets'])[0]
        return counts


class Oracle:
    def __init__(self, gate, seed):
        self.gate, self.chance = gate, Chance(seed)
        self.policy = Policy({peer: [self.network(network, family) for family in FAMILIES]
                              for peer, network in OWNER.items()})
        self.verdicts, self.reasons = collections.Counter(), collections.Counter()
        self.sent = collections.Counter()
        self.latest = []

    @staticmethod
    def network(network, family):
        """As allowed IPs: 10.9.0.0/16 and fd09::/16, in it 10.9.2.0/24 and fd09:0:0:2::/64."""
        if family == socket.AF_INET:
            start = int.from_bytes(bytes(network) + bytes(4 - len(network)), 'big')
            return family, start, 8 * len(network)
        start = 0xfd << 120 | network[1] << 112 | (network[2] << 64 if len(network) > 2 else 0)
        return family, start, 64 if len(network) > 2 else 16

    def set_allowed(self):
        self.gate.ask('set-device', peers=[
            {'public-key': self.gate.keys[peer],
             'allowedips': [{'family': family, 'ipaddr': packed(family, address),
                             'cidr-mask': length} for family, address, length in prefixes]}
            for peer, prefixes in self.policy.allowed.items()])

    def change(self, say):
        """One thing."""
        chance, policy = self.chance, self.policy
        what = chance.random.random()
        names = sorted(policy.resources)
        if what < 0.3 or not names:
            name = f'r{chance.random.randrange(RESOURCES)}'
            policy.resources[name] = chance.resource()
            say.resource(name, *policy.resources[name])
        elif what < 0.33:
            name = chance.random.choice(names)
            policy.drop_resource(name)
            say.drop_resource(name)
        elif what < 0.8:
            if policy.grants and chance.random.random() < 0.4:
                key = chance.random.choice(list(policy.grants))
                policy.set_grant(key, chance.renewed(policy.grants[key]))
            else:
                key = chance.key(names)
                policy.set_grant(key, chance.grant())
            say.grant(key, policy.grants[key])
        elif what < 0.9 and policy.grants:
            key = chance.random.choice(list(policy.grants))
            del policy.grants[key]
            say.drop_grant(key)
        else:
            whose, mode = chance.mode()
            if mode is None:
                policy.modes.pop(whose, None)
            else:
                policy.modes[whose] = mode
            say.mode(whose, mode)

    def replace_all(self):
        """In an epoch: much of what there is is restated, some is new, one in four is dropped."""
        policy, chance = self.policy, self.chance
        before = policy.resources, policy.grants
        policy.resources, policy.grants = {}, {}
        self.gate.ask('begin-epoch')
        say = ByNetlink(self.gate)
        for name, resource in before[0].items():
            if chance.random.random() < 0.8:
                policy.resources[name] = resource
                say.resource(name, *resource)
        for key, grant in before[1].items():
            if key[1] in policy.resources and chance.random.random() < 0.8:
                policy.grants[key] = dataclasses.replace(grant, end=chance.end(), used=0,
                                                         spent=False)
                say.grant(key, policy.grants[key])
        for _ in range(CHANGES):
            self.change(say)
        if chance.random.random() < 0.25:
            self.gate.ask('abort-epoch')
            policy.resources, policy.grants = before
        else:
            self.gate.ask('commit-epoch')
            for key, grant in policy.grants.items():
                grant.inherit(before[1].get(key))

    def change_all(self, number):
        if number % 3 == 2:
            self.replace_all()
        else:
            say = ByFzctl(self.gate) if number % 3 else ByNetlink(self.gate)
            for _ in range(CHANGES):
                self.change(say)
            say.done()
        # Leases of a millisecond have ended.
        time.sleep(0.003)

    def explained(self, peer, direction, packet):
        """What is wrong with an explanation; nothing if it is right."""
        verdict, reason, mode, keys = self.policy.answer(peer, direction, packet)
        self.verdicts[verdict] += 1
        self.reasons[reason] += 1
        # Nobody is registered who could be asked.
        verdict = 'refuse' if verdict == 'ask' else verdict
        said = self.gate.explain(peer, direction, packet)
        if said[:3] != (verdict, reason, mode) or (said[3] not in keys if keys else said[3]) or \
                said[3] and said[4] != self.policy.grants[said[3]].tag:
            return [f'peer {peer} {direction} {packet.protocol} '
                    f'{text(packet.family, packet.src)}:{packet.sport} '
                    f'{text(packet.family, packet.dst)}:{packet.dport} type {packet.icmp_type}: '
                    f'explained as {said}, right is {(verdict, reason, mode, keys)}']
        return []

    def questions(self):
        problems = []
        for _ in range(QUESTIONS):
            direction = self.chance.random.choice(('in', 'out'))
            problems += self.explained(self.chance.random.randrange(3), direction,
                                       self.chance.packet(direction))
        return problems

    def questions_again(self):
        """About the packets that were sent: some were the last that a quota had room for."""
        return [problem for direction, packet in self.latest
                for problem in self.explained(0, direction, packet)]

    def bytes_of(self, packet, number):
        """A packet that begins a flow, unlike any other."""
        data = f'{number} of the oracle '.encode()
        src, dst = text(packet.family, packet.src), text(packet.family, packet.dst)
        if packet.protocol == packets.TCP:
            data = packets.tcp(packet.sport, packet.dport, 2, data)
        elif packet.protocol == packets.UDP:
            data = packets.udp(packet.sport, packet.dport, data)
        elif packet.protocol == packets.SCTP:
            # an INIT, of the least length that it may have
            data = struct.pack('>HHIIBBHI', packet.sport, packet.dport, 0, 0, 1, 0, 20, 1) + \
                struct.pack('>IHHI', 65536, 1, 1, 1) + data
        elif packet.protocol == ICMP[socket.AF_INET] and packet.family == socket.AF_INET:
            data = packets.echo(packet.icmp_type, number & 0xffff, 1, data)
        elif packet.protocol == ICMP[socket.AF_INET6] and packet.family == socket.AF_INET6:
            data = packets.echo6(src, dst, packet.icmp_type, number & 0xffff, 1, data)
        if packet.family == socket.AF_INET:
            return packets.ip4(src, dst, packet.protocol, data)
        return packets.ip6(src, dst, packet.protocol, data)

    def traffic(self):
        """Packets between the first peer and the gate."""
        self.gate.ask('del-flow')
        before = self.gate.refused()
        self.latest = []
        pairs, sent, refused, asked = set(), [], collections.Counter(), collections.Counter()
        for _ in range(PACKETS):
            direction = self.chance.random.choice(('in', 'out'))
            packet = self.chance.packet(direction, to_send=True)
            # One flow for two ends: else a packet could be the answer to another. What no peer can
            # be sent is not refused, but has no way.
            pair = frozenset((packet.src, packet.dst))
            if pair in pairs or self.policy.owner(
                    packet.family, packet.dst if direction == 'out' else packet.src) != 0:
                continue
            pairs.add(pair)
            start, end = (peer_place, gate_place) if direction == 'in' else (gate_place, peer_place)
            data = self.bytes_of(packet, self.sent.total() + 1)
            verdict, reason = self.policy.admit(0, direction, packet, len(data))
            passes = verdict in ('pass', 'observe')
            self.sent[verdict] += 1
            if verdict == 'ask':
                asked[direction] += 1
            elif not passes:
                refused[direction, reason] += 1
            sent.append((end, data, passes, direction, packet, reason))
            self.latest.append((direction, packet))
            start.put(data)

        def is_over():
            look()
            there = sum(end.seen[data] for end, data, *_ in sent)
            return there + (self.gate.refused() - before).total() >= len(sent)

        until = time.monotonic() + PATIENCE
        while not is_over() and time.monotonic() < until:
            time.sleep(0.005)
        told = self.gate.refused() - before
        # What would be asked about is refused for want of a grant, or of leave to ask so often.
        others = told - refused
        return [f'{direction} {packet}: {end.seen[data]} arrive, '
                f'right is {int(passes)} ({reason})'
                for end, data, passes, direction, packet, reason in sent
                if end.seen[data] != passes] + \
               [f'refused {direction} for {reason}: {told[direction, reason]}, '
                f'right is {refused[direction, reason]} and some of {asked[direction]}'
                for direction, reason in sorted(refused.keys() | told.keys())
                if told[direction, reason] < refused[direction, reason] or asked[direction] !=
                sum(others[key] for key in others if key[0] == direction)]


def look():
    for place in (gate_place, peer_place):
        place.look()


def report(sentence, problems):
    global tests, failed
    tests += 1
    for problem in problems[:10]:
        print(f'# {problem}')
    if problems:
        print(f'# {len(problems)} problems; this seed again: FZ_SEED={seed}')
    print(f'{"not " if problems else ""}ok {tests} {sentence}', flush=True)
    failed |= bool(problems)


def main(rounds):
    oracle = Oracle(Gate(keys), seed)
    oracle.set_allowed()
    explained, traffic = [], []
    for number in range(rounds):
        oracle.change_all(number)
        explained += [f'round {number}: {p}' for p in oracle.questions()]
        traffic += [f'round {number}: {p}' for p in oracle.traffic()]
        explained += [f'round {number}, again: {p}' for p in oracle.questions_again()]
        if len(explained) > 10 or len(traffic) > 10:
            break
    report(f'seed {seed}: explain agrees, {oracle.verdicts.total()} questions', explained)
    report(f'seed {seed}: packets agree, {oracle.sent.total()} sent', traffic)
    report(f'seed {seed}: there was enough of everything', [
        f'{what}: only {count[name]} times {name}' for what, count, names, all_of_it in (
            ('verdicts', oracle.verdicts, ('pass', 'refuse', 'observe', 'ask'), QUESTIONS),
            ('reasons', oracle.reasons, ('none', 'no-grant', 'denied', 'expired', 'quota', 'source'),
             QUESTIONS),
            ('packets', oracle.sent, ('pass', 'refuse', 'observe', 'ask'), PACKETS))
        for name in names if count[name] < rounds * all_of_it // 500] if not failed else [])
    print(f'1..{tests}')


gate_netns, peer_netns = sys.argv[1:3]
keys = [base64.b64decode(key) for key in sys.argv[3:6]]
seed, tests, failed = int(sys.argv[6]), 0, False
print(f'TAP version 13\n# seed {seed}', flush=True)
gate_place, peer_place = Place(gate_netns, 'fz0'), Place(peer_netns, 'fz1')
main(int(sys.argv[7]))
sys.exit(failed)
