#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Tests of the witness's own Boneh-Franklin encryption, against RFC 5091 and full examples."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import boneh_franklin as bf  # noqa: E402


def rfc5091(section):
    return [r for r in bf.read_vectors("ibc-rfc5091.txt", "section") if r["section"] == section]


class Rfc5091(unittest.TestCase):
    """Section 7 of the RFC."""

    def test_multiply(self):
        for case in rfc5091("7.1"):
            product = bf.multiply(case["p"], case["l"], bf.point_of(case, "A"))
            self.assertEqual(product, bf.point_of(case, "lA"))

    def test_hash_to_range(self):
        for case in rfc5091("7.2"):
            params = bf.Parameters(0, 0, None, getattr(bf.hashlib, case["hash"]))
            self.assertEqual(bf.hash_to_range(params, case["s"], case["n"]), case["v"])

    def test_pairing(self):
        for case in rfc5091("7.3"):
            pair = bf.point_of(case, "A"), bf.point_of(case, "B")
            value = bf.pairing(bf.parameters_of(case), *pair)
            self.assertEqual(value, (case["e.re"], case["e.im"]))

    def test_hash_to_point(self):
        cases = rfc5091("7.4")
        self.assertTrue(cases)
        for case in cases:
            point = bf.hash_to_point(bf.parameters_of(case), case["id"])
            self.assertEqual(point, bf.point_of(case, "Q_id"))


class Examples(unittest.TestCase):
    def test_every_step(self):
        cases = bf.read_vectors("ibc-bf.txt", "n")
        self.assertEqual([case["n"] for case in cases], ["1024", "3072"])
        for case in cases:
            with self.subTest(n=case["n"]):
                params, identity = bf.parameters_of(case), case["id"]
                p_pub, private = bf.point_of(case, "P_pub"), bf.point_of(case, "S_id")
                self.assertEqual(bf.public_key(params, case["s"]), p_pub)
                self.assertEqual(bf.hash_to_point(params, identity), bf.point_of(case, "Q_id"))
                self.assertEqual(bf.extract(params, case["s"], identity), private)
                u = bf.point_octets(params, bf.point_of(case, "U"))
                ciphertext = u + case["V"] + case["W"]
                sealed = bf.encrypt(params, p_pub, identity, case["rho"], case["m"])
                self.assertEqual(sealed, ciphertext)
                self.assertEqual(bf.decrypt(params, private, ciphertext), case["m"])

    def test_refused(self):
        case = bf.read_vectors("ibc-bf.txt", "n")[0]
        params, identity = bf.parameters_of(case), case["id"]
        sealed = bf.encrypt(params, bf.point_of(case, "P_pub"), identity, case["rho"], case["m"])
        other = bf.extract(params, case["s"], identity + b"|1")
        with self.assertRaises(bf.Refused):
            bf.decrypt(params, other, sealed)
        for at in range(0, len(sealed), 16):
            changed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
            with self.assertRaises(bf.Refused, msg="octet %d" % at):
                bf.decrypt(params, bf.point_of(case, "S_id"), changed)


if __name__ == "__main__":
    unittest.main()
