"""Signing an APK for trials by APK Signature Scheme v2, with a key that is public: real, and worth nothing.

Python's library cannot sign, and the sandbox installs no package for one app. Sources: source.android.com, "APK
Signature Scheme v2"; FIPS 186-5 and SP 800-186 (ECDSA on P-256); RFC 5280 (certificates); ITU-T X.690 (DER).
"""

from __future__ import annotations

import hashlib
import struct

Point = tuple[int, int]

PRIME = 2**256 - 2**224 + 2**192 + 2**96 - 1
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
GENERATOR = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
KEY = int.from_bytes(hashlib.sha256(b"the public key of buildferry's sandbox").digest(), "big") % ORDER
ECDSA_SHA256 = 0x0201  # Android's number for it
SCHEME_V2 = 0x7109871A
MAGIC = b"APK Sig Block 42"
CHUNK = 1024 * 1024  # bytes
# Object identifiers in DER: ecdsa-with-SHA256, id-ecPublicKey, prime256v1, commonName.
ALGORITHM, EC_KEY, CURVE, NAME = map(
    bytes.fromhex, ("06082a8648ce3d040302", "06072a8648ce3d0201", "06082a8648ce3d030107", "0603550403")
)
INTEGER, BITS, TEXT, TIME, SEQUENCE, SET, VERSION = 0x02, 0x03, 0x0C, 0x17, 0x30, 0x31, 0xA0


def signed(apk: bytes) -> bytes:
    """Return an APK, which has no comment, with its signature. Equal files get equal signatures."""
    end = len(apk) - 22  # of the central directory
    (start,) = struct.unpack_from("<I", apk, end + 16)
    block = _block(_digest(apk[:start], apk[start:end], apk[end:]))
    return apk[:start] + block + apk[start:end] + apk[end:-6] + struct.pack("<IH", start + len(block), 0)


def _digest(*sections: bytes) -> bytes:
    """The digest of an APK: of its entries, its directory, and the end of that, with the block's place for its own."""
    chunks = [part[at : at + CHUNK] for part in sections for at in range(0, len(part), CHUNK)]
    digests = [hashlib.sha256(b"\xa5" + struct.pack("<I", len(chunk)) + chunk).digest() for chunk in chunks]
    return hashlib.sha256(b"\x5a" + struct.pack("<I", len(digests)) + b"".join(digests)).digest()


def _block(digest: bytes) -> bytes:
    algorithm = struct.pack("<I", ECDSA_SHA256)
    public = _times(KEY, GENERATOR)
    place = b"".join(each.to_bytes(32, "big") for each in public)
    key = _der(SEQUENCE, _der(SEQUENCE, EC_KEY, CURVE), _der(BITS, b"\0\4", place))
    data = _sized(_sized(algorithm + _sized(digest))) + _sized(_sized(_certificate(key))) + _sized(b"")
    signer = _sized(data) + _sized(_sized(algorithm + _sized(_signature(data)))) + _sized(key)
    value = struct.pack("<I", SCHEME_V2) + _sized(_sized(signer))
    pair = struct.pack("<Q", len(value)) + value
    size = struct.pack("<Q", len(pair) + 8 + len(MAGIC))
    return size + pair + size + MAGIC


def _sized(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def _certificate(key: bytes) -> bytes:
    """A certificate for the key, signed by itself."""
    name = _der(SEQUENCE, _der(SET, _der(SEQUENCE, NAME, _der(TEXT, b"buildferry sandbox"))))
    validity = _der(SEQUENCE, _der(TIME, b"250101000000Z"), _der(TIME, b"491231235959Z"))
    algorithm = _der(SEQUENCE, ALGORITHM)
    version, number = _der(VERSION, _integer(2)), _integer(1)
    body = _der(SEQUENCE, version, number, algorithm, name, validity, name, key)
    return _der(SEQUENCE, body, algorithm, _der(BITS, b"\0", _signature(body)))


def _signature(data: bytes) -> bytes:
    """The ECDSA signature of `data`. Its secret number comes from the data: equal data has equal signatures."""
    digest = int.from_bytes(hashlib.sha256(data).digest(), "big")
    secret = int.from_bytes(hashlib.sha256(KEY.to_bytes(32, "big") + data).digest(), "big") % ORDER
    first = _times(secret, GENERATOR)[0] % ORDER
    second = pow(secret, -1, ORDER) * (digest + first * KEY) % ORDER
    return _der(SEQUENCE, _integer(first), _integer(second))


def _times(factor: int, point: Point) -> Point:
    """`factor`, which is less than the order, times a point of the curve. Source: SP 800-186, 4.1 and appendix A."""
    total = point
    for bit in f"{factor:b}"[1:]:
        total = _plus(total, total)
        total = _plus(total, point) if bit == "1" else total
    return total


def _plus(one: Point, other: Point) -> Point:
    """The sum of two points; neither it nor they are the curve's zero."""
    (x, y), (u, v) = one, other
    slope = (3 * x * x - 3) * pow(2 * y, -1, PRIME) if one == other else (v - y) * pow(u - x, -1, PRIME)
    third = (slope * slope - x - u) % PRIME
    return third, (slope * (x - third) - y) % PRIME


def _integer(value: int) -> bytes:
    return _der(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _der(tag: int, *parts: bytes) -> bytes:
    """A value in DER, of at most 64 KiB."""
    data = b"".join(parts)
    size = len(data).to_bytes(2, "big").lstrip(b"\0") or b"\0"
    return bytes([tag, *([0x80 | len(size)] if len(data) > 127 else [])]) + size + data
