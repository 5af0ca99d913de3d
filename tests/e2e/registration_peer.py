# SPDX-License-Identifier: BSD-2-Clause
"""Registration's ends and its middle, to be played by a test: a Primary Client, a Primary Server,
an agent, and a relay between two primaries that has certificates of both. Python's ssl and the
witness's derivations; nothing of the product.

Whoever plays one gets to see all octets that came (Link.heard) and how it ended (Link.ended).
"""
import contextlib
import ctypes
import ipaddress
import os
import socket
import ssl
import struct
import sys
import threading
import time
from collections import namedtuple

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "witness"))

import pdm_option as pdm  # noqa: E402
import registration as reg  # noqa: E402

PORT = 8250
CLONE_NEWNET = 0x40000000
KDF_SHA256, KDF_SHA512 = 1, 3
AES, CHACHA = 2, 3
REFUSED, NO_SUITE, LATER, WHOLE, RENEGOTIATE = range(1, 6)
ANSWER_S = 5.0

CLOSED, CUT, SILENT = "closed", "cut off", "silent"

# What a SETUP offers: identifiers of each kind.
Offer = namedtuple("Offer", "kems kdfs aeads")
OFFER = Offer((reg.X25519, reg.P256), (KDF_SHA256, KDF_SHA512), (AES, CHACHA))
# What two primaries agreed on; SAID are the three messages.
Agreed = namedtuple("Agreed", "suite epoch pms tag said")
# What an agent has of one pair of organisations; GRANTS are the witness's.
Epoch = namedtuple("Epoch", "epoch tag suite grants")
Pair = namedtuple("Pair", "pair epochs")


# Namespaces.


def set_namespace(descriptor):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def namespace(name):
    """Sockets of this thread are made in NAME's network; None: where it is."""
    if name is None:
        yield
        return
    with open("/proc/thread-self/ns/net", "rb") as home, open("/run/netns/" + name, "rb") as away:
        set_namespace(away.fileno())
        try:
            yield
        finally:
            set_namespace(home.fileno())


# TLS.


def tls_context(server, certificate=None, ca=None, newest=ssl.TLSVersion.TLSv1_3):
    """CERTIFICATE: a path without .pem and .key, or None; CA: believed; None: whoever it is."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname = False
    tls.minimum_version = tls.maximum_version = newest
    tls.verify_mode = ssl.CERT_REQUIRED if ca else ssl.CERT_NONE
    if ca:
        tls.load_verify_locations(ca)
    if certificate:
        tls.load_cert_chain(certificate + ".pem", certificate + ".key")
    return tls


class Link:
    """One end of a TLS connection, whose handshake is done here."""

    def __init__(self, stream):
        self.stream, self.heard, self.taken, self.ended = stream, b"", 0, None
        self.name = "[%s]:%d" % stream.getsockname()[:2]

    def send(self, octets):
        """What came before it was closed can be read all the same."""
        with contextlib.suppress(OSError):
            self.stream.sendall(octets)

    def end(self, error):
        reason = getattr(error, "reason", None) or ""
        self.ended = self.ended or ("alert " + reason if "ALERT" in reason else CUT)

    def read_more(self, end):
        """False: it is over, or so is the time."""
        left = end - time.monotonic()
        if self.ended or left <= 0:
            return False
        self.stream.settimeout(left)
        try:
            octets = self.stream.recv(65536)
        except socket.timeout:
            return False
        except OSError as error:
            self.end(error)
            return False
        self.ended = None if octets else CLOSED
        self.heard += octets
        return bool(octets)

    def receive(self, seconds=ANSWER_S):
        """The next whole message, or None; then ENDED says why, or is None after so long."""
        end = time.monotonic() + seconds
        while True:
            have = self.heard[self.taken :]
            if len(have) >= reg.HEADER_LEN:
                length = reg.HEADER_LEN + struct.unpack_from(">I", have, 4)[0]
                if len(have) >= length:
                    self.taken += length
                    return have[:length]
            if not self.read_more(end):
                return None

    def wait_end(self, seconds=ANSWER_S):
        """How it ended."""
        end = time.monotonic() + seconds
        while self.read_more(end):
            pass
        return self.ended or SILENT

    def forget(self):
        """What was heard so far was right."""
        self.heard, self.taken = b"", 0

    def close(self):
        with contextlib.suppress(OSError):
            self.stream.settimeout(0.3)
            self.stream.unwrap()
        self.stream.close()
        self.ended = self.ended or CLOSED


def connect(where, address, certificate=None, port=PORT, **tls):
    """A Link from the namespace WHERE. Its handshake may have failed: then it has ended."""
    with namespace(where):
        plain = socket.create_connection((address, port), ANSWER_S)
    stream = tls_context(False, certificate, **tls).wrap_socket(
        plain, do_handshake_on_connect=False, suppress_ragged_eofs=False
    )
    link = Link(stream)
    try:
        stream.do_handshake()
    except OSError as error:
        link.end(error)
    return link


class Listener:
    """Accepts links in the namespace WHERE."""

    def __init__(self, where, address, port=PORT):
        with namespace(where):
            self.socket = socket.create_server(
                (address, port), family=socket.AF_INET6, backlog=16
            )

    def accept(self, certificate, ca, seconds=ANSWER_S):
        """A Link whose handshake may have failed; None if nobody came."""
        self.socket.settimeout(seconds)
        try:
            plain, _ = self.socket.accept()
        except socket.timeout:
            return None
        plain.settimeout(ANSWER_S)
        stream = tls_context(True, certificate, ca).wrap_socket(
            plain, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=False
        )
        link = Link(stream)
        try:
            stream.do_handshake()
        except OSError as error:
            link.end(error)
        return link

    def close(self):
        self.socket.close()


# Messages.


def message(command, direction, body=b""):
    return struct.pack(">BBBBI", 1, command, direction, 0, len(body)) + body


def entry(text, group=0):
    """Of a list: "ADDRESS/LENGTH", whatever bits are beyond LENGTH."""
    address, _, length = text.partition("/")
    return struct.pack(">16sBH", ipaddress.IPv6Address(address).packed, int(length or 128), group)


def ids(numbers):
    return struct.pack(">%dH" % len(numbers), *numbers)


def setup_request(epoch, offer, entries, version=1):
    counts = [len(kind) for kind in offer]
    head = struct.pack(">Q3BQI", epoch, *counts, version, len(entries))
    return message(reg.SETUP, reg.REQUEST, head + b"".join(map(ids, offer)) + b"".join(entries))


def parse_setup_request(octets):
    """(epoch, Offer, [entry], version)"""
    reader = reg.Reader(reg.parse_message(octets).body)
    epoch, kems, kdfs, aeads, version, entries = reader.take("Q3BQI")
    offer = Offer(*(reader.take("%dH" % count) for count in (kems, kdfs, aeads)))
    return epoch, offer, [reader.octets(19) for _ in range(entries)], version


def setup_response(terms, public, entries):
    terms = terms._replace(pk_len=len(public), entries=len(entries))
    head = struct.pack(">BQHHHBBBIIHQI", *terms)
    return message(reg.SETUP, reg.RESPONSE, head + public + b"".join(entries))


def refusal(command, status=REFUSED):
    """The whole of a message that says no more than that."""
    lengths = {reg.SETUP: 40, reg.KEM: 66, reg.SECRET: 3}
    return message(command, reg.RESPONSE, bytes([status]).ljust(lengths[command], b"\0"))


def encapsulate(kem, private, public):
    """RFC 9180's Encap with the ephemeral key PRIVATE: (shared secret, enc)."""
    shared, enc = reg.diffie_hellman(kem, private, public)
    label = b"HPKE-v1KEM" + struct.pack(">H", kem)
    prk = reg.kem_hmac(bytes(32), label, b"eae_prk", shared)
    info = struct.pack(">H", 32) + label + b"shared_secret" + enc + public
    return reg.kem_hmac(prk, info, b"\x01"), enc


def public_of(private):
    """X25519: RFC 7748's base point, times PRIVATE."""
    return reg.diffie_hellman(reg.X25519, private, bytes([9]).ljust(32, b"\0"))[1]


def kem_request(salt, enc):
    return message(reg.KEM, reg.REQUEST, struct.pack(">32sH", salt, len(enc)) + enc)


def kem_response(hmac, status=reg.OK):
    return message(reg.KEM, reg.RESPONSE, struct.pack(">BB64s", status, len(hmac), hmac))


def list_request(epoch, tag, to, entries, start=0, add=1, more=0):
    head = struct.pack(">IQ16sQQBI", 0, epoch, tag, start, to, more, len(entries))
    return message(reg.LIST, reg.REQUEST, head + b"".join(bytes([add]) + e for e in entries))


def list_response(status, pair, version):
    return message(reg.LIST, reg.RESPONSE, struct.pack(">BIQ", status, pair, version))


def secret_request():
    return message(reg.SECRET, reg.REQUEST, struct.pack(">HH", 0, 0))


def poll_request(pair, epoch, own, peer):
    body = struct.pack(">IQ", pair, epoch) + reg.packed(own) + reg.packed(peer)
    return message(reg.POLL, reg.REQUEST, body)


def poll_refusal(pair, epoch, own, peer):
    body = poll_request(pair, epoch, own, peer)[reg.HEADER_LEN :]
    return message(reg.POLL, reg.RESPONSE, bytes([REFUSED]) + body + bytes(64))


def block_request(pair, epoch, own):
    body = struct.pack(">IQ", pair, epoch) + reg.packed(own) + bytes(5)
    return message(reg.BLOCK, reg.REQUEST, body)


def block_refusal(pair, epoch, own):
    body = struct.pack(">BIQ", REFUSED, pair, epoch) + reg.packed(own) + bytes(8)
    return message(reg.BLOCK, reg.RESPONSE, body)


def parse_pairs(octets):
    """[Pair] of a SECRET response."""
    reader = reg.Reader(reg.parse_message(octets).body)
    status, count = reader.take("BH")
    if status != reg.OK:
        raise reg.RegistrationError("SECRET has status %d" % status)
    pairs = []
    for _ in range(count):
        number, *_, epochs = reader.take("I64sBBBBQB")
        pairs.append(Pair(number, []))
        for _ in range(epochs):
            epoch, tag, kem, kdf, aead, _, _, scopes = reader.take("Q16sHHHQQB")
            suite, grants = pdm.Suite(kem, kdf, aead), []
            for _ in range(scopes):
                grants += reg.parse_scope(reader, suite, epoch)
            pairs[-1].epochs.append(Epoch(epoch, tag, suite, grants))
    return pairs


def await_response(link, command, seconds=ANSWER_S):
    """The response to COMMAND, or None. Lists are acknowledged."""
    end = time.monotonic() + seconds
    while True:
        octets = link.receive(max(0, end - time.monotonic()))
        if octets is None:
            return None
        said = reg.parse_message(octets)
        if (said.command, said.direction) == (command, reg.RESPONSE):
            return octets
        if (said.command, said.direction) == (reg.LIST, reg.REQUEST):
            pair, _, _, _, to, more, _ = reg.Reader(said.body).take("IQ16sQQBI")
            if not more:
                link.send(list_response(reg.OK, pair, to))


def take_list(link):
    """A whole LIST, which is acknowledged."""
    more = True
    while more:
        said = reg.parse_message(link.receive() or b"")
        pair, _, _, _, to, more, _ = reg.Reader(said.body).take("IQ16sQQBI")
    link.send(list_response(reg.OK, pair, to))


def status_of(octets):
    return octets[reg.HEADER_LEN] if octets else None


def exchange(link, octets, command, seconds=ANSWER_S):
    link.send(octets)
    return await_response(link, command, seconds)


# The ends.


class Client:
    """A Primary Client; RANDOM makes its keys."""

    def __init__(self, link, random):
        self.link, self.random, self.request, self.response = link, random, None, None

    def offer(self, entries, epoch=0, offer=OFFER):
        """The answer to a SETUP."""
        self.request = setup_request(epoch, offer, entries)
        self.response = exchange(self.link, self.request, reg.SETUP)
        return self.response

    def encapsulate(self):
        """(KEM request, what is agreed on by it)"""
        terms, public = reg.parse_terms(self.response)[:2]
        suite = pdm.Suite(terms.kem, terms.kdf, terms.aead)
        salt = self.random.randbytes(reg.SALT_LEN)
        private = self.random.randbytes(32)
        shared, enc = encapsulate(terms.kem, private, public)
        said = self.request, self.response, kem_request(salt, enc)
        pms = reg.pair_master_secret(suite, shared, salt, *said)
        tag = reg.tag_of(suite, pms, terms.epoch)
        return said[2], Agreed(suite, terms.epoch, pms, tag, said)

    def agree(self, entries, epoch=0, offer=OFFER, version=1):
        """A whole negotiation; what was agreed on is in force after it."""
        terms = reg.parse_terms(self.offer(entries, epoch, offer) or refusal(reg.SETUP))[0]
        if terms.status != reg.OK:
            raise reg.RegistrationError("SETUP has status %d" % terms.status)
        request, agreed = self.encapsulate()
        response = exchange(self.link, request, reg.KEM)
        want = kem_response(reg.confirmation(agreed.suite, agreed.pms, *agreed.said))
        if response != want:
            raise reg.RegistrationError("the confirmation is another")
        if status_of(self.list(agreed, entries, version)) != reg.OK:
            raise reg.RegistrationError("the LIST that confirms is not taken")
        return agreed

    def list(self, agreed, entries, version=1):
        """The answer to a whole list."""
        return exchange(
            self.link, list_request(agreed.epoch, agreed.tag, version, entries), reg.LIST
        )


TERMS = reg.Terms(reg.OK, 0, reg.X25519, KDF_SHA256, AES, reg.TRUSTED_SERVERS, reg.CLIENT, 0,
                  3600, 600, 0, 1, 0)  # fmt: skip


class Server:
    """A Primary Server."""

    def __init__(self, link, random):
        self.link, self.random, self.private, self.said = link, random, None, []

    def take_offer(self):
        """The epoch of a SETUP request, which is to come first."""
        request = self.link.receive()
        if request is None or reg.parse_message(request).command != reg.SETUP:
            raise reg.RegistrationError("no SETUP came")
        self.said = [request]
        return parse_setup_request(request)[0]

    def answer(self, entries, epoch, public=None, **terms):
        """What came of it: a KEM request, or None."""
        terms = TERMS._replace(epoch=epoch, **terms)
        self.private = self.random.randbytes(32)
        public = public or public_of(self.private)
        self.said.append(setup_response(terms, public, entries))
        self.link.send(self.said[1])
        request = self.link.receive()
        if request is not None:
            self.said.append(request)
        return request

    def agreed(self):
        """After a KEM request."""
        if len(self.said) != 3:
            raise reg.RegistrationError("no KEM came")
        terms = reg.parse_terms(self.said[1])[0]
        suite = pdm.Suite(terms.kem, terms.kdf, terms.aead)
        salt, enc = reg.parse_kem_request(self.said[2])
        shared = reg.decapsulate(terms.kem, self.private, enc)
        pms = reg.pair_master_secret(suite, shared, salt, *self.said)
        tag = reg.tag_of(suite, pms, terms.epoch)
        return Agreed(suite, terms.epoch, pms, tag, tuple(self.said))

    def confirm(self, agreed, flip=0):
        """FLIP: of the HMAC's first octet. What came of it: the LIST that confirms, or None."""
        hmac = reg.confirmation(agreed.suite, agreed.pms, *agreed.said)
        self.link.send(kem_response(bytes([hmac[0] ^ flip]) + hmac[1:]))
        return self.link.receive()


class Agent:
    """A secondary's agent, registered."""

    def __init__(self, link):
        self.link = link
        response = exchange(link, secret_request(), reg.SECRET)
        self.pairs = parse_pairs(response or refusal(reg.SECRET))
        for pair in self.pairs:
            take_list(link)
        self.pair, self.epoch = self.pairs[0].pair, self.pairs[0].epochs[-1]

    def poll(self, own, peer):
        """The secret that the primary gives, or None."""
        pair, epoch = self.pair, self.epoch
        response = exchange(self.link, poll_request(pair, epoch.epoch, own, peer), reg.POLL)
        grants = reg.parse_polled(reg.parse_message(response).body, {epoch.epoch: epoch.suite})
        return grants[0].secret if grants else None


def offer_only(aead):
    """A change for a relay: SETUP's request loses all AEADs but one."""

    def change(octets):
        said = reg.parse_message(octets)
        if (said.command, said.direction) != (reg.SETUP, reg.REQUEST):
            return octets
        epoch, offer, entries, version = parse_setup_request(octets)
        return setup_request(epoch, offer._replace(aeads=(aead,)), entries, version)

    return change


class Relay:
    """Between the client that comes to LISTENER and the server at ADDRESS: TLS with each, shown a
    certificate of the other. CHANGE(octets) gives what is passed on of each message."""

    def __init__(self, listener, server, client, where, address, change, port=PORT):
        """SERVER, CLIENT: (certificate to show, authority to believe)"""
        self.change, self.passed, self.over = change, [], False
        near = listener.accept(*server, seconds=2 * ANSWER_S)
        if near is None:
            raise reg.RegistrationError("nobody came to the relay")
        self.ends = near, connect(where, address, client[0], port, ca=client[1])
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        near, far = self.ends
        while not (self.over or near.ended or far.ended):
            self.pass_on(near, far)
            self.pass_on(far, near)
        near.close()
        far.close()

    def pass_on(self, source, sink):
        octets = source.receive(0.01)
        if octets is not None:
            self.passed.append(octets)
            sink.send(self.change(octets))

    def end(self):
        self.over = True
        self.thread.join()
