#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Tests of who can open what, with what the design gives each host in each mode."""
import os
import struct
import sys
import unittest
from collections import namedtuple

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import boneh_franklin as bf  # noqa: E402
import capture  # noqa: E402
import holders  # noqa: E402
import pairings  # noqa: E402
import pdm_option as pdm  # noqa: E402
import registration as reg  # noqa: E402

HOSTS = {
    "sc1": "2001:db8:b::11",
    "sc2": "2001:db8:b::12",
    "ss1": "2001:db8:a::21",
    "ss2": "2001:db8:a::22",
}
SUITE, EPOCH = pdm.Suite(reg.X25519, 1, 2), 3
FIELDS = pdm.Fields(psntp=1)

Mode = namedtuple("Mode", "secmop poller groups")


def entries(hosts, groups):
    rows = [struct.pack(">16sBH", reg.packed(HOSTS[h]), 128, groups.get(h, 0)) for h in hosts]
    return b"".join(rows)


def message(command, direction, body):
    return struct.pack(">BBBBI", 1, command, direction, 0, len(body)) + body


def negotiation(mode):
    offer = struct.pack(">QBBBQI3H", EPOCH, 1, 1, 1, 1, 2, *SUITE) + entries(("sc1", "sc2"), {})
    terms = struct.pack(">BQHHHBB", 0, EPOCH, *SUITE, mode.secmop, mode.poller)
    terms += struct.pack(">BIIHQI", 0, 0, 1, 32, 1, 2) + bytes(32)
    terms += entries(("ss1", "ss2"), mode.groups)
    kem = struct.pack(">32sH32s", bytes(32), 32, bytes(32))
    return reg.Negotiation(
        {
            "setup_request": message(reg.SETUP, reg.REQUEST, offer),
            "setup_response": message(reg.SETUP, reg.RESPONSE, terms),
            "kem_request": message(reg.KEM, reg.REQUEST, kem),
            "kem_shared_secret": bytes(range(32)),
        }
    )


def given(mode, n, host):
    """What the design gives a host that talks to its namesake: sc1 to ss1, sc2 to ss2."""
    client, server = HOSTS["sc" + host[2]], HOSTS["ss" + host[2]]
    own, polled = (client, server) if host.startswith("sc") else (server, client)
    if mode.secmop == reg.TRUSTED_SERVERS:
        groups = set(mode.groups.values())
        secrets = [reg.pss(SUITE, n.pms, mode.groups.get(host, 0))]
        if own == client:
            secrets = [reg.pcs(SUITE, reg.pss(SUITE, n.pms, group), client) for group in groups]
    else:
        labels = reg.pss, reg.pcs
        if mode.poller == reg.SERVER:
            labels, client, server = (reg.pcs, reg.pss), server, client
        one = labels[0](SUITE, n.pms, server)
        polls = (host[1] == "c") == (mode.poller == reg.CLIENT)
        secrets = [labels[1](SUITE, one, client) if polls else one]
    assert own != polled
    return [reg.Grant(SUITE, EPOCH, 0, secret) for secret in secrets]


def packet(src, sport, dst, dport, payload):
    return capture.Packet(0, src, sport, dst, dport, 17, payload, [], payload)


def datagrams(n, initiator, responder):
    """INIT and RESP of an honest pairing."""
    master = pairings.Master(SUITE, n.pms)
    p_pub = bf.public_key(pairings.PARAMETERS, master.secret)

    def sealed(half, peer):
        name = reg.identity(peer, EPOCH)
        return bf.encrypt(pairings.PARAMETERS, p_pub, name, bytes([9]) * 32, half)

    def head(kind, named):
        return struct.pack(pairings.HEAD, 1, kind, EPOCH, n.tag, named)

    k_i, k_r = bytes([1]) * 32, bytes([2]) * 32
    init = head(pairings.INIT, bytes(16)) + sealed(k_i, responder)
    resp = head(pairings.RESP, reg.digest(SUITE, init)[:16]) + sealed(k_r, initiator)
    key = reg.pair_device_key(SUITE, k_i, k_r, reg.digest(SUITE, init, resp))
    resp += pdm.labeled_expand(SUITE, key, b"pdmv2 pair confirm", b"", 32)
    ends = (initiator, pairings.PORT, responder, pairings.PORT)
    return key, [packet(*ends, init), packet(*ends[2:], *ends[:2], resp)]


def option_between(shared, client, server):
    """An option from client to server, as a row of the witness."""
    ends = (client, 4000, server, 7, 17)
    key = pdm.kri_key(SUITE, pdm.flow_secret(SUITE, shared, pdm.tuple_bytes(*ends)), 0)
    option = pdm.seal_option(SUITE, key, FIELDS, 5)
    return dict(zip(("src", "sport", "dst", "dport", "proto"), ends), kri=0, option=option.hex())


def openers(hosts, row):
    return {name for name, holder in hosts.items() if holders.Opener(holder).opens(row)}


CASES = (
    (Mode(reg.TRUSTED_SERVERS, 0, {"ss1": 1, "ss2": 1}), {"sc1", "ss1", "ss2"}),
    (Mode(reg.TRUSTED_SERVERS, 0, {"ss1": 1, "ss2": 2}), {"sc1", "ss1"}),
    (Mode(reg.ASYMMETRIC_POLL, reg.CLIENT, {"ss1": 1, "ss2": 1}), {"sc1", "ss1"}),
    (Mode(reg.ASYMMETRIC_POLL, reg.SERVER, {"ss1": 1, "ss2": 1}), {"sc1", "ss1"}),
)


class Holders(unittest.TestCase):
    def test_derived(self):
        client, server = HOSTS["sc1"], HOSTS["ss1"]
        for mode, expected in CASES:
            with self.subTest(mode=mode):
                n = negotiation(mode)
                primary = holders.Primary([n], [])
                hosts = {h: holders.Secondary(primary, given(mode, n, h)) for h in HOSTS}
                hosts["primary"] = primary
                (secret,) = primary.between(client, server)
                row = option_between(secret.shared, client, server)
                self.assertEqual(openers(hosts, row), expected | {"primary"})
                self.assertEqual(primary.between(client, HOSTS["sc2"]), [])

    def test_paired(self):
        mode = Mode(reg.IBC, 0, {"ss1": 1, "ss2": 1})
        n = negotiation(mode)
        key, said = datagrams(n, HOSTS["sc1"], HOSTS["ss1"])
        primary = holders.Primary([n], said)
        master = pairings.Master(SUITE, n.pms)
        hosts = {"primary": primary}
        for name, address in HOSTS.items():
            private = bf.point_octets(pairings.PARAMETERS, master.private(address, EPOCH))
            identity = reg.Identity(SUITE, EPOCH, address, master.public(), private)
            hosts[name] = holders.Secondary(primary, [identity])
        hosts["deaf"] = holders.Primary([n], [])
        row = option_between(key, HOSTS["sc1"], HOSTS["ss1"])
        self.assertEqual(openers(hosts, row), {"primary", "sc1", "ss1"})

    def test_confirmation(self):
        n = negotiation(Mode(reg.IBC, 0, {}))
        _, (init, resp) = datagrams(n, HOSTS["sc1"], HOSTS["ss1"])
        wrong = resp.payload[:-1] + bytes([resp.payload[-1] ^ 1])
        with self.assertRaises(bf.Refused):
            holders.Primary([n], [init, resp._replace(payload=wrong)])


if __name__ == "__main__":
    unittest.main()
