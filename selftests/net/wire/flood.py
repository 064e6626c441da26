# SPDX-License-Identifier: GPL-2.0-only
"""flood.py PUBLIC-KEY ADDRESS PORT RATE SECONDS: initiations of nobody, from 65,536 addresses.

Each has a valid MAC1 for who has the key: cheap to make, dear to look into. The host has the addresses
10.66.0.0/16 as its own. Prints how many were sent.
"""
import base64
import socket
import struct
import sys
import time

import wireguard as wg

BATCH_SECONDS = 0.01
IP_PKTINFO = 8                  # Python has no name for it


def main():
    remote = base64.b64decode(sys.argv[1])
    to, rate, seconds = (sys.argv[2], int(sys.argv[3])), int(sys.argv[4]), float(sys.argv[5])
    messages = [wg.knocking(remote) for _ in range(4096)]
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.bind(("0.0.0.0", 6666))
    sent, begin = 0, time.monotonic()
    while (passed := time.monotonic() - begin) < seconds:
        while sent < passed * rate:
            source = struct.pack(">i4sI", 0, bytes((10, 66, sent >> 8 & 255, sent & 255)), 0)
            line.sendmsg([messages[sent % len(messages)]],
                         [(socket.IPPROTO_IP, IP_PKTINFO, source)], 0, to)
            sent += 1
            if time.monotonic() - begin > seconds:
                break
        time.sleep(BATCH_SECONDS)
    print(sent)


main()
