# SPDX-License-Identifier: GPL-2.0-only
"""Numbered packets there and back, until a file appears: stream.py (serve|send) (udp|tcp) ADDRESS PORT [STOP]

`send` prints how many were sent, and how many did not come back; none of those that did may be another
or twice.
"""
import os
import select
import socket
import struct
import sys
import threading
import time

INTERVAL = 0.005
PATIENCE = 10       # seconds for the last ones to come back
BUFFER = 8 << 20    # bytes: who is not scheduled for a while loses nothing by that
NUMBER = struct.Struct('!Q')


def udp_socket():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, 33, BUFFER)      # SO_RCVBUFFORCE
    return sock


def serve_udp(address):
    sock = udp_socket()
    sock.bind(address)
    while True:
        sock.sendto(*sock.recvfrom(2000))


def serve_tcp(address):
    def echo(connection):
        while data := connection.recv(65536):
            connection.sendall(data)
    listener = socket.create_server(address)
    while True:
        threading.Thread(target=echo, args=listener.accept()[:1], daemon=True).start()


def receive(sock, buffer, wanted, timeout):
    """Takes the numbers that have come out of @wanted."""
    if not select.select([sock], [], [], timeout)[0]:
        return buffer
    buffer += sock.recv(65536)
    while len(buffer) >= NUMBER.size:
        wanted.remove(NUMBER.unpack_from(buffer)[0])
        buffer = buffer[NUMBER.size:]
    return buffer


def send(kind, address, stop):
    sock = udp_socket() if kind == 'udp' else socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.connect(address)
    sent, wanted, buffer = 0, set(), b''
    while not os.path.exists(stop):
        wanted.add(sent)
        sock.send(NUMBER.pack(sent))
        sent += 1
        buffer = receive(sock, buffer, wanted, INTERVAL)
    until = time.monotonic() + PATIENCE
    while wanted and time.monotonic() < until:
        buffer = receive(sock, buffer, wanted, 0.1)
    print('sent', sent, 'lost', len(wanted), *sorted(wanted), flush=True)


role, protocol, host, port, *rest = sys.argv[1:]
if role == 'serve':
    {'udp': serve_udp, 'tcp': serve_tcp}[protocol]((host, int(port)))
else:
    send(protocol, (host, int(port)), *rest)
