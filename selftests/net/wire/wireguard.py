# SPDX-License-Identifier: GPL-2.0-only
"""One end of a WireGuard tunnel that says what it is told to: messages and keys, no timers, no sockets.

From the WireGuard paper, whose sections are named. The primitives are those of the vectors that the
module's own tests use.
"""
import functools
import itertools
import os
import struct
import sys
import time

sys.path.append(os.path.join(os.path.dirname(__file__), "../../../kmod/tests"))
sys.dont_write_bytecode = True
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305  # noqa: E402
import noise_vectors  # noqa: E402
from noise_vectors import CONSTRUCTION, IDENTIFIER, blake2s, hchacha20, kdf, seal, xseal  # noqa: E402

# In an emulated machine they take long.
dh = functools.lru_cache(noise_vectors.dh)
public = functools.lru_cache(noise_vectors.public)

INITIATION, RESPONSE, COOKIE, DATA = 1, 2, 3, 4
INITIATION_LEN, RESPONSE_LEN, COOKIE_LEN, DATA_MIN_LEN = 148, 92, 64, 32
MAC1_AT = {INITIATION: 116, RESPONSE: 60}
NO_MAC = bytes(16)
REPLAY_WINDOW = 8192 - 64
REJECT_AFTER_MESSAGES = 2 ** 64 - 1 - REPLAY_WINDOW - 1

# Their product with any private key is zero (RFC 7748, section 6.1).
LOW_ORDER = (
    bytes(32),
    b"\1" + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    b"\xec" + b"\xff" * 30 + b"\x7f",
    b"\xed" + b"\xff" * 30 + b"\x7f",
    b"\xee" + b"\xff" * 30 + b"\x7f",
)

indices = itertools.count(int.from_bytes(os.urandom(3), "little"))


def open_sealed(key, sealed, data):
    """Raises cryptography.exceptions.InvalidTag."""
    return ChaCha20Poly1305(key).decrypt(bytes(12), sealed, data)


def kind(message):
    """Its type, if its length is right for it; else 0."""
    if len(message) < 4:
        return 0
    number, = struct.unpack("<I", message[:4])
    lengths = {INITIATION: INITIATION_LEN, RESPONSE: RESPONSE_LEN, COOKIE: COOKIE_LEN}
    if number == DATA:
        return DATA if len(message) >= DATA_MIN_LEN else 0
    return number if lengths.get(number) == len(message) else 0


def tai64n(nanoseconds=None):
    seconds, rest = divmod(time.time_ns() if nanoseconds is None else nanoseconds, 10 ** 9)
    return struct.pack(">QI", 0x400000000000000a + seconds, rest)


class Stamps:
    """Timestamps of which each is greater than the one before."""

    def __init__(self):
        self.last = time.time_ns()

    def next(self):
        self.last = max(self.last + 1000, time.time_ns())
        return tai64n(self.last)


def add_macs(message, receiver, cookie=None):
    """5.4.4: message without its MACs; a cookie makes MAC2."""
    mac1 = blake2s(message, blake2s(b"mac1----" + receiver), 16)
    mac2 = blake2s(message + mac1, cookie, 16) if cookie else NO_MAC
    return message + mac1 + mac2


def knocking(receiver, cookie=None):
    """An initiation with valid MACs and nothing else."""
    return add_macs(struct.pack("<II", INITIATION, next(indices)) + os.urandom(108), receiver, cookie)


class Session:
    """5.4.5 and 5.4.6: the keys of one end."""

    def __init__(self, sending_key, receiving_key, local_index, remote_index):
        self.sending_key, self.receiving_key = sending_key, receiving_key
        self.local_index, self.remote_index = local_index, remote_index
        self.counter = 0

    def seal(self, packet=b"", counter=None):
        """A data message, padded; its counter is the next one, or any."""
        return self.seal_as_is(packet + bytes(-len(packet) % 16), counter)

    def seal_as_is(self, packet, counter=None):
        if counter is None:
            counter = self.counter
            self.counter += 1
        sealed = ChaCha20Poly1305(self.sending_key).encrypt(
            bytes(4) + struct.pack("<Q", counter), packet, b"")
        return struct.pack("<IIQ", DATA, self.remote_index, counter) + sealed

    def open(self, message):
        """Counter and packet, with its padding, of a data message of this session; else None."""
        number, index, counter = struct.unpack("<IIQ", message[:16])
        if number != DATA or index != self.local_index:
            return None
        return counter, ChaCha20Poly1305(self.receiving_key).decrypt(
            bytes(4) + struct.pack("<Q", counter), message[16:], b"")


class Initiator:
    """5.4.2 and 5.4.3 from the side of who begins. point: a public ephemeral key of low order; claimed:
    the public key of who we say we are."""

    def __init__(self, private_key, remote, psk, stamp, cookie=None, point=None, ephemeral=None,
                 claimed=None):
        self.private_key, self.remote, self.psk = private_key, remote, psk
        self.index = next(indices)
        self.ephemeral = ephemeral or os.urandom(32)
        shown = point or public(self.ephemeral)
        ck = blake2s(CONSTRUCTION)
        h = blake2s(blake2s(ck + IDENTIFIER) + remote)
        ck, = kdf(1, ck, shown)
        h = blake2s(h + shown)
        ck, key = kdf(2, ck, bytes(32) if point else dh(self.ephemeral, remote))
        sealed_static = seal(key, claimed or public(private_key), h)
        h = blake2s(h + sealed_static)
        ck, key = kdf(2, ck, dh(private_key, remote))
        sealed_stamp = seal(key, stamp, h)
        self.ck, self.h = ck, blake2s(h + sealed_stamp)
        self.bare = struct.pack("<II", INITIATION, self.index) + shown + sealed_static + sealed_stamp
        self.message = add_macs(self.bare, remote, cookie)

    def finish(self, response):
        """The session that a response makes. Raises InvalidTag."""
        sender, receiver = struct.unpack("<II", response[4:12])
        assert receiver == self.index, "a response to something else"
        assert response[60:] == add_macs(response[:60], public(self.private_key))[60:], "bad MACs"
        ephemeral, sealed = response[12:44], response[44:60]
        ck, = kdf(1, self.ck, ephemeral)
        h = blake2s(self.h + ephemeral)
        ck, = kdf(1, ck, dh(self.ephemeral, ephemeral))
        ck, = kdf(1, ck, dh(self.private_key, ephemeral))
        ck, proof, key = kdf(3, ck, self.psk)
        open_sealed(key, sealed, blake2s(h + proof))
        sending, receiving = kdf(2, ck, b"")
        return Session(sending, receiving, self.index, sender)


class Responder:
    """5.4.2 and 5.4.3 from the side of who answers: reads an initiation. Raises InvalidTag."""

    def __init__(self, private_key, psk, initiation):
        own = public(private_key)
        self.psk = psk
        self.remote_index, = struct.unpack("<I", initiation[4:8])
        self.remote_ephemeral = initiation[8:40]
        self.mac1, self.mac2 = initiation[116:132], initiation[132:]
        assert self.mac1 == add_macs(initiation[:116], own)[116:132], "bad MAC1"
        ck = blake2s(CONSTRUCTION)
        h = blake2s(blake2s(ck + IDENTIFIER) + own)
        ck, = kdf(1, ck, self.remote_ephemeral)
        h = blake2s(h + self.remote_ephemeral)
        ck, key = kdf(2, ck, dh(private_key, self.remote_ephemeral))
        self.remote = open_sealed(key, initiation[40:88], h)
        h = blake2s(h + initiation[40:88])
        ck, key = kdf(2, ck, dh(private_key, self.remote))
        self.stamp = open_sealed(key, initiation[88:116], h)
        self.ck, self.h = ck, blake2s(h + initiation[88:116])

    def answer(self, point=None):
        """The response, and the session that it makes. point: as in Initiator."""
        index, own = next(indices), os.urandom(32)
        ephemeral = point or public(own)
        ck, = kdf(1, self.ck, ephemeral)
        h = blake2s(self.h + ephemeral)
        ck, = kdf(1, ck, bytes(32) if point else dh(own, self.remote_ephemeral))
        ck, = kdf(1, ck, bytes(32) if point else dh(own, self.remote))
        ck, proof, key = kdf(3, ck, self.psk)
        sealed = seal(key, b"", blake2s(h + proof))
        bare = struct.pack("<III", RESPONSE, index, self.remote_index) + ephemeral + sealed
        receiving, sending = kdf(2, ck, b"")
        return add_macs(bare, self.remote), Session(sending, receiving, index, self.remote_index)


def cookie_reply(initiation, own, cookie):
    """5.4.7: the answer of who is under load and has the public key own."""
    nonce = os.urandom(24)
    mac1_at = MAC1_AT[kind(initiation)]
    return struct.pack("<I", COOKIE) + initiation[4:8] + nonce + xseal(
        blake2s(b"cookie--" + own), nonce, cookie, initiation[mac1_at:mac1_at + 16])


def read_cookie(reply, initiation, remote):
    """The cookie that answers an initiation, from who has the public key remote. Raises InvalidTag."""
    assert reply[4:8] == initiation[4:8], "a cookie for another message"
    nonce, mac1_at = reply[8:32], MAC1_AT[kind(initiation)]
    key = hchacha20(blake2s(b"cookie--" + remote), nonce[:16])
    return ChaCha20Poly1305(key).decrypt(bytes(4) + nonce[16:], reply[32:],
                                         initiation[mac1_at:mac1_at + 16])
