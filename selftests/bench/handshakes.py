# SPDX-License-Identifier: GPL-2.0-only
"""Initiations for selftests/bench/handshakes.

    make PUBLIC-KEY PEERS ROUNDS DIR    writes DIR/peers, sections of a configuration, and one
                                        DIR/initiations.N for each round
    send FILE ADDRESS PORT              sends them, prints responses per second
"""
import base64
import os
import pathlib
import socket
import sys
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / 'net/wire'))
import wireguard as wg  # noqa: E402

AHEAD = 64


def make(remote, peers, rounds, where):
    remote, keys, begin = base64.b64decode(remote), [os.urandom(32) for _ in range(peers)], time.time_ns()
    with open(where / 'peers', 'w', encoding='ascii') as out:
        for key in keys:
            out.write(f'[Peer]\nPublicKey = {base64.b64encode(wg.public(key)).decode()}\n')
    for number in range(rounds):
        stamp = wg.tai64n(begin + number * 10 ** 9)
        with open(where / f'initiations.{number}', 'wb') as out:
            for key in keys:
                out.write(wg.Initiator(key, remote, bytes(32), stamp).message)


def send(path, address, port):
    """Never more than so many ahead. What is not answered within a second is lost, and said."""
    data = path.read_bytes()
    messages = [data[i:i + wg.INITIATION_LEN] for i in range(0, len(data), wg.INITIATION_LEN)]
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.connect((address, port))
    line.settimeout(1)
    answered, ahead, begin = 0, 0, time.monotonic()
    for message in messages:
        line.send(message)
        ahead += 1
        while ahead >= AHEAD:
            ahead -= receive(line)
            answered += 1
    while ahead:
        ahead -= receive(line)
        answered += 1
    print(int(answered / (time.monotonic() - begin)))


def receive(line):
    """1 for the response that came."""
    try:
        message = line.recv(2048)
    except TimeoutError:
        sys.exit('a response is missing')
    if wg.kind(message) != wg.RESPONSE:
        sys.exit(f'a message of type {message[0]} instead of a response')
    return 1


if sys.argv[1] == 'make':
    make(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), pathlib.Path(sys.argv[5]))
else:
    send(pathlib.Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
