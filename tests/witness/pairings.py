# SPDX-License-Identifier: BSD-2-Clause
"""The witness's own reading of pairings: how two hosts agree on a PairDeviceKey over UDP (ibc).

A pairing's two halves are encrypted, each to the other host's identity. What opens one is that
identity's private key, or the master secret that it is extracted with.
"""
import struct
from collections import namedtuple

import boneh_franklin as bf
import pdm_option as pdm
import registration as reg

PORT, VERSION, INIT, RESP = 8250, 1, 3, 4
HALF_LEN, ID_LEN, COOKIE_LEN, CONFIRM_LEN = 32, 16, 16, 32
HEAD = ">BBQ%ds%ds" % (reg.TAG_LEN, COOKIE_LEN)  # COOKIE_LEN is ID_LEN
PARAMETERS = bf.parameters_3072()
CIPHERTEXT_LEN = bf.ciphertext_overhead(PARAMETERS) + HALF_LEN

# INITIATOR and RESPONDER are addresses; init and resp whole datagrams.
Pairing = namedtuple("Pairing", "epoch tag initiator responder init resp")


def ciphertext(message):
    at = struct.calcsize(HEAD)
    return message[at : at + CIPHERTEXT_LEN]


def messages(packets, kind):
    """(packet, epoch, tag, cookie or id) of the datagrams of KIND."""
    for packet in packets:
        if packet.proto != 17 or (packet.sport, packet.dport) != (PORT, PORT):
            continue
        if packet.payload[:2] == bytes([VERSION, kind]):
            _, _, *head = struct.unpack_from(HEAD, packet.payload)
            yield packet, *head


def pairings(packets, suites):
    """Those in a capture of which both halves are seen; SUITES: epoch -> suite."""
    packets, found, inits = list(packets), {}, {}
    for packet, epoch, _, _ in messages(packets, INIT):
        if epoch in suites:
            inits[reg.digest(suites[epoch], packet.payload)[:ID_LEN]] = packet
    for packet, epoch, tag, name in messages(packets, RESP):
        init = inits.get(name)
        if init is not None and (init.src, init.dst) == (packet.dst, packet.src):
            pairing = Pairing(epoch, tag, init.src, init.dst, init.payload, packet.payload)
            found[pairing] = None
    return list(found)


def open_half(private, message):
    """k of INIT or RESP with the private key of the identity that it is for."""
    return bf.decrypt(PARAMETERS, private, ciphertext(message))


def device_key(suite, pairing, k_i, k_r):
    """Refused if RESP's confirmation is of another key."""
    said = reg.digest(suite, pairing.init, pairing.resp[:-CONFIRM_LEN])
    key = reg.pair_device_key(suite, k_i, k_r, said)
    confirmation = pdm.labeled_expand(suite, key, b"pdmv2 pair confirm", b"", CONFIRM_LEN)
    if confirmation != pairing.resp[-CONFIRM_LEN:]:
        raise bf.Refused("the confirmation is of another key")
    return key


class Master:
    """What a primary has of ibc: the master secret of one negotiation."""

    def __init__(self, suite, pms):
        self.secret = bf.master_secret(PARAMETERS, reg.ibc_ikm(suite, pms))

    def public(self):
        return bf.point_octets(PARAMETERS, bf.public_key(PARAMETERS, self.secret))

    def private(self, address, epoch):
        return bf.extract(PARAMETERS, self.secret, reg.identity(address, epoch))

    def halves(self, pairing):
        """(k_i, k_r)"""
        responder = self.private(pairing.responder, pairing.epoch)
        initiator = self.private(pairing.initiator, pairing.epoch)
        return open_half(responder, pairing.init), open_half(initiator, pairing.resp)
