#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""exchange.py FILE: says of each WireGuard message in a capture all that is not secret or random.

One line a message: direction, outer header, type, length, and what its indices refer to. Two
exchanges of the same kind yield the same lines. FILE is a pcap of an Ethernet device that ends
with a datagram to the discard port.
"""
import struct
import sys

LEFT_PORT = 1001
DISCARD_PORT = 9
LENGTHS = {1: 148, 2: 92, 3: 64}
NAMES = {1: "initiation", 2: "response", 3: "cookie", 4: "data"}


def frames(capture):
    """Time and bytes of each frame."""
    offset = 24
    while offset < len(capture):
        seconds, micros, size, _ = struct.unpack_from("<4I", capture, offset)
        yield seconds + micros / 1e6, capture[offset + 16 : offset + 16 + size]
        offset += 16 + size


def outer(frame):
    """What there is to say of the IP header, and the bytes of UDP."""
    if frame[12:14] == b"\x08\x00":
        _, tos, total, _, fragment, ttl = struct.unpack_from("!BBHHHB", frame, 14)
        return f"ip4 tos={tos:#04x} ttl={ttl} fragment={fragment:#06x}", frame[34 : 14 + total]
    word, size, _, hops = struct.unpack_from("!IHBB", frame, 14)
    tclass, label = word >> 20 & 0xFF, word & 0xFFFFF
    return f"ip6 tos={tclass:#04x} ttl={hops} label={label:#x}", frame[54 : 54 + size]


def nothing(data):
    return "zero" if not any(data) else "set"


class Exchange:
    """The indices that each end has announced, the newest last."""

    def __init__(self):
        self.announced = {">": [], "<": []}
        self.last = {}

    def announce(self, way, index):
        known = index in self.announced[way]
        self.announced[way].append(index)
        return "old" if known else "new"

    def refer(self, way, index):
        """Which of the other end's indices this is."""
        theirs = self.announced["<" if way == ">" else ">"]
        if index not in theirs:
            return "unknown"
        return "newest" if index == theirs[-1] else "older"

    def late(self, time, key, seconds):
        """Whether a message comes that long after the last one that it may be an answer to."""
        return " late" if time - self.last.get(key, time) >= seconds else ""

    def message(self, time, way, data):
        kind = data[0]
        said = f"{NAMES.get(kind, kind)} length={len(data)} reserved={nothing(data[1:4])}"
        if kind in LENGTHS and len(data) != LENGTHS[kind]:
            return said + " malformed"
        if kind == 1:
            (sender,) = struct.unpack_from("<I", data, 4)
            said += f" sender={self.announce(way, sender)} mac1={nothing(data[116:132])}"
            said += f" mac2={nothing(data[132:])}" + self.late(time, way + "initiation", 5)
            self.last[way + "initiation"] = time
        elif kind == 2:
            sender, receiver = struct.unpack_from("<II", data, 4)
            said += f" receiver={self.refer(way, receiver)} sender={self.announce(way, sender)}"
            said += f" mac1={nothing(data[60:76])} mac2={nothing(data[76:])}"
        elif kind == 3:
            said += f" receiver={self.refer(way, struct.unpack_from('<I', data, 4)[0])}"
        elif kind == 4:
            receiver, counter = struct.unpack_from("<IQ", data, 4)
            said += f" receiver={self.refer(way, receiver)} counter={counter}"
            if len(data) == 32:
                said += self.late(time, "data", 9)
            self.last["data"] = time
        return said


def main():
    with open(sys.argv[1], "rb") as file:
        capture = file.read()
    exchange = Exchange()
    for time, frame in frames(capture):
        header, udp = outer(frame)
        source, dest, _, checksum = struct.unpack_from("!4H", udp)
        if dest == DISCARD_PORT:
            return 0
        way = ">" if source == LEFT_PORT else "<"
        print(f"{way} {header} {source}->{dest} checksum={'yes' if checksum else 'no'}",
              exchange.message(time, way, udp[8:]))
    return 1


if __name__ == "__main__":
    sys.exit(main())
