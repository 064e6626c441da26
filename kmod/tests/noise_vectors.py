#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Prints noise_vectors.h: one handshake and one cookie, worked out from the WireGuard paper alone.

    ./noise_vectors.py > noise_vectors.h

Nothing of the module takes part. BLAKE2s and HMAC are Python's hashlib and hmac; X25519 and
ChaCha20Poly1305 are those of the `cryptography` package (OpenSSL); XChaCha20Poly1305 is the latter with
an HChaCha20 written here, checked against the vector of draft-irtf-cfrg-xchacha-03, section 2.2.1. All
secrets are BLAKE2s hashes of their names. Sections are the paper's.
"""
import hashlib
import hmac as hmac_module
import struct
import sys

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CONSTRUCTION = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
IDENTIFIER = b"WireGuard v1 zx2c4 Jason@zx2c4.com"


def blake2s(data, key=b"", size=32):
    return hashlib.blake2s(data, key=key, digest_size=size).digest()


def hmac(key, data):
    return hmac_module.new(key, data, hashlib.blake2s).digest()


def kdf(count, key, data):
    secret = hmac(key, data)
    outputs, last = [], b""
    for number in range(1, count + 1):
        last = hmac(secret, last + bytes([number]))
        outputs.append(last)
    return outputs


def private(name):
    key = bytearray(blake2s(name.encode()))
    key[0] &= 248
    key[31] = key[31] & 127 | 64
    return bytes(key)


def public(key):
    return X25519PrivateKey.from_private_bytes(key).public_key().public_bytes(
        Encoding.Raw, PublicFormat.Raw)


def dh(key, other):
    return X25519PrivateKey.from_private_bytes(key).exchange(X25519PublicKey.from_public_bytes(other))


def seal(key, plain, data):
    return ChaCha20Poly1305(key).encrypt(bytes(12), plain, data)


def hchacha20(key, nonce):
    def rotate(value, by):
        return (value << by | value >> 32 - by) & 0xffffffff

    def quarter(s, a, b, c, d):
        for x, y, z, by in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = (s[x] + s[y]) & 0xffffffff
            s[z] = rotate(s[z] ^ s[x], by)

    s = list(struct.unpack("<16I", b"expand 32-byte k" + key + nonce))
    for _ in range(10):
        for column in range(4):
            quarter(s, column, column + 4, column + 8, column + 12)
        for column in range(4):
            quarter(s, column, (column + 1) % 4 + 4, (column + 2) % 4 + 8, (column + 3) % 4 + 12)
    return struct.pack("<8I", *s[:4], *s[12:])


def xseal(key, nonce, plain, data):
    return ChaCha20Poly1305(hchacha20(key, nonce[:16])).encrypt(bytes(4) + nonce[16:], plain, data)


def check_hchacha20():
    key = bytes(range(32))
    nonce = bytes.fromhex("000000090000004a0000000031415927")
    expected = "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc"
    assert hchacha20(key, nonce).hex() == expected


def main():
    check_hchacha20()
    vectors = {}
    i_static, r_static = private("initiator static"), private("responder static")
    i_ephemeral, r_ephemeral = private("initiator ephemeral"), private("responder ephemeral")
    psk = blake2s(b"preshared key")
    # 2026-01-02 03:04:05.5 UTC as TAI64N, as a responder that rounds nothing takes it.
    timestamp = struct.pack(">QI", 0x400000000000000a + 1767323045, 500000000)
    i_index, r_index = 0x01020304, 0x05060708

    # 5.4.2: first message
    ck = blake2s(CONSTRUCTION)
    h = blake2s(blake2s(ck + IDENTIFIER) + public(r_static))
    ephemeral = public(i_ephemeral)
    ck, = kdf(1, ck, ephemeral)
    h = blake2s(h + ephemeral)
    ck, key = kdf(2, ck, dh(i_ephemeral, public(r_static)))
    sealed_static = seal(key, public(i_static), h)
    h = blake2s(h + sealed_static)
    ck, key = kdf(2, ck, dh(i_static, public(r_static)))
    sealed_timestamp = seal(key, timestamp, h)
    h = blake2s(h + sealed_timestamp)
    initiation = struct.pack("<II", 1, i_index) + ephemeral + sealed_static + sealed_timestamp
    vectors["initiation_hash"], vectors["initiation_chaining_key"] = h, ck

    # 5.4.3: second message
    ephemeral = public(r_ephemeral)
    ck, = kdf(1, ck, ephemeral)
    h = blake2s(h + ephemeral)
    ck, = kdf(1, ck, dh(r_ephemeral, public(i_ephemeral)))
    ck, = kdf(1, ck, dh(r_ephemeral, public(i_static)))
    ck, proof, key = kdf(3, ck, psk)
    h = blake2s(h + proof)
    sealed_nothing = seal(key, b"", h)
    h = blake2s(h + sealed_nothing)
    response = struct.pack("<III", 2, r_index, i_index) + ephemeral + sealed_nothing
    vectors["response_hash"], vectors["response_chaining_key"] = h, ck

    # 5.4.5: session
    vectors["key_by_initiator"], vectors["key_by_responder"] = kdf(2, ck, b"")

    # 5.4.4 and 5.4.7: MACs, and a cookie that the responder gives the initiator
    cookie = blake2s(b"cookie", size=16)
    nonce = blake2s(b"nonce", size=24)
    mac1 = blake2s(initiation, blake2s(b"mac1----" + public(r_static)), 16)
    mac2 = blake2s(initiation + mac1, cookie, 16)
    sealed_cookie = xseal(blake2s(b"cookie--" + public(r_static)), nonce, cookie, mac1)
    vectors["initiation"] = initiation + mac1 + bytes(16)
    vectors["initiation_mac2"] = mac2
    vectors["cookie_reply"] = struct.pack("<II", 3, i_index) + nonce + sealed_cookie
    mac1 = blake2s(response, blake2s(b"mac1----" + public(i_static)), 16)
    vectors["response"] = response + mac1 + bytes(16)

    vectors.update(initiator_private=i_static, initiator_public=public(i_static),
                   responder_private=r_static, responder_public=public(r_static),
                   initiator_ephemeral_private=i_ephemeral, psk=psk, timestamp=timestamp)

    out = sys.stdout
    out.write("/* SPDX-License-Identifier: GPL-2.0-only */\n"
              "/* Made by noise_vectors.py, which says how. */\n"
              "#ifndef _FZ_TESTS_NOISE_VECTORS_H\n#define _FZ_TESTS_NOISE_VECTORS_H\n\n"
              "#include <linux/types.h>\n")
    for name in sorted(vectors):
        value = vectors[name]
        out.write(f"\nstatic const u8 vector_{name}[{len(value)}] __maybe_unused = {{\n")
        for at in range(0, len(value), 12):
            out.write("\t" + " ".join(f"0x{byte:02x}," for byte in value[at:at + 12]) + "\n")
        out.write("};\n")
    out.write("\n#endif /* _FZ_TESTS_NOISE_VECTORS_H */\n")


if __name__ == "__main__":
    main()
