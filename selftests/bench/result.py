# SPDX-License-Identifier: GPL-2.0-only
"""What `selftests/bench/run` has found.

    collect DIR NAME=VALUE...   JSON of the lines in the files of DIR, TREE-CPUS-ROUND, and the settings
    table JSON                  for people
    markdown JSON               for docs/performance.md
    plot JSON CPUS KIND         for gnuplot: a name, and of each side the median, least and most of its ratios to
                                in-tree WireGuard, a line; KIND is rate or time
"""
import collections
import json
import math
import pathlib
import statistics
import sys
import textwrap

SIDES = {'wireguard': 'in-tree', 'nftables': 'in-tree + nftables', 'enforce': 'fz, enforce', 'open': 'fz, open',
         'ipip': 'IPv4 in IPv4', 'none': 'no tunnel'}


def of_peers():
    for reader, words in (('', ''), ('_woken', ', reader woken')):
        for way, preposition in (('send', 'to'), ('receive', 'from')):
            for count in (1, 100, 10000):
                yield (f'peers{count}_{way}{reader}',
                       (f'{preposition} {count:,} peer{"s" if count > 1 else ""}{words}', 'kpackets/s', 1000))


# Unit, and how many of what was measured are one of it.
FIGURES = {
    'tcp1': ('TCP, 1 stream', 'Mbit/s', 1),
    'tcp8': ('TCP, 8 streams', 'Mbit/s', 1),
    'tcp64': ('TCP, 64 streams', 'Mbit/s', 1),
    'window': ('TCP, window of 16 KB', 'Mbit/s', 1),
    'lossy': ('TCP, lossy cable', 'Mbit/s', 1),
    'cut1': ('TCP, cable of frames', 'Mbit/s', 1),
    'plain1': ('TCP, nothing offloaded', 'Mbit/s', 1),
    'udp': ('UDP, bulk', 'Mbit/s', 1),
    'pps': ('UDP of 64 bytes', 'kpackets/s', 1000),
    'cut_pps': ('UDP of 64 bytes, cable of frames', 'kpackets/s', 1000),
    'pps_gso': ('UDP of 64 bytes, in pieces of 64', 'kpackets/s', 1000),
    **dict(of_peers()),
    'idle_p50': ('round trip, idle, median', 'us', 1),
    'idle_p99': ('round trip, idle, 99 %', 'us', 1),
    'loaded_p50': ('round trip beside TCP, median', 'us', 1),
    'loaded_p99': ('round trip beside TCP, 99 %', 'us', 1),
}


def collect(where, settings):
    values = collections.defaultdict(dict)
    result = {**settings, 'kernel': '', 'floor_ns': {}, 'flows_loaded': {}, 'figures': []}
    for path in sorted(pathlib.Path(where).iterdir()):
        tree, cpus, _ = path.name.split('-')
        for line in path.read_text(encoding='ascii').splitlines():
            kind, *words = line.split()
            if kind == 'kernel':
                result['kernel'] = words[0]
            elif kind == 'floor':
                floor = result['floor_ns']
                floor[words[0]] = min(int(words[1]), floor.get(words[0], 1 << 62))
            elif kind == 'flows':
                result['flows_loaded'][words[0]] = int(words[1])
            elif kind == 'figure':
                name, side, number, value = words
                values[tree, int(cpus), name, side][int(number)] = float(value)
    for (tree, cpus, name, side), rounds in values.items():
        result['figures'].append({
            'tree': tree, 'cpus': cpus, 'figure': name, 'unit': FIGURES[name][1], 'side': side,
            'per_unit': FIGURES[name][2], 'rounds': rounds, 'median': statistics.median(rounds.values()),
            'min': min(rounds.values()), 'max': max(rounds.values())})
    return result


class Result:
    def __init__(self, path):
        self.about = json.loads(pathlib.Path(path).read_text(encoding='ascii'))
        self.entries = {(e['tree'], e['cpus'], e['figure'], e['side']): e for e in self.about['figures']}
        self.cpus = sorted({key[1] for key in self.entries})

    def names(self, cpus):
        return [n for n in FIGURES if any(key[1:3] == (cpus, n) for key in self.entries)]

    def sides(self, cpus):
        return [s for s in SIDES if any(key[1] == cpus and key[3] == s for key in self.entries)]

    def entry(self, *key):
        return self.entries.get(key)

    def ratios(self, over, under):
        """Of each round; the rounds of one boot are under the same conditions."""
        over, under = self.entry(*over), self.entry(*under)
        return {n: over['rounds'][n] / under['rounds'][n]
                for n in (over['rounds'] if over and under else ()) if under['rounds'].get(n)}

    def ratio(self, over, under):
        """The median of them, or None."""
        return middle(self.ratios(over, under).values())

    def together(self, cpus, over, under):
        """Of all rounds of all figures of throughput: the geometric mean, and what lies two standard errors below
        and above it; or None. The noise of one figure is larger than what is looked for."""
        logs = [math.log(ratio) for name in self.names(cpus) if FIGURES[name][1] != 'us'
                for ratio in self.ratios(('this', cpus, name, over), ('this', cpus, name, under)).values() if ratio]
        if len(logs) < 10:
            return None
        mean, error = statistics.mean(logs), statistics.stdev(logs) / math.sqrt(len(logs))
        return [math.exp(mean + k * error) for k in (0, -2, 2)]


def middle(values):
    return statistics.median(values) if values else None


def number(value):
    return f'{value:.0f}' if value >= 100 else f'{value:.1f}'


def shown(entry):
    if not entry:
        return '-'
    median, least, most = (number(entry[k] / entry['per_unit']) for k in ('median', 'min', 'max'))
    return f'{median} ({least}-{most})'


def times(ratio):
    return '-' if ratio is None else f'{ratio:.2f}'


def title(name):
    return f'{FIGURES[name][0]}, {FIGURES[name][1]}'


def plural(count, what):
    return f'{count} {what}{"s" if count != 1 else ""}'


def against_others(result, cpus):
    """Rows of the sides of this checkout."""
    sides = result.sides(cpus)
    unders = [s for s in sides if s != 'enforce' and 'enforce' in sides]
    yield ([plural(cpus, 'CPU')] + [SIDES[s] for s in sides] +
           [f'enforce : {SIDES[s].replace("fz, ", "")}' for s in unders])
    for name in result.names(cpus):
        key = 'this', cpus, name
        yield ([title(name)] + [shown(result.entry(*key, s)) for s in sides] +
               [times(result.ratio((*key, 'enforce'), (*key, s))) for s in unders])
    means = [result.together(cpus, 'enforce', s) for s in unders]
    if any(means):
        yield (['throughput, all rows, geometric mean'] + ['-'] * len(sides) +
               [f'{m[0]:.2f} ({m[1]:.2f}-{m[2]:.2f})' if m else '-' for m in means])


def against_base(result, cpus):
    """Rows of this checkout and the base. What in-tree WireGuard did in the boots of each is what the two
    boots themselves differ by."""
    about = result.about
    yield [plural(cpus, 'CPU'), 'side', f'base {about["base"]}', f'this {about["this"]}', 'this : base', 'of the boots',
           'beside that']
    for name in result.names(cpus):
        for side in result.sides(cpus):
            this, base = ('this', cpus, name, side), ('base', cpus, name, side)
            if side in ('enforce', 'open') and result.entry(*this):
                boots = result.ratios(('this', cpus, name, 'wireguard'), ('base', cpus, name, 'wireguard'))
                both = result.ratios(this, base)
                yield [title(name), side, shown(result.entry(*base)), shown(result.entry(*this)),
                       times(middle(both.values())), times(middle(boots.values())),
                       times(middle([both[n] / boots[n] for n in both if n in boots]))]


def tables(result):
    for cpus in result.cpus:
        yield list(against_others(result, cpus))
    if 'base' in result.about:
        for cpus in result.cpus:
            yield list(against_base(result, cpus))


def heading(about):
    floor = about['floor_ns']
    held = ', '.join(f'{s} {n}' for s, n in about['flows_loaded'].items() if n)
    lines = [f'fz {about["this"]}, Linux {about["kernel"]}, {plural(about["rounds"], "round")} of {about["seconds"]} s; '
             f'median (min-max)',
             f'{about["grants"]} grants; flows in the table of each end, at least: {held or "none are loaded"}']
    if floor:
        limit = 1420 * 8 * 1000 / sum(floor.values())
        lines.append(f'ChaCha20-Poly1305 of 1420 bytes {floor["seal"] / 1000:.2f} us, opened {floor["open"] / 1000:.2f} us; '
                     f'a copy {floor["copy"] / 1000:.2f} us: {limit:.0f} Mbit/s of each CPU at most')
    return lines


def table(result):
    print(*heading(result.about), sep='\n')
    for rows in tables(result):
        widths = [max(map(len, column)) for column in zip(*rows)]
        print()
        for row in rows:
            print('  '.join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip())


def markdown(result):
    print(textwrap.fill('; '.join(heading(result.about)) + '.', 120))
    for rows in tables(result):
        print()
        for i, row in enumerate(rows):
            print('| ' + ' | '.join(row) + ' |')
            if not i:
                print('|---' * len(row) + '|')


def plot(result, cpus, kind):
    sides = [s for s in SIDES if s not in ('wireguard', 'ipip', 'none')]
    print('figure', *(f'"{SIDES[s]}" least most' for s in sides))
    for name in result.names(cpus):
        if (FIGURES[name][1] == 'us') == (kind == 'time'):
            key = 'this', cpus, name
            found = [result.ratios((*key, s), (*key, 'wireguard')).values() for s in sides]
            print(f'"{FIGURES[name][0]}"', *(f'{middle(f)} {min(f)} {max(f)}' if f else '- - -' for f in found))


def main():
    command, path, *rest = sys.argv[1:]
    if command == 'collect':
        settings = dict(word.split('=', 1) for word in rest)
        json.dump(collect(path, {k: int(v) if k in ('rounds', 'seconds', 'grants', 'flows') else v
                                 for k, v in settings.items()}), sys.stdout, indent=1)
        print()
    elif command == 'table':
        table(Result(path))
    elif command == 'markdown':
        markdown(Result(path))
    else:
        plot(Result(path), int(rest[0]), rest[1])


main()
