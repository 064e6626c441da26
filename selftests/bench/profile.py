# SPDX-License-Identifier: GPL-2.0-only
"""
profile.py KALLSYMS PACKETS FREQUENCY SECONDS TOP: what perf's samples mean, of which there is an address on each line of
standard input: nanoseconds for each packet, by kind of work and by function.
"""

import bisect
import collections
import re
import sys

# The first that matches the name of a function of the kernel; what is the tunnel module's own is that, whatever it is called.
KINDS = (
    ('ChaCha20, Poly1305', re.compile(r'chacha|poly1305|curve25519|blake2')),
    ('copying, checksums', re.compile(r'mem(cpy|move|set)|copy_(from|to|page)|_copy_(?!skb_header)|csum|raw_copy|copyin|copyout')),
    ('allocating', re.compile(r'kmem|kfree|kmalloc|slab|alloc_pages|page_frag|free_(page|unref|frozen)|skb_alloc|alloc_skb'
                              r'|skb_free|skb_release|napi_skb_cache|rmqueue|get_page_from|get_partial|__free')),
    ('locks, interrupts', re.compile(r'spin_|_lock|_unlock|irq|local_bh|preempt|rcu_|mutex|signals|sigmask|timer|hrtimer'
                                     r'|sched|wake|work|switch|futex')),
)


def symbols(path):
    """Addresses in ascending order, and their (name, module)."""
    found = []
    with open(path, encoding='ascii', errors='replace') as lines:
        for line in lines:
            address, kind, name, *module = line.split()
            if kind in 'tTwW':
                found.append((int(address, 16), name, module[0].strip('[]') if module else ''))
    found.sort()
    return [entry[0] for entry in found], [entry[1:] for entry in found]


def kind_of(name, module):
    """What kind of work a function does."""
    if module in ('fz', 'wireguard'):
        return module
    for kind, pattern in KINDS:
        if pattern.search(name):
            return kind
    return 'the rest of the kernel'


def main():
    """Prints the two tables."""
    path, packets_path, frequency, seconds, top = sys.argv[1:]
    addresses, names = symbols(path)
    with open(packets_path, encoding='ascii') as file:
        rate, *at_once = file.read().split()
    packets = int(rate) * float(seconds)
    functions = collections.Counter()
    for line in sys.stdin:
        if not line.strip():
            continue
        address = int(line, 16)
        at = bisect.bisect_right(addresses, address) - 1
        outside = at < 0 or address >> 47 or address > addresses[-1] + 0x10000
        functions[('(outside of the lab)', 'host') if outside else names[at]] += 1
    if not functions or not packets:
        sys.exit('profile: there are no samples, or no packets')
    each = 1e9 / float(frequency) / packets
    total = sum(functions.values())
    kinds = collections.Counter()
    for (name, module), count in functions.items():
        kinds['the host: system calls, signals' if module == 'host' else kind_of(name, module)] += count
    print(f'{packets / float(seconds):.0f} packets a second, {total * each:.0f} ns of the lab\'s kernel each')
    if at_once:
        print(f'the cable gets {at_once[0]} of them at once: {total * each * float(at_once[0]):.0f} ns each time')
    print()
    listed = collections.Counter({f'{name} [{module}]' if module else name: count
                                  for (name, module), count in functions.items()})
    for most in (kinds.most_common(), listed.most_common(int(top))):
        for what, count in most:
            print(f'{count * each:8.0f} ns {100 * count / total:5.1f} %  {what}')
        print()


main()
