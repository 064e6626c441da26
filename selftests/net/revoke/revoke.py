# SPDX-License-Identifier: GPL-2.0-only
"""
Every kind of flow against every way in which it can lose its leave.

A device, the gate, has two peers. For each revocation a flow of each kind is opened in each
direction, and each has a resource and a grant of its own. Then the change comes, and what both ends
send after it must not arrive, not one packet; every packet is unlike any other, so that this can be
told. The flow's end has to be told once, with the right reason and with as many packets as had
arrived, and each packet has to be counted under the right reason.

Meanwhile flows of the same kinds go on without a pause, some of the same peer that another grant
admits too, some of the other peer. Of those all has to arrive, in order, and no end may be told.

    revoke.py GATE PEER OTHER KEY-OF-PEER KEY-OF-OTHER [REVOCATION...]

Namespaces with the devices fz0, fz1, fz2. Prints KTAP; `revoke.sh` calls it.
"""
import collections
import struct
import sys
import threading
import time

import scene
from flows import KINDS, Flow, Transfer
from revocations import REVOCATIONS
from scene import all_arrived, arrived, enum_name, give_others, tag, wait_for

# Rounds of what goes on, before the change and after it.
ROUNDS = 5
PAUSE = 0.002


class Stream(threading.Thread):
    """Flows that go on until they are told to stop."""

    def __init__(self, flows):
        super().__init__(daemon=True)
        self.flows, self.rounds, self.over = flows, 0, False

    def run(self):
        while not self.over:
            for flow in self.flows:
                for forward, packet in flow.kind.round(flow):
                    flow.put(forward, packet)
            self.rounds += 1
            time.sleep(PAUSE)

    def more(self):
        until = self.rounds + ROUNDS
        return wait_for('what goes on', lambda: self.rounds >= until)


class Matrix:
    """One revocation, against all kinds of flow."""

    def __init__(self, revocation, port):
        self.revocation = revocation
        self.cells = self.flows(scene.victim, 1, port)
        self.spared = self.flows(scene.victim, 2, port) if revocation.spares else []
        self.after = {}
        self.expected, self.either = collections.Counter(), collections.Counter()
        self.ends = collections.defaultdict(list)
        self.denials = collections.defaultdict(list)
        self.suppressed = 0

    @staticmethod
    def flows(peer, host, port):
        return [Flow(kind, direction, peer, 2 * host + (direction == 'out'), port)
                for kind in KINDS for direction in ('in', 'out')]

    def reset(self):
        scene.device.ask('begin-epoch')
        scene.device.ask('commit-epoch')
        scene.device.ask('del-flow')
        for _ in scene.device.events.read():
            pass

    def listen(self):
        for name, values in scene.device.events.read():
            found = dict(values)
            self.suppressed += 'suppressed' in found
            if name == 'denial':
                self.denials[frozenset(found.get('tuple', ()))].append(found)
            elif name == 'flow-end':
                flow = dict(found['flow'])
                self.ends[frozenset(flow['tuple'])].append(flow)

    def end_of(self, flow):
        self.listen()
        wanted = set(flow.tuple().items())
        return [end for key, found in self.ends.items() if wanted <= key for end in found]

    def open(self):
        for flow in self.cells + self.spared + scene.bystanders:
            for forward, packet in flow.kind.opening(flow):
                flow.put(forward, packet)
                # What is back must not be there before what is forward.
                if not wait_for(flow.name, lambda f=flow: all_arrived([f])):
                    return False
        return wait_for('all before the change', lambda: all_arrived(
            self.cells + self.spared + scene.bystanders))

    def prepare_next(self):
        """What is sent last before the change, and what first after it."""
        for flow in self.cells:
            start, then = flow.kind.pending(flow)
            for forward, packet in start:
                flow.put(forward, packet)
            flow.begun = [packet for _, packet in then]
            flow.next = then + list(flow.kind.round(flow))
            if self.revocation.still:
                flow.next = [p for _ in range(2) for p in flow.kind.round(flow)] + then
        return wait_for('the last before the change', lambda: all_arrived(self.cells))

    def send_after(self, cells):
        """Adds to what has to be counted."""
        for flow in cells:
            self.after[flow] = []
            for number, (forward, packet) in enumerate(flow.next):
                flow.put(forward, packet)
                self.after[flow].append((flow.forward if forward else flow.back).pop())
                refusal = self.revocation.refusal(flow, forward)
                if not refusal or number < self.revocation.still:
                    continue
                # Where the first one did not pass, the later one is refused for that.
                if refusal == (flow.direction_of(forward), self.revocation.reason) and \
                        self.revocation.reason != 'source' and flow.kind.is_later(packet):
                    if packet in flow.begun:
                        self.either[refusal[0]] += 1
                    elif number > self.revocation.still:
                        refusal = refusal[0], 'fragment'
                self.expected[refusal] += 1

    def agrees(self, counts):
        """The rest of a datagram whose first fragment had passed is refused with the flow, or, where
        the first one is forgotten for those of others, as a fragment."""
        differs = collections.Counter(counts)
        differs.subtract(self.expected)
        for direction, number in self.either.items():
            moved = differs[direction, 'fragment']
            if 0 <= moved <= number:
                differs[direction, 'fragment'] -= moved
                differs[direction, self.revocation.reason] += moved
        return not any(differs.values())

    def counted(self, before):
        counts = scene.device.refused()
        counts['unroutable'] = scene.device.unroutable()
        counts.subtract(before)
        return +counts

    def play(self):
        """Problems by flow; None are those of all together."""
        problems = collections.defaultdict(list)
        cells, spared = self.cells, self.spared
        self.reset()
        self.revocation.give(cells, spared)
        give_others(spared)
        if not self.open():
            problems[None].append('not all arrives before the change')
            self.revocation.restore()
            return problems
        stream = Stream(spared + scene.bystanders)
        stream.start()
        stream.more()
        if not self.prepare_next():
            problems[None].append('the last before the change does not arrive')
        before = scene.device.refused()
        before['unroutable'] = scene.device.unroutable()
        self.revocation.take(cells, spared)
        idle = [f for f in cells if f.kind.is_idle] if self.revocation.is_swept else []
        self.send_after([f for f in cells if f not in idle])
        wait_for('the end of idle flows', lambda: all(self.end_of(f) for f in idle))
        silent = [f for f in idle if not self.end_of(f)]
        self.send_after(idle)
        wait_for('all to be refused and counted', lambda: self.agrees(self.counted(before)))
        wait_for('the end of all flows', lambda: all(self.end_of(f) for f in cells))
        stream.more()
        stream.over = True
        stream.join()
        wait_for('all that goes on', lambda: all_arrived(spared + scene.bystanders))
        counts = self.counted(before)
        if not self.agrees(counts):
            problems[None].append(f'counted {dict(counts)}, not {dict(self.expected)}')
        if self.suppressed:
            problems[None].append('events were suppressed')
        for flow in cells:
            self.judge(flow, problems[flow])
        for flow in silent:
            problems[flow].append('its end was not told while it was idle')
        for flow in spared + scene.bystanders:
            self.judge_unharmed(flow, problems[flow])
        self.revocation.restore()
        return problems

    def judge(self, flow, problems):
        late = [end.seen[packet] for end, packet in self.after[flow]]
        right = self.revocation.still
        if late != [1] * right + [0] * (len(late) - right):
            problems.append(f'of {len(late)} packets after the change {sum(late)} arrive: {late}')
        ends = self.end_of(flow)
        if len(ends) != 1:
            problems.append(f'{len(ends)} ends are told')
        for end in ends:
            reason = enum_name('flow-end', end['end'])
            if reason != self.revocation.end:
                problems.append(f'it ends as {reason}, not {self.revocation.end}')
            told = [struct.unpack('=Q', end[f'{side}-packets'])[0] for side in ('orig', 'reply')]
            there = list(arrived(flow))
            for (place, packet), (forward, _) in zip(self.after[flow], flow.next):
                there[0 if forward else 1] += place.seen[packet]
            if told != there:
                problems.append(f'its end tells of {told} packets, {there} arrived')
        if self.revocation.reason == 'source' or self.revocation.end == 'peer-removed':
            return
        wanted = set(flow.tuple().items())
        denials = [one for key, found in self.denials.items() if wanted <= key for one in found]
        reasons = {enum_name('reason', one['reason']) for one in denials}
        if self.revocation.reason not in reasons:
            problems.append(f'denials say {sorted(reasons)}')
        if self.revocation.reason != 'no-grant' and tag(flow) not in [
                one.get('tag') for one in denials]:
            problems.append('denials do not have its tag')

    def judge_unharmed(self, flow, problems):
        if self.end_of(flow):
            reasons = [enum_name('flow-end', end['end']) for end in self.end_of(flow)]
            problems.append(f'its end is told: {reasons}')
        times = [end.seen[packet] for end, packet in flow.forward + flow.back]
        lost, twice = times.count(0), sum(n > 1 for n in times)
        if lost or twice:
            problems.append(f'of {len(times)} packets {lost} are lost, {twice} come twice')
        for sent in (flow.forward, flow.back):
            order = [end.order[packet] for end, packet in sent if packet in end.order]
            if order != sorted(order):
                problems.append('they come in another order')


class Transfers(Matrix):
    """The same against connections of the kernel's own."""
    # Tries in vain, before it is believed that nothing arrives.
    AGAIN = 1

    @staticmethod
    def flows(peer, host, port):
        return [Transfer(direction, peer, 2 * host + (direction == 'out'), port)
                for direction in ('in', 'out')]

    def play(self):
        problems = collections.defaultdict(list)
        cells, spared = self.cells, self.spared
        everything = cells + spared + scene.bystanders
        self.reset()
        self.revocation.give(cells, spared)
        give_others(spared)
        for flow in everything:
            flow.open(scene.PATIENCE)
        self.go_on(everything)
        for flow in cells:
            # As if all that was sent before is judged by its size.
            flow.next = [(True, Transfer.CHUNK)]
        self.revocation.take(cells, spared)
        again = self.try_again()
        there = [(flow, flow.received) for flow in cells]
        if not again or not self.try_again():
            problems[None].append('nothing is sent again')
        for flow, received in there:
            if flow.received != received:
                problems[flow].append(f'{flow.received - received} bytes arrive')
        wait_for('the end of all', lambda: all(self.end_of(f) for f in cells))
        for flow in cells:
            reasons = [enum_name('flow-end', end['end']) for end in self.end_of(flow)]
            if reasons != [self.revocation.end]:
                problems[flow].append(f'it ends as {reasons}, not {self.revocation.end}')
        for flow in self.go_on(spared + scene.bystanders):
            problems[flow].append('it does not go on')
        for flow in spared + scene.bystanders:
            if self.end_of(flow):
                problems[flow].append('its end is told')
        for flow in everything:
            flow.close()
        self.revocation.restore()
        return problems

    def tries(self, flow):
        """How often its sender has tried again: what has no way is not even on it."""
        if self.revocation.refusal(flow, True) == 'unroutable':
            return scene.device.unroutable()
        return flow.retransmitted()

    def try_again(self):
        until = [(flow, self.tries(flow) + self.AGAIN) for flow in self.cells]
        return wait_for('what is sent again', lambda: all(self.tries(f) >= n for f, n in until))

    @staticmethod
    def go_on(flows):
        """Those that do not."""
        until = [(flow, flow.received + 4 * len(Transfer.CHUNK)) for flow in flows]
        wait_for('what goes on', lambda: all(f.received >= n for f, n in until))
        return [flow for flow, n in until if flow.received < n]


def report(sentence, problems):
    global tests, failed
    tests += 1
    for problem in problems:
        print(f'# {problem}')
    print(f'{"not " if problems else ""}ok {tests} {sentence}', flush=True)
    failed |= bool(problems)


def play(kind_of_test, revocation, port):
    """Prints what comes of it."""
    scene.bystanders = kind_of_test.flows(scene.witness, 3, port)
    test = kind_of_test(revocation(), port)
    title = revocation.__doc__
    problems = test.play()
    for flow in test.cells:
        report(f'{title}: {flow.kind.name} {flow.direction} ends', problems[flow])
    for what, flows in (('with another grant', test.spared),
                        ('of another peer', scene.bystanders)):
        for name in dict.fromkeys(f.kind.name for f in flows):
            report(f'{title}: {name} {what} goes on',
                   [p for f in flows if f.kind.name == name for p in problems[f]])
    if None in problems or kind_of_test is Matrix:
        report(f'{title}: all is counted', problems[None])


def main(wanted):
    chosen = [r for r in REVOCATIONS if not wanted or r.__name__ in wanted]
    for number, revocation in enumerate(chosen):
        play(Matrix, revocation, 20000 + number)
        play(Transfers, revocation, 21000 + number)
    print(f'1..{tests}')


tests, failed = 0, False
print('TAP version 13', flush=True)
scene.set_up(*sys.argv[1:7])
main(sys.argv[7:])
sys.exit(failed)
