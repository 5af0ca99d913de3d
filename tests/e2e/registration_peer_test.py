#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Tests of registration_peer.py: its ends against each other, over loopback.

    registration_peer_test.py DIRECTORY

DIRECTORY has certificates of pki.sh: ca-a and ca-b, and ps and pc of them.
"""
import os
import random
import sys
import threading
import unittest

import registration_peer as peer

reg = peer.reg
CLIENTS, SERVERS = [peer.entry("2001:db8:b::/64")], [peer.entry("2001:db8:a::1", 1)]
PORT, RELAY_PORT = 28250, 28251


def certificate(name):
    return os.path.join(sys.argv[1], name)


class Serving(threading.Thread):
    """A Server for one negotiation."""

    def __init__(self, **options):
        super().__init__(daemon=True)
        self.listener = peer.Listener(None, "::1", PORT)
        self.options, self.agreed, self.confirmed, self.link = options, None, None, None
        self.start()

    def run(self):
        self.link = self.listener.accept(certificate("ps"), certificate("ca-b.pem"))
        if self.link.ended:
            return
        server = peer.Server(self.link, random.Random(2))
        server.answer(SERVERS, server.take_offer() + 1, **self.options)
        self.agreed = server.agreed()
        self.confirmed = server.confirm(self.agreed)
        if self.confirmed is not None:
            self.link.send(peer.list_response(reg.OK, 0, 1))

    def end(self):
        self.join()
        self.link.close()
        self.listener.close()


def dial(port=PORT, name="pc", ca="ca-a.pem"):
    return peer.connect(None, "::1", certificate(name), port, ca=certificate(ca))


class Negotiating(unittest.TestCase):
    def agree(self, **options):
        serving = Serving(**options)
        link = dial()
        try:
            agreed = peer.Client(link, random.Random(1)).agree(CLIENTS, 6)
        finally:
            link.close()
            serving.end()
        self.assertEqual(agreed, serving.agreed)
        self.assertEqual(agreed.epoch, 7)
        want = peer.list_request(7, agreed.tag, 1, CLIENTS)
        self.assertEqual(serving.confirmed, want)

    def test_suites(self):
        for kdf in peer.KDF_SHA256, peer.KDF_SHA512:
            for aead in peer.AES, peer.CHACHA:
                with self.subTest(kdf=kdf, aead=aead):
                    self.agree(kdf=kdf, aead=aead)

    def test_offer(self):
        octets = peer.setup_request(3, peer.OFFER, CLIENTS, 9)
        self.assertEqual(peer.parse_setup_request(octets), (3, peer.OFFER, CLIENTS, 9))

    def test_strangers(self):
        """Each end is refused by an alert alone."""
        serving = Serving()
        link = dial(name="ps")
        link.send(peer.setup_request(0, peer.OFFER, CLIENTS))
        self.assertEqual(link.wait_end(), "alert TLSV1_ALERT_UNKNOWN_CA")
        self.assertEqual(link.heard, b"")
        link.close()
        serving.end()
        self.assertEqual(serving.link.heard, b"")


class Relaying(unittest.TestCase):
    def relay(self, change):
        """What the client and the server have then."""
        serving = Serving()
        listener = peer.Listener(None, "::1", RELAY_PORT)
        found = []

        def client():
            link = dial(RELAY_PORT)
            try:
                found.append(peer.Client(link, random.Random(1)).agree(CLIENTS))
            except reg.RegistrationError as error:
                found.append(str(error))
            link.close()

        thread = threading.Thread(target=client)
        thread.start()
        ends = [(certificate(name), certificate(ca)) for name, ca in
                (("ps", "ca-b.pem"), ("pc", "ca-a.pem"))]  # fmt: skip
        relay = peer.Relay(listener, *ends, None, "::1", change, port=PORT)
        thread.join()
        relay.end()
        serving.end()
        listener.close()
        return found[0], serving.agreed

    def test_honest(self):
        client, server = self.relay(lambda octets: octets)
        self.assertEqual(client, server)

    def test_downgrade(self):
        client, server = self.relay(peer.offer_only(peer.CHACHA))
        self.assertEqual(client, "the confirmation is another")
        self.assertIsNotNone(server)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
