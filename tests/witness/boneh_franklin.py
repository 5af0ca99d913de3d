# SPDX-License-Identifier: BSD-2-Clause
"""Boneh-Franklin encryption of RFC 5091 in plain integers, for curves of type 1.

Points are (x, y) of y^2 = x^3 + 1 over F_p, or None at infinity; (a, b) is a + bi of F_p^2. Slow,
plain, not in constant time: what the tests hold the product against.
"""
import functools
import hashlib
import os
from collections import namedtuple

VECTORS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vectors")
WORDS = ("n", "hash", "section")  # all else is a number or octets

Parameters = namedtuple("Parameters", "p q generator hash")


class Refused(ValueError):
    """A ciphertext that was not made for this key, or was changed."""


def parse_value(name, text):
    if text.startswith("0x"):
        return int(text, 16)
    return text if name in WORDS else bytes.fromhex(text)


def read_vectors(name, begins):
    """The records of a file of `name = value` lines; each begins with the name BEGINS."""
    records = []
    with open(os.path.join(VECTORS, name), encoding="ascii") as source:
        for line in source:
            key, equals, value = (part.strip() for part in line.split("#")[0].partition("="))
            if not equals:
                continue
            if key == begins:
                records.append({})
            records[-1][key] = parse_value(key, value)
    return records


def point_of(record, name):
    return record[name + ".x"], record[name + ".y"]


def parameters_of(record):
    generator = point_of(record, "P") if "P.x" in record else None
    return Parameters(record["p"], record["q"], generator, getattr(hashlib, record["hash"]))


def parameters_3072():
    return next(parameters_of(r) for r in read_vectors("ibc-bf.txt", "n") if r["n"] == "3072")


# The curve.


def slope(p, a, b):
    """Of the line through two points, or the tangent; None if it is vertical."""
    if a[0] != b[0]:
        return (b[1] - a[1]) * pow(b[0] - a[0], -1, p) % p
    if a[1] != b[1] or a[1] == 0:
        return None
    return 3 * a[0] * a[0] * pow(2 * a[1], -1, p) % p


def through(p, a, b, m):
    """The sum of two points on a line of slope M."""
    x = (m * m - a[0] - b[0]) % p
    return x, (m * (a[0] - x) - a[1]) % p


def add(p, a, b):
    if a is None or b is None:
        return a or b
    m = slope(p, a, b)
    return None if m is None else through(p, a, b, m)


def multiply(p, number, point):
    product = None
    for bit in bin(number)[2:]:
        product = add(p, product, product) if product else None
        if bit == "1":
            product = add(p, product, point)
    return product


def on_curve(p, point):
    return all(0 <= v < p for v in point) and (point[1] ** 2 - point[0] ** 3 - 1) % p == 0


def point_octets(params, point):
    size = (params.p.bit_length() + 7) // 8
    return point[0].to_bytes(size, "big") + point[1].to_bytes(size, "big")


def point_from(params, octets):
    half = len(octets) // 2
    point = int.from_bytes(octets[:half], "big"), int.from_bytes(octets[half:], "big")
    if not on_curve(params.p, point):
        raise Refused("not a point of the curve")
    return point


# F_p^2, in which i^2 = -1.


def times(p, a, b):
    return (a[0] * b[0] - a[1] * b[1]) % p, (a[0] * b[1] + a[1] * b[0]) % p


def inverse(p, a):
    norm = pow(a[0] * a[0] + a[1] * a[1], -1, p)
    return a[0] * norm % p, -a[1] * norm % p


def power(p, a, exponent):
    result = 1, 0
    for bit in bin(exponent)[2:]:
        result = times(p, result, result)
        if bit == "1":
            result = times(p, result, a)
    return result


# Section 4.5: the modified Tate pairing.


def lines_at(p, a, b, x, y):
    """The line through A and B, and the vertical one through their sum, at (x, y): x is of F_p^2,
    y of F_p. And the sum."""
    m = slope(p, a, b)
    if m is None:
        return ((x[0] - a[0]) % p, x[1]), (1, 0), None
    line = (y - a[1] - m * (x[0] - a[0])) % p, -m * x[1] % p
    total = through(p, a, b, m)
    return line, ((x[0] - total[0]) % p, x[1]), total


def pairing(params, a, b):
    """e'(A, B) = e(A, phi(B)); zeta's second part with the sign that reproduces section 7.3."""
    p = params.p
    zeta = (p - 1) // 2, -pow(3, (p + 1) // 4, p) * pow(2, -1, p) % p
    x, y = (zeta[0] * b[0] % p, zeta[1] * b[0] % p), b[1]
    above, below, at = (1, 0), (1, 0), a

    def step(with_point):
        line, vertical, total = lines_at(p, at, with_point, x, y)
        return times(p, above, line), times(p, below, vertical), total

    for bit in bin(params.q)[3:]:
        above, below = times(p, above, above), times(p, below, below)
        above, below, at = step(at)
        if bit == "1":
            above, below, at = step(a)
    value = times(p, above, inverse(p, below))
    # To the power (p^2 - 1)/q, of which p - 1 is a conjugation and a division.
    value = times(p, (value[0], -value[1] % p), inverse(p, value))
    return power(p, value, (p + 1) // params.q)


# Sections 4.1 to 4.4: hashing.


def hash_to_range(params, octets, modulus):
    value, digest = 0, bytes(params.hash().digest_size)
    for _ in range(2):
        digest = params.hash(digest + octets).digest()
        value = value << 8 * len(digest) | int.from_bytes(digest, "big")
    return value % modulus


def hash_bytes(params, length, seed):
    key, chain, out = params.hash(seed).digest(), bytes(params.hash().digest_size), b""
    while len(out) < length:
        chain = params.hash(chain).digest()
        out += params.hash(chain + key).digest()
    return out[:length]


@functools.lru_cache
def hash_to_point(params, identity):
    p = params.p
    y = hash_to_range(params, identity, p)
    x = pow(y * y - 1, (2 * p - 1) // 3, p)
    return multiply(p, (p + 1) // params.q, (x, y))


def canonical(params, value):
    """Section 4.3, for the order 0."""
    return point_octets(params, value)


def xor(one, other):
    return bytes(a ^ b for a, b in zip(one, other))


# Section 5: the system.


def master_secret(params, ikm):
    return hash_to_range(params, ikm, params.q)


def public_key(params, master):
    return multiply(params.p, master, params.generator)


def extract(params, master, identity):
    return multiply(params.p, master, hash_to_point(params, identity))


def session_number(params, rho, message):
    return hash_to_range(params, rho + params.hash(message).digest(), params.q)


def encrypt(params, p_pub, identity, rho, message):
    number = session_number(params, rho, message)
    u = multiply(params.p, number, params.generator)
    theta = power(params.p, pairing(params, p_pub, hash_to_point(params, identity)), number)
    v = xor(params.hash(canonical(params, theta)).digest(), rho)
    return point_octets(params, u) + v + xor(hash_bytes(params, len(message), rho), message)


def ciphertext_overhead(params):
    return 2 * ((params.p.bit_length() + 7) // 8) + params.hash().digest_size


def decrypt(params, private, ciphertext):
    hash_at = ciphertext_overhead(params) - params.hash().digest_size
    message_at = ciphertext_overhead(params)
    u, v = point_from(params, ciphertext[:hash_at]), ciphertext[hash_at:message_at]
    masked = ciphertext[message_at:]
    theta = pairing(params, u, private)
    rho = xor(params.hash(canonical(params, theta)).digest(), v)
    message = xor(hash_bytes(params, len(masked), rho), masked)
    if multiply(params.p, session_number(params, rho, message), params.generator) != u:
        raise Refused("U does not fit")
    return message
