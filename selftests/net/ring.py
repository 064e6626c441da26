# SPDX-License-Identifier: GPL-2.0-only
"""
ring.py DEVICE SOURCE DESTINATION PORT OTHER FILE: a datagram "lent" to PORT, in a page of a packet socket's ring, of which the
kernel copies no more than the IP header. When FILE says "request", the port in the page becomes OTHER.
"""

import ctypes
import mmap
import pathlib
import socket
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / 'wire'))
sys.dont_write_bytecode = True
import packets  # noqa: E402

PACKET_TX_RING, PACKET_VERSION, PACKET_VNET_HDR, TPACKET_V2 = 13, 10, 15, 1
SOL_PACKET, ETH_P_IP, TP_STATUS_SEND_REQUEST = 263, 0x0800, 1
# struct tpacket2_hdr, rounded up to TPACKET_ALIGNMENT; what is sent begins there
HEADER = 32


def main():
    """Sends it, waits, changes it."""
    device, source, destination, port, other, path = sys.argv[1:]
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V2)
    sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    sock.setsockopt(SOL_PACKET, PACKET_TX_RING, struct.pack('4I', 4096, 1, 4096, 1))
    ring = mmap.mmap(sock.fileno(), 4096)
    packet = packets.ip4(source, destination, socket.IPPROTO_UDP, packets.udp(1000, int(port), b'lent\n'))
    # struct virtio_net_hdr: only hdr_len is not 0
    data = struct.pack('=BBHHHH', 0, 0, 20, 0, 0, 0) + packet
    ring[HEADER:HEADER + len(data)] = data
    struct.pack_into('=II', ring, 0, 0, len(data))
    status = ctypes.c_uint32.from_buffer(ring)
    status.value = TP_STATUS_SEND_REQUEST
    sock.sendto(b'', (device, ETH_P_IP))
    for _ in range(600):
        with open(path, encoding='ascii') as file:
            if 'request' in file.read():
                break
        time.sleep(0.1)
    at = HEADER + 10 + 22
    assert ring[at:at + 2] == struct.pack('!H', int(port))
    ring[at:at + 2] = struct.pack('!H', int(other))


main()
