# SPDX-License-Identifier: BSD-2-Clause
"""The witness's own registration: from what two primaries said to each other, and what the KEM made
of it, to the keys of every flow between their secondaries, in each mode of operation.

Shares no code with the product. A transcript is what a build with PDM_TRANSCRIPT writes: lines of a
name and octets in hexadecimal.
"""
import ipaddress
import os
import struct
from collections import namedtuple

import pdm_option as pdm
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

X25519, P256 = 0x0020, 0x0010
SETUP, KEM, SECRET, LIST, POLL, BLOCK, NEGOTIATE = range(1, 8)
REQUEST, RESPONSE = 0, 1
NONE, TRUSTED_SERVERS, ASYMMETRIC_POLL, IBC = range(4)
CLIENT, SERVER = range(2)
OK = 0
HEADER_LEN, SALT_LEN, SECRET_LEN, TAG_LEN, NAME_LEN, POINT_LEN = 8, 32, 64, 16, 64, 384
IBC_IKM_LEN = 64

Message = namedtuple("Message", "command direction body")
Terms = namedtuple(
    "Terms",
    "status epoch kem kdf aead secmop poller unprotected lifetime_s grace_s pk_len list_version"
    " entries",
)


class RegistrationError(ValueError):
    """What was said is not what the design says."""


def packed(address):
    return ipaddress.IPv6Address(address).packed


# Messages.


def parse_message(octets):
    version, command, direction, zero, length = struct.unpack_from(">BBBBI", octets)
    if version != 1 or zero != 0 or length != len(octets) - HEADER_LEN:
        raise RegistrationError("no message: %s" % octets[:HEADER_LEN].hex())
    return Message(command, direction, octets[HEADER_LEN:])


class Reader:
    """Takes a body apart, from front to end."""

    def __init__(self, body):
        self.body, self.at = body, 0

    def take(self, layout):
        values = struct.unpack_from(">" + layout, self.body, self.at)
        self.at += struct.calcsize(">" + layout)
        return values

    def octets(self, length):
        (value,) = self.take("%ds" % length)
        return value


Entry = namedtuple("Entry", "prefix group")


def parse_entries(reader, count):
    entries = []
    for _ in range(count):
        address, length, group = reader.take("16sBH")
        entries.append(Entry(ipaddress.IPv6Network((address, length)), group))
    return entries


def parse_offer(octets):
    """The list of clients in a SETUP request."""
    reader = Reader(parse_message(octets).body)
    _, kems, kdfs, aeads, _, entries = reader.take("QBBBQI")
    reader.take("%dH" % (kems + kdfs + aeads))
    return parse_entries(reader, entries)


def parse_terms(octets):
    """(Terms, pkS, list of servers) of a SETUP response."""
    reader = Reader(parse_message(octets).body)
    terms = Terms(*reader.take("BQHHHBBBIIHQI"))
    public = reader.octets(terms.pk_len)
    return terms, public, parse_entries(reader, terms.entries)


def entry_of(entries, address):
    """The longest prefix that an address is in, or None."""
    address = ipaddress.IPv6Address(address)
    found = [entry for entry in entries if address in entry.prefix]
    return max(found, key=lambda entry: entry.prefix.prefixlen, default=None)


def parse_kem_request(octets):
    """(salt, enc)"""
    reader = Reader(parse_message(octets).body)
    salt, length = reader.take("%dsH" % SALT_LEN)
    return salt, reader.octets(length)


# DHKEM of RFC 9180 section 4.1, the receiver's side.


def p256_exchange(key, enc):
    return key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(key.curve, enc))


def diffie_hellman(kem, private, enc):
    """(what the two share, the public key of PRIVATE)"""
    if kem == X25519:
        key = x25519.X25519PrivateKey.from_private_bytes(private)
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return key.exchange(x25519.X25519PublicKey.from_public_bytes(enc)), public
    if kem == P256:
        key = ec.derive_private_key(int.from_bytes(private, "big"), ec.SECP256R1())
        public = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return p256_exchange(key, enc), public
    raise RegistrationError("unknown KEM %d" % kem)


def kem_hmac(key, *parts):
    mac = hmac.HMAC(key, hashes.SHA256())
    for part in parts:
        mac.update(part)
    return mac.finalize()


def decapsulate(kem, private, enc):
    """The KEM's shared secret: ExtractAndExpand under the KEM's own labels."""
    label = b"HPKE-v1KEM" + struct.pack(">H", kem)
    shared, public = diffie_hellman(kem, private, enc)
    prk = kem_hmac(bytes(32), label, b"eae_prk", shared)
    return kem_hmac(prk, struct.pack(">H", 32), label, b"shared_secret", enc, public, b"\x01")


# Derivations of the design's section on keys.


def expand(suite, secret, label, info):
    return pdm.labeled_expand(suite, secret, label, info, pdm.hash_len(suite))


def digest(suite, *parts):
    whole = hashes.Hash(pdm.HASHES[suite.kdf_id]())
    for part in parts:
        whole.update(part)
    return whole.finalize()


def pair_master_secret(suite, kem_shared, salt, *transcript):
    prk = pdm.labeled_extract(suite, salt, b"pdmv2 pms", kem_shared)
    return expand(suite, prk, b"pdmv2 transcript", digest(suite, *transcript))


def derive(suite, secret, label, name):
    """NAME is an address or a group's number."""
    info = struct.pack(">H", name) if isinstance(name, int) else packed(name)
    return expand(suite, secret, label, info)


def pss(suite, secret, server):
    return derive(suite, secret, b"pdmv2 pss", server)


def pcs(suite, secret, client):
    return derive(suite, secret, b"pdmv2 pcs", client)


def confirmation(suite, pms, *transcript):
    mac = hmac.HMAC(expand(suite, pms, b"pdmv2 confirm", b""), pdm.HASHES[suite.kdf_id]())
    for part in transcript:
        mac.update(part)
    return mac.finalize()


def tag_of(suite, pms, epoch):
    return expand(suite, pms, b"pdmv2 tag", struct.pack(">Q", epoch))[:TAG_LEN]


def ibc_ikm(suite, pms):
    return pdm.labeled_expand(suite, pms, b"pdmv2 ibc", b"", IBC_IKM_LEN)


def pair_device_key(suite, k_i, k_r, said):
    return pdm.labeled_extract(suite, k_i + k_r, b"pdmv2 pair", said)


def identity(address, epoch):
    """Python writes an address as RFC 5952 has it."""
    return ("%s|%d" % (ipaddress.IPv6Address(address), epoch)).encode()


# Transcripts.


def read_transcript(path):
    """[(name, octets)]; none if there is no file."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="ascii") as source:
        pairs = [line.split() for line in source]
    return [(pair[0], bytes.fromhex("".join(pair[1:]))) for pair in pairs]


class Negotiation:
    """One run of SETUP and KEM: what a primary knows after it."""

    def __init__(self, said):
        """SAID: name -> octets."""
        self.said = [said[name] for name in ("setup_request", "setup_response", "kem_request")]
        self.clients = parse_offer(self.said[0])
        self.terms, _, self.servers = parse_terms(self.said[1])
        self.suite = pdm.Suite(self.terms.kem, self.terms.kdf, self.terms.aead)
        self.epoch = self.terms.epoch
        salt, enc = parse_kem_request(self.said[2])
        shared = said["kem_shared_secret"]
        self.decapsulated = "kem_private_key" in said  # the server's; a client has none
        if self.decapsulated:
            own = decapsulate(self.terms.kem, said["kem_private_key"], enc)
            if own != shared:
                raise RegistrationError("the KEM's shared secret is another")
        self.pms = pair_master_secret(self.suite, shared, salt, *self.said)
        self.tag = tag_of(self.suite, self.pms, self.epoch)

    def confirmation(self):
        return confirmation(self.suite, self.pms, *self.said)

    def sides(self, one, other):
        """(client, server) of two addresses by the lists; None if they are no pair."""
        for client, server in ((one, other), (other, one)):
            if entry_of(self.clients, client) and entry_of(self.servers, server):
                return client, server
        return None

    def shared_secret(self, one, other):
        """Of two hosts on the lists; None for others, and in modes in which the PMS alone does not
        tell."""
        sides = self.sides(one, other)
        if sides is None or self.terms.secmop not in (TRUSTED_SERVERS, ASYMMETRIC_POLL):
            return None
        client, server = sides
        if self.terms.secmop == TRUSTED_SERVERS:
            group = entry_of(self.servers, server).group
            return pcs(self.suite, pss(self.suite, self.pms, group), client)
        if self.terms.poller == CLIENT:
            return pcs(self.suite, pss(self.suite, self.pms, server), client)
        return pss(self.suite, pcs(self.suite, self.pms, client), server)


def negotiations(path):
    """Those of a primary's transcript, in order."""
    found, said = [], {}
    for name, octets in read_transcript(path):
        if name == "setup_request":
            said = {}
            found.append(said)
        said[name] = octets
    return [Negotiation(said) for said in found if "kem_request" in said]


def check_confirmed(path):
    """Every KEM response that came holds the HMAC that the design says; how many there were."""
    ends = {negotiation.confirmation() for negotiation in negotiations(path)}
    count = 0
    for message in received(path):
        if (message.command, message.direction) != (KEM, RESPONSE):
            continue
        status, length, octets = Reader(message.body).take("BB%ds" % SECRET_LEN)
        if status == OK and octets[:length] not in ends:
            raise RegistrationError("the confirmation is another")
        count += status == OK
    return count


def received(path):
    """Messages that a daemon's links received."""
    found = []
    for name, octets in read_transcript(path):
        if name == "received":
            found.append(octets)
        elif name == "body":
            found[-1] += octets
    return [parse_message(octets) for octets in found]


# What a secondary was given.

Grant = namedtuple("Grant", "suite epoch group secret")
Identity = namedtuple("Identity", "suite epoch address p_pub s_id")


def parse_scope(reader, suite, epoch):
    address, _, _, has_identity, grants = reader.take("16sIIBH")
    given = []
    for _ in range(grants):
        group, secret = reader.take("H%ds" % SECRET_LEN)
        given.append(Grant(suite, epoch, group, secret[: pdm.hash_len(suite)]))
    if has_identity:
        p_pub, s_id = reader.take("%ds%ds" % (POINT_LEN, POINT_LEN))
        given.append(Identity(suite, epoch, str(ipaddress.IPv6Address(address)), p_pub, s_id))
    return given


def parse_secrets(body):
    """Grants and identities in a SECRET response."""
    reader, given = Reader(body), []
    status, pairs = reader.take("BH")
    for _ in range(pairs if status == OK else 0):
        *_, epochs = reader.take("I%dsBBBBQB" % NAME_LEN)
        for _ in range(epochs):
            epoch, _, *suite, _, _, scopes = reader.take("Q%dsHHHQQB" % TAG_LEN)
            for _ in range(scopes):
                given += parse_scope(reader, pdm.Suite(*suite), epoch)
    if reader.at != len(body):
        raise RegistrationError("a SECRET response goes on")
    return given


def parse_polled(body, suites):
    """The Grant in a POLL response; SUITES: epoch -> suite."""
    status, _, epoch, _, _, secret = Reader(body).take("BIQ16s16s%ds" % SECRET_LEN)
    if status != OK:
        return []
    suite = suites[epoch]
    return [Grant(suite, epoch, 0, secret[: pdm.hash_len(suite)])]


def given_to(path, suites):
    """All that a secondary was ever given, from the messages that it received."""
    given = []
    for message in received(path):
        if (message.command, message.direction) == (SECRET, RESPONSE):
            given += parse_secrets(message.body)
        elif (message.command, message.direction) == (POLL, RESPONSE):
            given += parse_polled(message.body, suites)
    return given


def within_reach(grant, *names):
    """Every SharedSecret that the holder of a grant could make of it, whatever the mode: as it is,
    and by one derivation or two with NAMES, which are addresses and groups' numbers."""
    derivations = [(label, name) for label in (b"pdmv2 pss", b"pdmv2 pcs") for name in names]
    held = [grant.secret]
    for _ in range(3):
        yield from held
        held = [derive(grant.suite, secret, *step) for secret in held for step in derivations]
