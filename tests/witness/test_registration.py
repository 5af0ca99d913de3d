#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Tests of the witness's own registration, against RFC 9180 and the vectors of the modes."""
import os
import struct
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import boneh_franklin as bf  # noqa: E402
import pdm_option as pdm  # noqa: E402
import registration as reg  # noqa: E402

NUMBERS = ("mode", "kem_id", "kdf_id", "aead_id", "group_id", "sequence_number", "L")


def sections(name):
    """(title, {name: int or octets}) of a file of sections in the vectors."""
    found = []
    with open(os.path.join(bf.VECTORS, name), encoding="ascii") as source:
        for line in source:
            key, equals, value = (part.strip() for part in line.partition("="))
            if line.startswith("["):
                found.append((line.strip("[]\n"), {}))
            elif equals and not line.startswith("#"):
                found[-1][1][key] = int(value) if key in NUMBERS else bytes.fromhex(value)
    return found


def modes():
    cases = [case for _, case in sections("modes.txt")]
    return [(pdm.Suite(c["kem_id"], c["kdf_id"], c["aead_id"]), c) for c in cases]


class Rfc9180(unittest.TestCase):
    """The KEM's part of appendix A, base mode."""

    def test_decapsulate(self):
        kems = set()
        for title, case in sections("hpke-rfc9180.txt"):
            kem = case.get("kem_id")
            if not title.startswith("setup") or case["mode"] != 0 or kem not in (16, 32):
                continue
            shared = reg.decapsulate(kem, case["skRm"], case["enc"])
            self.assertEqual(shared, case["shared_secret"], title)
            kems.add(kem)
        self.assertEqual(kems, {reg.X25519, reg.P256})


class Modes(unittest.TestCase):
    """modes.txt, from the KEM's shared secret on."""

    def test_all(self):
        self.assertEqual(len(modes()), 8)
        for suite, case in modes():
            with self.subTest(suite=suite):
                pms = reg.pair_master_secret(
                    suite, case["kem_shared"], case["salt"], case["transcript"]
                )
                self.assertEqual(pms, case["pms"])
                client, server = case["client"], case["server"]
                group = reg.pss(suite, pms, case["group_id"])
                self.assertEqual(group, case["pss_group"])
                self.assertEqual(reg.pcs(suite, group, client), case["shared_group"])
                own = reg.pss(suite, pms, server)
                self.assertEqual(own, case["pss_server"])
                self.assertEqual(reg.pcs(suite, own, client), case["shared_server"])
                polled = reg.pcs(suite, pms, client)
                self.assertEqual(polled, case["poll_pcs"])
                self.assertEqual(reg.pss(suite, polled, server), case["poll_shared"])
                self.assertEqual(
                    reg.confirmation(suite, pms, case["transcript"]), case["confirm"]
                )
                self.assertEqual(reg.ibc_ikm(suite, pms), case["ibc_ikm"])
                said = reg.digest(suite, case["transcript"])
                key = reg.pair_device_key(suite, case["k_i"], case["k_r"], said)
                self.assertEqual(key, case["pair_key"])


CLIENT, SERVER, OTHER = "2001:db8:b::b", "2001:db8:a::15", "2001:db8:a::16"
SUITE = pdm.Suite(reg.X25519, 3, 3)


def message(command, direction, body):
    return struct.pack(">BBBBI", 1, command, direction, 0, len(body)) + body


def secret_response(grants, points=()):
    """To a secondary with one pair, one epoch (7) and one address."""
    body = struct.pack(">BHI64sBBBBQB", 0, 1, 1, b"a", 0, 1, 0, 0, 3, 1)
    body += struct.pack(">Q16sHHHQQB", 7, bytes(16), *SUITE, 0, 9, 1)
    body += reg.packed(CLIENT) + struct.pack(">IIBH", 0, 4, bool(points), len(grants))
    body += b"".join(struct.pack(">H64s", *grant) for grant in grants)
    return message(reg.SECRET, reg.RESPONSE, body + b"".join(points))


class Given(unittest.TestCase):
    def given(self, *messages):
        with tempfile.NamedTemporaryFile("w", encoding="ascii") as out:
            for octets in messages:
                out.write("received %s\nbody %s\n" % (octets[:8].hex(), octets[8:].hex()))
            out.flush()
            return reg.given_to(out.name, {7: SUITE})

    def test_grants(self):
        secrets = bytes(range(64)), bytes(range(64, 128))
        given = self.given(secret_response([(1, secrets[0]), (2, secrets[1])]))
        expected = [reg.Grant(SUITE, 7, 1, secrets[0]), reg.Grant(SUITE, 7, 2, secrets[1])]
        self.assertEqual(given, expected)

    def test_identity(self):
        points = bytes([1]) * 384, bytes([2]) * 384
        given = self.given(secret_response([], points))
        self.assertEqual(given, [reg.Identity(SUITE, 7, CLIENT, *points)])

    def test_polled(self):
        ends = reg.packed(CLIENT) + reg.packed(SERVER)
        answers = [
            message(reg.POLL, reg.RESPONSE, struct.pack(">BIQ", status, 1, 7) + ends + bytes(64))
            for status in (reg.OK, 1)
        ]
        self.assertEqual(self.given(*answers), [reg.Grant(SUITE, 7, 0, bytes(64))])

    def test_malformed(self):
        whole = secret_response([(1, bytes(64))])
        for octets in (whole + b"x", whole[:-1], b"\x02" + whole[1:]):
            with self.assertRaises(reg.RegistrationError):
                self.given(octets)

    def test_within_reach(self):
        pms = bytes(range(64))
        true = reg.pcs(SUITE, reg.pss(SUITE, pms, SERVER), CLIENT)
        for held, reaches in (
            (pms, True),
            (reg.pss(SUITE, pms, SERVER), True),
            (true, True),
            (reg.pss(SUITE, pms, OTHER), False),
            (reg.pcs(SUITE, reg.pss(SUITE, pms, OTHER), CLIENT), False),
        ):
            grant = reg.Grant(SUITE, 7, 0, held)
            self.assertEqual(true in reg.within_reach(grant, CLIENT, SERVER, 1), reaches)


if __name__ == "__main__":
    unittest.main()
