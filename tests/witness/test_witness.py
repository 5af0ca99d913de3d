#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Tests of the witness itself, against the RFCs' own numbers and against exact bytes. Runs those of
the other files beside it, too."""
import os
import struct
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import capture  # noqa: E402
import make_vectors  # noqa: E402
import pdm_option as pdm  # noqa: E402
import pdm_witness  # noqa: E402
import truth  # noqa: E402

PSK = bytes(range(32))
CLIENT, SERVER = "2001:db8:1::1", "2001:db8:2::1"
FIELDS = pdm.Fields(45, 40, 0x01020304, 0x1122, 0x3344, 0x5566, 0x7788)
ALL_SUITES = [pdm.Suite(0, kdf, aead) for kdf in (1, 3) for aead in (2, 3)]


def udp_packet(src, sport, dst, dport, payload, extensions=b"", next_header=17):
    """An IPv6 packet; extension headers, if any, must end in next header 17."""
    upper = struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload
    five = pdm.tuple_bytes(src, sport, dst, dport, 17)
    length = len(extensions) + len(upper)
    header = struct.pack(">IHBB", 6 << 28, length, next_header, 64) + five[:16] + five[18:34]
    return header + extensions + upper


def with_option(option, src=CLIENT, sport=40001, dst=SERVER, dport=7, payload=b"x"):
    header = pdm.dstopts_header(option, 17)
    return udp_packet(src, sport, dst, dport, payload, header, 60)


def pcap(frames, linktype=101, magic=b"\x4d\x3c\xb2\xa1"):
    order, unit = capture.CLASSIC[magic]
    out = [magic, struct.pack(order + "HHIIII", 2, 4, 0, 0, 65535, linktype)]
    for time_ns, data in frames:
        seconds, rest = divmod(time_ns, 10**9)
        size = len(data)
        out.append(struct.pack(order + "IIII", seconds, rest // unit, size, size) + data)
    return b"".join(out)


def pcapng(frames, linktype=101, order="<", resolution=9):
    def block(kind, body):
        body += bytes(-len(body) % 4)
        size = struct.pack(order + "I", 12 + len(body))
        return struct.pack(order + "I", kind) + size + body + size

    section = struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1)
    tsresol = struct.pack(order + "HHB3xHH", 9, 1, resolution, 0, 0)
    out = [block(0x0A0D0D0A, section)]
    out.append(block(1, struct.pack(order + "HHI", linktype, 0, 0) + tsresol))
    for time_ns, data in frames:
        ticks, size = time_ns * 10**resolution // 10**9, len(data)
        head = struct.pack(order + "IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, size, size)
        out.append(block(6, head + data))
    return b"".join(out)


class FileCase(unittest.TestCase):
    def read(self, octets):
        with tempfile.NamedTemporaryFile() as out:
            out.write(octets)
            out.flush()
            return list(capture.packets(out.name))


class Rfc9180(unittest.TestCase):
    """The key schedule of RFC 9180 appendices A.2.1 and A.4.1."""

    def test_extract(self):
        cases, _ = make_vectors.rfc9180_cases()
        self.assertEqual(len(cases), 6)
        for case in cases:
            suite, label = pdm.Suite(*case["suite"]), case["label"].encode()
            prk = pdm.labeled_extract(suite, case["salt"], label, case["ikm"])
            self.assertEqual(prk, case["prk"], case["label"])

    def test_expand(self):
        _, cases = make_vectors.rfc9180_cases()
        self.assertEqual(len(cases), 6)
        for case in cases:
            suite, label = pdm.Suite(*case["suite"]), case["label"].encode()
            out = pdm.labeled_expand(suite, case["prk"], label, case["info"], len(case["out"]))
            self.assertEqual(out, case["out"], case["label"])

    def test_aead_and_nonce(self):
        """Appendix A.2.1.1, sequence number 1."""
        key = bytes.fromhex("ad2744de8e17f4ebba575b3f5f5a8fa1f69c2a07f6e7500bc60ca6e3e3ec1c91")
        nonce = pdm.packet_nonce(bytes.fromhex("5c4d98150661b848853b547f"), 1)
        self.assertEqual(nonce.hex(), "5c4d98150661b848853b547e")
        sealed = pdm.AEADS[3](key).encrypt(nonce, b"Beauty is truth, truth beauty", b"Count-1")
        self.assertEqual(
            sealed.hex(),
            "6b53c051e4199c518de79594e1c4ab18b96f081549d45ce015be002090bb119e"
            "85285337cc95ba5f59992dc98c",
        )


class Scaling(unittest.TestCase):
    """RFC 8250 appendices B.1, B.2.2 and C.3."""

    def test_rfc8250_examples(self):
        self.assertEqual(pdm.scale_ns(39838 * 1000), (0x8D88, 40))
        self.assertEqual(pdm.scale_ns(32311072 * 1000), (0xE033, 49))
        self.assertEqual(pdm.scale_ns(3 * 10**9), (0xA688, 46))
        self.assertEqual(pdm.scale_ns(4 * 10**9), (0xDE0B, 46))
        self.assertEqual(pdm.scale(65536), (0x8000, 1))
        self.assertEqual(pdm.scale(65537), (0x8000, 1))
        self.assertEqual(pdm.scale(65535), (65535, 0))
        self.assertEqual(pdm.scale(0), (0, 0))

    def test_resolution(self):
        for nanoseconds in (1, 999, 20 * 10**6 + 7, 10**9 + 1, 2**63):
            back = pdm.unscale_ns(*pdm.scale_ns(nanoseconds))
            self.assertLessEqual(back, nanoseconds)
            self.assertLessEqual(nanoseconds - back, nanoseconds * 2**-15 + 1)


class Layout(unittest.TestCase):
    def test_tuple(self):
        five = pdm.tuple_bytes(CLIENT, 0x1234, SERVER, 0x0007, 17)
        self.assertEqual(
            five.hex(),
            "20010db8000100000000000000000001"
            "1234"
            "20010db8000200000000000000000001"
            "0007"
            "11",
        )

    def test_rfc8250(self):
        header = pdm.dstopts_header(pdm.rfc8250_option(FIELDS), 17)
        self.assertEqual(header.hex(), "1101" "0f0a" "2d28" "1122" "3344" "5566" "7788" "0100")

    def test_plain(self):
        header = pdm.dstopts_header(pdm.plain_option(FIELDS, 0x7FFF, 0), 6)
        self.assertEqual(
            header.hex(),
            "0602" "0100" "0f12" "2000" "fffe" "2d28" "01020304" "1122" "3344" "5566" "7788",
        )

    def test_encrypted(self):
        key = pdm.Key(3, bytes(32), bytes(12))
        option = pdm.seal_option(pdm.Suite(), key, FIELDS, 1)
        header = pdm.dstopts_header(option, 17)
        self.assertEqual(header[:10].hex(), "1104" "0100" "0f22" "2000" "0003")
        self.assertEqual(len(header), 40)
        plain = pdm.AEADS[2](bytes(32)).decrypt(bytes(11) + b"\x01", header[10:], header[4:10])
        self.assertEqual(plain.hex(), "2d28" "01020304" "1122" "3344" "5566" "7788")

    def test_hostile_headers(self):
        for octets in ("", "1100", "110100000f0a", "1100" "0f0a" "00000000", "1100" "01ff00000000"):
            with self.assertRaises(pdm.OptionError, msg=octets):
                pdm.find_options(bytes.fromhex(octets))
        with self.assertRaises(pdm.OptionError):
            pdm.find_options(bytes.fromhex("1100" "0000000000" "0f"))
        self.assertEqual(pdm.find_options(bytes.fromhex("1100" "00" "010300" "0000")), [])

    def test_hostile_options(self):
        good = pdm.plain_option(FIELDS)
        for option in (b"", b"\x0f", good[:-1], good + b"\x00", b"\x0f\x0c" + bytes(12)):
            with self.assertRaises(pdm.OptionError):
                pdm.parse_option(option)
        with self.assertRaises(pdm.OptionError):
            pdm.parse_option(pdm.plain_option(FIELDS, version=3))
        self.assertEqual(pdm.parse_option(pdm.plain_option(FIELDS, reserved=0xFFF))["f"], 0)


class Sealing(unittest.TestCase):
    def test_round_trip(self):
        five = pdm.tuple_bytes(CLIENT, 40001, SERVER, 7, 17)
        for suite in ALL_SUITES:
            for kri in (0, 1, 2**32, 2**32 + 5):
                key = pdm.derive(suite, PSK, five, kri)
                option = pdm.seal_option(suite, key, FIELDS, 0x1234)
                self.assertEqual(pdm.open_option(suite, key, option), FIELDS)
                self.assertEqual(pdm.parse_option(option)["f"], kri & 1)

    def test_every_bit(self):
        key = pdm.derive(pdm.Suite(), PSK, bytes(37), 0)
        option = pdm.seal_option(pdm.Suite(), key, FIELDS, 77)
        for bit in range(len(option) * 8):
            flipped = bytearray(option)
            flipped[bit // 8] ^= 1 << bit % 8
            with self.assertRaises(pdm.OptionError, msg="bit %d" % bit):
                pdm.open_option(pdm.Suite(), key, bytes(flipped))

    def test_keys_differ(self):
        one = pdm.tuple_bytes(CLIENT, 40001, SERVER, 7, 17)
        other = pdm.tuple_bytes(SERVER, 7, CLIENT, 40001, 17)
        keys = {
            pdm.derive(suite, PSK, five, kri).key
            for suite in ALL_SUITES
            for five in (one, other)
            for kri in (0, 1, 2**32)
        }
        self.assertEqual(len(keys), len(ALL_SUITES) * 2 * 3)


class Captures(FileCase):
    def frames(self):
        return [(1_700_000_000_123_456_789, with_option(pdm.plain_option(FIELDS), payload=b"one"))]

    def check(self, got, time_ns=1_700_000_000_123_456_789):
        self.assertEqual(len(got), 1)
        packet = got[0]
        self.assertEqual(packet[:6], (time_ns, CLIENT, 40001, SERVER, 7, 17))
        self.assertEqual(packet.payload, b"one")
        self.assertEqual(len(packet.dstopts), 1)

    def test_classic(self):
        for magic in (b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d"):
            self.check(self.read(pcap(self.frames(), magic=magic)))
        for magic in (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4"):
            got = self.read(pcap(self.frames(), magic=magic))
            self.check(got, 1_700_000_000_123_456_000)

    def test_pcapng(self):
        for order in "<>":
            self.check(self.read(pcapng(self.frames(), order=order)))
        got = self.read(pcapng(self.frames(), resolution=6))
        self.check(got, 1_700_000_000_123_456_000)

    def test_link_types(self):
        heads = {
            1: bytes(12) + b"\x86\xdd",
            113: bytes(14) + b"\x86\xdd",
            276: b"\x86\xdd" + bytes(18),
            12: b"",
            229: b"",
        }
        for linktype, head in heads.items():
            frames = [(time_ns, head + data) for time_ns, data in self.frames()]
            self.check(self.read(pcap(frames, linktype)))
        vlan = [(t, bytes(12) + b"\x81\x00\x00\x05\x86\xdd" + d) for t, d in self.frames()]
        self.check(self.read(pcap(vlan, 1)))
        ipv4 = [(t, bytes(12) + b"\x08\x00" + d) for t, d in self.frames()]
        self.assertEqual(self.read(pcap(ipv4, 1)), [])

    def test_through_other_headers(self):
        option = pdm.dstopts_header(pdm.plain_option(FIELDS), 17)
        hopopts = bytes.fromhex("2b00" "010400000000")
        routing = bytes.fromhex("2c02" "0400") + bytes(20)
        fragment = bytes.fromhex("3c00" "0001" "00000001")
        chain = hopopts + routing + fragment + option
        data = udp_packet(CLIENT, 40001, SERVER, 7, b"one", chain, 0)
        self.check(self.read(pcap([(1_700_000_000_123_456_789, data)])))
        later = data[:40] + hopopts + routing + bytes.fromhex("3c00" "0008" "00000001") + option
        self.assertEqual(self.read(pcap([(0, later)]))[0].dstopts, [])

    def test_every_truncation(self):
        whole = with_option(pdm.plain_option(FIELDS), payload=b"one")
        for size in range(len(whole)):
            self.read(pcap([(0, whole[:size])]))
        octets = pcapng(self.frames())
        for size in range(1, len(octets)):
            try:
                self.read(octets[:size])
            except capture.CaptureError:
                pass
        with self.assertRaises(capture.CaptureError):
            self.read(octets[:-1])


class Decoding(FileCase):
    def decode(self, datagrams, **kwargs):
        frames = [(i, data) for i, data in enumerate(datagrams)]
        return list(pdm_witness.decode_packets(self.read(pcap(frames)), **kwargs))

    def sealed(self, kri, psntp, suite=pdm.Suite(), **clear):
        five = pdm.tuple_bytes(CLIENT, 40001, SERVER, 7, 17)
        fields = FIELDS._replace(psntp=psntp)
        key = pdm.derive(suite, PSK, five, kri)
        return with_option(pdm.seal_option(suite, key, fields, psntp, **clear))

    def test_three_formats(self):
        plain = udp_packet(CLIENT, 40001, SERVER, 7, b"no option")
        rows = self.decode(
            [
                plain,
                with_option(pdm.rfc8250_option(FIELDS)),
                with_option(pdm.plain_option(FIELDS, 5, 1)),
                self.sealed(0, 0x1122),
            ],
            psk=PSK,
        )
        self.assertEqual([row["format"] for row in rows], ["rfc8250", "plain", "encrypted"])
        for row in rows:
            self.assertNotIn("error", row)
            self.assertEqual((row["psntp"], row["psnlr"]), (0x1122, 0x3344))
            self.assertEqual(row["delta_tlr_ns"], (0x5566 << 45) // 10**9)
            self.assertEqual(row["delta_tls_ns"], (0x7788 << 40) // 10**9)
        self.assertEqual([row["global_pointer"] for row in rows], [0, 0x01020304, 0x01020304])
        self.assertEqual((rows[1]["prseq"], rows[1]["f"]), (5, 1))

    def test_rotation(self):
        """Counters that go on, leap, start again with a generation, and come late."""
        kris = [0, 1, 1, 2, 5, 4, 2**32, 2**32 + 1, 5, 3 * 2**32 + 63]
        datagrams = [self.sealed(kri, i + 1) for i, kri in enumerate(kris)]
        for suite in (pdm.Suite(), pdm.Suite(0, 1, 3)):
            datagrams = [self.sealed(kri, i + 1, suite) for i, kri in enumerate(kris)]
            rows = self.decode(datagrams, psk=PSK, suite=suite)
            self.assertEqual([row.get("kri") for row in rows], kris)
            self.assertEqual([row["psntp"] for row in rows], list(range(1, len(kris) + 1)))

    def test_refused(self):
        twice = pdm.plain_option(FIELDS) + b"\x01\x00" + pdm.plain_option(FIELDS)
        header = b"\x11\x05\x01\x00" + twice + b"\x01\x00"
        good = self.sealed(0, 1)
        rows = self.decode(
            [
                udp_packet(CLIENT, 40001, SERVER, 7, b"x", header, 60),
                good[:-10] + bytes([good[-10] ^ 1]) + good[-9:],
                with_option(pdm.plain_option(FIELDS, version=1)),
                self.sealed(0, 1, f=1),
                self.sealed(0, 1, suite=pdm.Suite(0, 1, 3)),
                good,
            ],
            psk=PSK,
        )
        self.assertEqual(
            [row.get("error") for row in rows],
            ["present twice", "no key fits", "version 1", "no key fits", "no key fits", None],
        )

    def test_without_key(self):
        row = self.decode([self.sealed(1, 9)])[0]
        self.assertEqual((row["prseq"], row["f"], row["format"]), (9, 1, "encrypted"))
        self.assertNotIn("psntp", row)


class Truth(FileCase):
    def pairs(self, rows, match):
        frames = []
        for time_ns, up, sport, payload in rows:
            ends = (CLIENT, sport, SERVER, 7) if up else (SERVER, 7, CLIENT, sport)
            frames.append((time_ns, udp_packet(*ends, payload)))
        paired = truth.pair(self.read(pcap(frames)), 7, match=match)
        return [truth.describe(*entry)["server_ns"] for entry in paired]

    def test_pairs(self):
        rows = [
            (100, True, 4000, b"a"),
            (200, True, 4000, b"b"),
            (250, True, 4001, b"b"),
            (300, False, 4000, b"b"),
            (500, False, 4000, b"a"),
            (600, True, 4000, b"a"),
        ]
        self.assertEqual(self.pairs(rows, truth.match_echo), [400, 100, None, None])
        self.assertEqual(self.pairs(rows, truth.match_order), [200, 300, None, None])


class Vectors(unittest.TestCase):
    def test_files_are_current(self):
        beside = os.path.join(HERE, "..", "vectors")
        for name, text in make_vectors.render().items():
            with open(os.path.join(beside, name), encoding="ascii") as source:
                self.assertTrue(source.read() == text, "%s: run make_vectors.py" % name)


if __name__ == "__main__":
    unittest.main(module=None, argv=[sys.argv[0], "discover", "-s", HERE])
