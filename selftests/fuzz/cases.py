# SPDX-License-Identifier: GPL-2.0-only
"""What the fuzzers of this directory have in common: kept cases first, random ones until time or count are reached.

A fuzzer has `broken`, how many cases broke something; try_one(NAME, TEXT), which tries a case, shows what it
breaks and counts it; choose(RANDOM), which makes up the text of one; and counts(), a sentence about all so far.
"""
import argparse
import itertools
import os
import pathlib
import random
import re
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
ENOUGH = 5      # cases that break something


def expand(text):
    """The lines that a line with A..B stands for."""
    ranges = re.findall(r'(\d+)\.\.(\d+)', text)
    parts = re.split(r'\d+\.\.\d+', text)
    for numbers in itertools.product(*(range(int(a), int(b) + 1) for a, b in ranges)):
        yield parts[0] + ''.join(f'{n}{part}' for n, part in zip(numbers, parts[1:]))


def lines(text):
    """The lines of a case, without comments."""
    bare = (line.partition('#')[0].strip() for line in text.splitlines())
    return [one for line in bare if line for one in expand(line)]


def arguments(description, corpus):
    """What the command line says; `corpus` is the name of the directory of kept cases."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('--seconds', type=float, default=60)
    parser.add_argument('--count', type=int, help='so many random cases instead')
    parser.add_argument('--seed', type=int, default=int.from_bytes(os.urandom(4), 'little'))
    parser.add_argument('--corpus', type=pathlib.Path, default=HERE / 'corpus' / corpus)
    return parser.parse_args()


def need_module():
    if not os.path.isdir('/sys/module/fz'):
        subprocess.run(['modprobe', 'fz'], check=True)


def show(name, wrong, text):
    """A case that broke something, so that it can be kept."""
    print(f'# {name}:')
    print(''.join(f'#   {sentence}\n' for sentence in wrong) + '# the case:\n' +
          ''.join(f'#   {line}\n' for line in text.splitlines()), end='', flush=True)


def random_cases(fuzzer, chosen):
    """Until the time is over or the count reached; says every ten seconds how far it is."""
    begin = shown = time.monotonic()
    number = 0
    while fuzzer.broken < ENOUGH:
        if chosen.count is not None:
            if number >= chosen.count:
                break
        elif time.monotonic() > begin + chosen.seconds:
            break
        # A case does not depend on those before it: its number and the seed make it again.
        text = fuzzer.choose(random.Random(f'{chosen.seed}.{number}'))
        fuzzer.try_one(f'case {number} of seed {chosen.seed}', text)
        number += 1
        if time.monotonic() > shown + 10:
            shown = time.monotonic()
            print(f'# {number} cases; {fuzzer.counts()}', flush=True)
    return number


def run(fuzzer, chosen):
    """All of it, as TAP. Returns the exit status."""
    kept = sorted(chosen.corpus.iterdir()) if chosen.corpus.is_dir() else []
    for path in kept:
        if fuzzer.broken >= ENOUGH:
            break
        fuzzer.try_one(path.name, path.read_text(encoding='ascii'))
    kept_broken = fuzzer.broken
    print('TAP version 13\n1..2')
    print(f'{"not ok" if kept_broken else "ok"} 1 the {len(kept)} cases that are kept', flush=True)
    number = random_cases(fuzzer, chosen)
    print(f'# seed {chosen.seed}: {number} cases; {fuzzer.counts()}')
    print(f'{"not ok" if fuzzer.broken > kept_broken else "ok"} 2 random cases')
    return 1 if fuzzer.broken else 0
