# SPDX-License-Identifier: GPL-2.0-only
"""Dumps while what they list changes.

A dump takes many messages, and between any two of them something may come or go. Then it has to say
so (NLM_F_DUMP_INTR): who wants one state asks again. What was there all the time is listed once,
even so. A dump that nothing disturbed does not say that it was. Prints KTAP; `dump.sh`
calls it.
"""
import collections
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'fuzz'))
from family import Family, attributes, load_spec  # noqa: E402

COUNT = 2000
BATCH = 100
RESOURCE, GRANT, PEER = 'resource', 'grant', 'peer'


def key(number):
    return number.to_bytes(4, 'big') + bytes(27) + b'\x01'


def name(number):
    return f'r{number}'


class Kind:
    """Something that a device has many of."""

    def __init__(self, family, device, command):
        self.family, self.device, self.command = family, {'ifname': device}, command

    def ask(self, command, values):
        answer = self.family.send(self.family.request(command, {**self.device, **values}))
        if answer.error:
            raise SystemExit(f'{command} fails: {answer.error} {answer.sentence}')

    def dump(self, between=None):
        """(numbers listed, whether it says that it was disturbed)"""
        answer = reader.send(reader.request(self.command, self.device), between)
        if answer.error:
            raise SystemExit(f'{self.command} fails: {answer.error} {answer.sentence}')
        listed = []
        for message in answer.messages:
            numbers = list(self.numbers(message))
            # a peer whose allowed IPs did not fit goes on in the next message
            if listed and numbers[:1] == listed[-1:]:
                numbers = numbers[1:]
            listed += numbers
        return listed, answer.interrupted

    def quiet_dump(self):
        """One that nothing disturbs, as soon as the kernel's tables have taken their size."""
        for _ in range(20):
            listed, interrupted = self.dump()
            if not interrupted:
                break
            time.sleep(0.1)
        return listed, interrupted

    def values(self, data, set_name, attribute):
        number = next(a.value for a in reader.spec.sets[set_name].attributes if a.name == attribute)
        return [payload for kind, payload in attributes(data) if kind == number]


class Peers(Kind):
    def put(self, numbers, remove=False):
        self.ask('set-device', {'peers': [
            {'public-key': key(n), 'flags': int(remove), 'allowedips': [
                {'family': 2, 'ipaddr': (0x0a000000 + n).to_bytes(4, 'big'), 'cidr-mask': 32}]}
            for n in numbers]})

    def numbers(self, message):
        for array in self.values(message, 'device', 'peers'):
            for _, one in attributes(array):
                yield int.from_bytes(self.values(one, 'peer', 'public-key')[0][:4], 'big')


class Resources(Kind):
    def put(self, numbers, remove=False):
        if remove:
            self.ask('del-resource', {RESOURCE: [{'name': name(n)} for n in numbers]})
            return
        self.ask('new-resource', {RESOURCE: [
            {'name': name(n), 'prefix': [{'addr': (0x0a000000 + n).to_bytes(4, 'big'), 'len': 32}]}
            for n in numbers]})

    def numbers(self, message):
        for one in self.values(message, 'policy', RESOURCE):
            yield int(self.values(one, RESOURCE, 'name')[0][1:-1])


class Grants(Kind):
    def put(self, numbers, remove=False):
        self.ask('del-grant' if remove else 'new-grant',
                 {GRANT: [{PEER: key(n), 'resource': 'all'} for n in numbers]})

    def numbers(self, message):
        for one in self.values(message, 'policy', GRANT):
            yield int.from_bytes(self.values(one, GRANT, PEER)[0][:4], 'big')


def check(sentence, problem):
    global tests, failed
    tests += 1
    print(f'{"not " if problem else ""}ok {tests} {sentence}', flush=True)
    if problem:
        print(f'# {problem}', flush=True)
        failed = True


def differs(listed, stays):
    """What is wrong with a list: what stayed is in it once. What went and came again may be twice."""
    times = collections.Counter(listed)
    wrong = [number for number in stays if times[number] != 1]
    return f'{len(wrong)} that stayed are listed not once, but {times[wrong[0]]} times' if wrong else ''


def disturbed(kind, stays, comes_and_goes):
    """A dump with a change after each message; what is wrong with it."""
    there = set(comes_and_goes)
    changes = 0

    def between():
        nonlocal changes
        changes += 1
        for number in random.sample(comes_and_goes, 3):
            kind.put([number], remove=number in there)
            there.symmetric_difference_update([number])

    listed, interrupted = kind.dump(between)
    missing = [n for n in comes_and_goes if n not in there]
    if missing:
        kind.put(missing)
    if changes < 3:
        return f'all of it came in {changes + 1} messages'
    if not interrupted:
        return 'it does not say that it was disturbed'
    return differs(listed, stays)


def main(device):
    everything = list(range(1, COUNT + 1))
    comes_and_goes = everything[::10]
    stays = sorted(set(everything) - set(comes_and_goes))
    for kind in (Peers, Resources, Grants):
        one = kind(writer, device, {Peers: 'get-device', Resources: 'get-resource',
                                    Grants: 'get-grant'}[kind])
        what = kind.__name__.lower()
        if kind is Grants:
            one.ask('new-resource', {RESOURCE: [
                {'name': 'all', 'prefix': [{'addr': bytes(4), 'len': 0}]}]})
        for start in range(0, COUNT, BATCH):
            one.put(everything[start:start + BATCH])
        listed, interrupted = one.quiet_dump()
        check(f'{what}: a dump that nothing disturbs is complete',
              'it says that it was disturbed' if interrupted else
              differs(listed, everything) or len(listed) != COUNT and f'{len(listed)} are listed')
        problems = [disturbed(one, stays, comes_and_goes) for _ in range(5)]
        check(f'{what}: one that changes disturb says so, and has what stayed once',
              '; '.join(p for p in problems if p))
        if kind is Resources:
            for start in range(0, COUNT, BATCH):
                one.put(everything[start:start + BATCH], remove=True)


tests, failed = 0, False
specification = load_spec()
reader, writer = Family(specification), Family(specification)
random.seed(1)
print('TAP version 13\n1..6')
main(sys.argv[1])
sys.exit(failed)
