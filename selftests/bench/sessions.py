# SPDX-License-Identifier: GPL-2.0-only
"""Many peers of one device for selftests/bench/many.sh: who they are, and their sessions.

    make PEERS DIR              writes DIR/secrets, and DIR/sections for the device's configuration; the peer
                                number n has the address 10.128.0.0 + n
    begin PUBLIC-KEY ADDRESS PORT LOCAL-PORT MESSAGES DIR
                                begins the sessions from LOCAL-PORT, and writes so many messages, of all peers
                                in turn, to DIR/messages: to UDP port 7000 of 10.0.0.2, 64 bytes. Prints the
                                length of one.
"""
import base64
import os
import pathlib
import socket
import struct
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / 'net/wire'))
import wireguard as wg  # noqa: E402

AHEAD = 64
FIRST = struct.unpack('>I', socket.inet_aton('10.128.0.0'))[0]


def make(count, where):
    secrets = [os.urandom(32) for _ in range(count)]
    (where / 'secrets').write_bytes(b''.join(secrets))
    with open(where / 'sections', 'w', encoding='ascii') as out:
        for i, secret in enumerate(secrets):
            address = socket.inet_ntoa(struct.pack('>I', FIRST + i))
            out.write(f'[Peer]\nPublicKey = {base64.b64encode(wg.public(secret)).decode()}\n'
                      f'AllowedIPs = {address}/32\n')


def packet(peer):
    """64 bytes of UDP, without the checksum that may be left out."""
    words = [0x4500, 20 + 8 + 64, 0, 0x4000, 64 << 8 | socket.IPPROTO_UDP, 0]
    header = struct.pack('>6HI4s', *words, FIRST + peer, socket.inet_aton('10.0.0.2'))
    total = sum(struct.unpack('>10H', header))
    total = (total & 0xffff) + (total >> 16)
    words[5] = 0xffff & ~((total & 0xffff) + (total >> 16))
    return (struct.pack('>6HI4s', *words, FIRST + peer, socket.inet_aton('10.0.0.2')) +
            struct.pack('>4H', 7000, 7000, 72, 0) + bytes(64))


def begin(remote, to, local_port, count, where):
    remote, data = base64.b64decode(remote), (where / 'secrets').read_bytes()
    secrets = [data[i:i + 32] for i in range(0, len(data), 32)]
    # One for all: to make the keys takes longest.
    stamps, ephemeral = wg.Stamps(), os.urandom(32)
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.bind(('0.0.0.0', local_port))
    line.connect(to)
    line.settimeout(5)
    waiting, sessions, next_peer = {}, {}, 0
    while len(sessions) < len(secrets):
        while next_peer < len(secrets) and len(waiting) < AHEAD:
            one = wg.Initiator(secrets[next_peer], remote, bytes(32), stamps.next(), ephemeral=ephemeral)
            waiting[one.index] = next_peer, one
            line.send(one.message)
            next_peer += 1
        try:
            message = line.recv(2048)
        except TimeoutError:
            sys.exit(f'{len(waiting)} responses are missing')
        if wg.kind(message) == wg.DATA:
            continue
        if wg.kind(message) != wg.RESPONSE:
            sys.exit(f'a message of type {message[0]} instead of a response')
        peer, one = waiting.pop(struct.unpack('<I', message[8:12])[0])
        sessions[peer] = one.finish(message)
        # The device uses a session after it has heard something in it.
        line.send(sessions[peer].seal())
    with open(where / 'messages', 'wb') as out:
        for i in range(count):
            peer = i % len(secrets)
            message = sessions[peer].seal(packet(peer))
            out.write(message)
    print(len(message))


if sys.argv[1] == 'make':
    make(int(sys.argv[2]), pathlib.Path(sys.argv[3]))
else:
    begin(sys.argv[2], (sys.argv[3], int(sys.argv[4])), int(sys.argv[5]), int(sys.argv[6]), pathlib.Path(sys.argv[7]))
