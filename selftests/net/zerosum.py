#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Datagrams whose UDP checksum comes out as zero, which then has to be sent as 0xffff.

	zerosum.py receive ADDRESS COUNT	says ready, waits for so many, exits 1 after 20 s
	zerosum.py send FROM TO COUNT		in one super-packet (UDP_SEGMENT)
"""
import socket
import struct
import sys

PORT = 7001
LENGTH = 66
SOL_UDP = 17
UDP_SEGMENT = 103


def word_sum(data):
    return sum(struct.unpack(f"!{len(data) // 2}H", data))


def datagram(number, source, destination):
    """The payload: its last two bytes are what the sum lacks to 0xffff."""
    text = struct.pack("!H", number) * (LENGTH // 2 - 1)
    length = 8 + LENGTH
    total = word_sum(socket.inet_pton(socket.AF_INET6, source)
                     + socket.inet_pton(socket.AF_INET6, destination)
                     + struct.pack("!IIHHHH", length, SOL_UDP, PORT, PORT, length, 0) + text)
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return text + struct.pack("!H", 0xffff - total)


def send(source, destination, count):
    sender = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sender.bind((source, PORT))
    sender.setsockopt(SOL_UDP, UDP_SEGMENT, LENGTH)
    sender.sendto(b"".join(datagram(i, source, destination) for i in range(count)),
                  (destination, PORT))


def receive(address, count):
    receiver = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    receiver.bind((address, PORT))
    receiver.settimeout(20)
    print("ready", flush=True)
    try:
        for _ in range(count):
            receiver.recv(100)
    except TimeoutError:
        sys.exit(f"of {count} datagrams not all arrived")


if sys.argv[1] == "send":
    send(sys.argv[2], sys.argv[3], int(sys.argv[4]))
else:
    receive(sys.argv[2], int(sys.argv[3]))
