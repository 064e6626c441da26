# SPDX-License-Identifier: GPL-2.0-only
"""Inner packets: IPv4 (RFC 791) and IPv6 (RFC 8200), and what is in them, down to the bytes."""
import socket
import struct

HOP_BY_HOP, ICMP, TCP, UDP, ROUTING, FRAGMENT, ICMP6, OPTIONS, SCTP = 0, 1, 6, 17, 43, 44, 58, 60, 132
MORE = 1        # of the second half of an IPv6 fragment header


def checksum(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def with_checksum(data, at, pseudo=b""):
    """data with its checksum, which covers the pseudo header too, at an offset."""
    data = data[:at] + b"\0\0" + data[at + 2:]
    return data[:at] + struct.pack(">H", checksum(pseudo + data)) + data[at + 2:]


def ip4(source, to, protocol, payload, tos=0, fragment=0, options=b"", identification=1):
    """fragment: flags and offset, as they are in the header."""
    header = struct.pack(">BBHHHBBH", 0x45 + len(options) // 4, tos, 20 + len(options) + len(payload),
                         identification, fragment, 64, protocol, 0)
    header += socket.inet_aton(source) + socket.inet_aton(to) + options
    return with_checksum(header, 10) + payload


def ip6(source, to, next_header, payload):
    return (struct.pack(">IHBB", 6 << 28, len(payload), next_header, 64) +
            socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, to) + payload)


def extension(next_header, size=8):
    """A hop-by-hop, destination options or routing header of so many bytes, that asks for nothing."""
    return struct.pack(">BBBB", next_header, size // 8 - 1, 1, size - 4) + bytes(size - 4)


def fragment6(next_header, offset_and_more, identification=1):
    return struct.pack(">BBHI", next_header, 0, offset_and_more, identification)


def echo(number, identifier, sequence, data=b"probe"):
    """An ICMP echo message."""
    return with_checksum(struct.pack(">BBHHH", number, 0, 0, identifier, sequence) + data, 2)


def pseudo(source, to, protocol, length):
    """What a checksum covers besides the message (RFC 768; RFC 8200, section 8.1)."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    return (socket.inet_pton(family, source) + socket.inet_pton(family, to) + struct.pack(">II", length, protocol))


def echo6(source, to, number, identifier, sequence, data=b"probe"):
    message = struct.pack(">BBHHH", number, 0, 0, identifier, sequence) + data
    return with_checksum(message, 2, pseudo(source, to, ICMP6, len(message)))


def udp(source, to, data):
    """Ports; without a checksum."""
    return struct.pack(">HHHH", source, to, 8 + len(data), 0) + data


def tcp(source, to, flags, data=b""):
    """Ports; without a checksum, which a tunnel's receiver does not look at."""
    return struct.pack(">HHIIBBHHH", source, to, 1, 1, 0x50, flags, 4096, 0, 0) + data
