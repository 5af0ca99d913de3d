#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Who is kept out as a primary, by primaries and by agents; run by test_kept_out.sh; see
kept_out.py.

    clients   this is pc to ps, beside the agents of ss1 and ss2
    servers   this is ps to pc, and pc to sc1
    relay     this is between pc and ps

The daemons but those of ss1 and ss2 are started and ended here.
"""
import time

import kept_out
import registration_peer as peer
from kept_out import (  # isort: skip
    ADDRESSES, CLIENTS, GRACE_S, OPEN, ORGANISATION, SERVERS, SETTLED_S, alert, asking, check,
    registered, say,
)  # fmt: skip

reg = peer.reg
LAST_EPOCH = 2**62 - 1  # STORE_EPOCH_MAX


# As a Primary Client, to ps.


def as_client(world):
    return peer.Client(world.connect("pc", "ps", "pc"), world.random)


def offering(world, entries=CLIENTS, offer=peer.OFFER, epoch=0):
    link = world.connect("pc", "ps", "pc")
    return say(link, peer.setup_request(epoch, offer, entries))


CLAIMS = (
    ("ours", ADDRESSES["ss1"] + "/128", ADDRESSES["ss1"] + "/128, which is ours"),
    ("a prefix that holds ours", "2001:db8:a::/48", "2001:db8:a::/48, which is ours"),
    ("everything", "::/0", "::/0, which is ours"),
    ("somebody else's", "2001:db8:c::1/128", "which is outside of its addresses"),
    ("more than its own", "2001:db8:b::/56", "which is outside of its addresses"),
    ("what is no prefix", "2001:db8:b::1/64", "sent what is no prefix"),
    ("a length that is none", "2001:db8:b::1/129", "sent what is no prefix"),
)


def agree(world, epoch=0):
    client = as_client(world)
    agreed = client.agree(CLIENTS, epoch)
    client.link.close()
    world.secrets["the PairMasterSecret %d" % agreed.epoch] = agreed.pms
    for host in "ss1", "ss2":
        world.secrets["%s's %d" % (host, agreed.epoch)] = reg.pss(
            agreed.suite, agreed.pms, ADDRESSES[host]
        )
    time.sleep(SETTLED_S)  # until secondaries have been told
    return agreed


def with_agents(ps):
    """Until they are there."""
    for host in "ss1", "ss2":
        ps.await_line("secondary [%s]:" % ADDRESSES[host])
    time.sleep(SETTLED_S)


def restart(ps):
    """What it told so often that it tells no more may be told again."""
    ps.stop()
    ps.start()
    with_agents(ps)


def clients(world):
    ps = world.daemon["ps"]
    ps.start()
    with_agents(ps)
    agreed = agree(world)
    for what, text, cause in CLAIMS:
        entries = CLIENTS + [peer.entry(text)]
        world.kept_out(
            "a SETUP that claims " + what, ps, lambda: offering(world, entries),
            peer.CLOSED, peer.refusal(reg.SETUP), cause,
        )  # fmt: skip
    restart(ps)
    odd_setups(world)
    restart(ps)
    replays(world, agreed)
    claims_in_lists(world, agreed)
    old_secrets(world, agreed)
    used_up(world)
    ps.stop()


def odd_setups(world):
    ps = world.daemon["ps"]
    short = peer.setup_request(0, peer.OFFER, CLIENTS)[:-1]
    short = peer.message(reg.SETUP, reg.REQUEST, short[reg.HEADER_LEN :])
    nothing = peer.Offer((reg.X25519,), (peer.KDF_SHA256,), (0xFFFF,))
    cases = (
        ("a SETUP that is shorter than it says", short, peer.refusal(reg.SETUP),
         "sent a list that is too short"),
        ("a SETUP of no suite in common", peer.setup_request(0, nothing, CLIENTS),
         peer.refusal(reg.SETUP, peer.NO_SUITE), "offers no suite that is accepted here"),
        ("a SETUP that counts to the end", peer.setup_request(2**64 - 1, peer.OFFER, CLIENTS),
         peer.refusal(reg.SETUP), "counts more negotiations than there can be"),
        ("a NEGOTIATE of a client", peer.message(reg.NEGOTIATE, reg.REQUEST), b"",
         "sent a message that is not for us"),
        ("a SECRET of a peer", peer.secret_request(), b"", "sent a message that is not for us"),
    )  # fmt: skip
    for what, octets, heard, cause in cases:
        world.kept_out(
            what, ps, lambda: say(world.connect("pc", "ps", "pc"), octets),
            peer.CLOSED, heard, cause,
        )  # fmt: skip


def replays(world, agreed):
    ps = world.daemon["ps"]
    kem = agreed.said[2]
    refusal = peer.refusal(reg.KEM)
    world.kept_out(
        "a replayed KEM, without a SETUP", ps,
        lambda: say(world.connect("pc", "ps", "pc"), kem),
        peer.CLOSED, refusal, "sent a KEM without a SETUP before it",
    )  # fmt: skip

    def twice():
        client = as_client(world)
        client.offer(CLIENTS)
        request, _ = client.encapsulate()
        peer.exchange(client.link, request, reg.KEM)
        client.link.forget()
        return say(client.link, request)

    world.kept_out(
        "a KEM that comes twice", ps, twice,
        peer.CLOSED, refusal, "sent a KEM without a SETUP before it",
    )  # fmt: skip

    def low_order():
        client = as_client(world)
        client.offer(CLIENTS)
        client.link.forget()
        return say(client.link, peer.kem_request(bytes(32), bytes(32)))

    world.kept_out(
        "an encapsulation of low order", ps, low_order,
        peer.CLOSED, refusal, "sent what is no encapsulation",
    )  # fmt: skip
    replayed_conversation(world, agreed)


def replayed_conversation(world, agreed):
    """All that a client said, from its SETUP to the LIST that confirms. The server's key is
    another: whoever replays it has not the secret that the LIST must name."""
    ps = world.daemon["ps"]

    def attempt():
        link = world.connect("pc", "ps", "pc")
        peer.exchange(link, agreed.said[0], reg.SETUP)
        response = peer.exchange(link, agreed.said[2], reg.KEM)
        replays = peer.kem_response(reg.confirmation(agreed.suite, agreed.pms, *agreed.said))
        if response == replays:
            raise reg.RegistrationError("the same confirmation twice")
        link.forget()
        return say(link, peer.list_request(agreed.epoch + 1, agreed.tag, 1, CLIENTS))

    world.kept_out(
        "a replayed conversation, and a guess at what it made", ps, attempt,
        OPEN, peer.list_response(peer.RENEGOTIATE, 0, 1), "not in force",
    )  # fmt: skip


def listing(world, *arguments, **options):
    return say(world.connect("pc", "ps", "pc"), peer.list_request(*arguments, **options))


def claims_in_lists(world, agreed):
    """Told once for a pair until its configuration changes, since a client asks again."""
    entries = CLIENTS + [peer.entry(ADDRESSES["ss1"])]
    world.kept_out(
        "a LIST that claims ours", world.daemon["ps"],
        lambda: listing(world, agreed.epoch, agreed.tag, 2, entries),
        OPEN, peer.list_response(peer.REFUSED, 0, 1), "which is ours",
    )  # fmt: skip


def old_secrets(world, agreed):
    """GRACE: test_kept_out.sh gives ps a short one."""
    ps = world.daemon["ps"]
    latest = agree(world, agreed.epoch)
    forged = bytes(16)
    renegotiate = peer.list_response(peer.RENEGOTIATE, 0, 1)
    for what, epoch, tag in (
        ("a LIST under the secret of before", agreed.epoch, agreed.tag),
        ("a LIST under a secret that is made up", latest.epoch, forged),
    ):
        world.kept_out(what, ps, lambda: listing(world, epoch, tag, 9, CLIENTS[:1]),
                       OPEN, renegotiate, "not in force")  # fmt: skip
    after_grace(world, agreed, latest)


def after_grace(world, agreed, latest):
    ps = world.daemon["ps"]
    time.sleep(GRACE_S + 1)
    world.kept_out(
        "a LIST under an old secret after the grace period", ps,
        lambda: listing(world, agreed.epoch, agreed.tag, 9, CLIENTS[:1]),
        OPEN, peer.list_response(peer.RENEGOTIATE, 0, 1), "not in force",
    )  # fmt: skip
    agent = registered(world, "ss2")
    epochs = [epoch.epoch for epoch in agent.pairs[0].epochs]
    agent.link.close()
    problems = [] if epochs == [latest.epoch] else ["of %s" % epochs]
    check("ps: nothing of the old secret is given out after it", problems)
    block = agent.pair, agreed.epoch, ADDRESSES["ss2"]
    world.kept_out(
        "a BLOCK under an old secret", ps,
        lambda: asking(world, "ss2", peer.block_request(*block)),
        OPEN, peer.block_refusal(*block), "its BLOCK is refused", "ss2",
    )  # fmt: skip


def used_up(world):
    """The last number there is, and one more: what could not be kept would fail the transaction
    that others are in, too. Nothing can be agreed on with this pair any more."""
    agree(world, LAST_EPOCH)
    world.kept_out(
        "a SETUP after the last number", world.daemon["ps"], lambda: offering(world),
        peer.CLOSED, peer.refusal(reg.SETUP), "has used up the numbers of negotiations",
    )  # fmt: skip


# As a Primary Server, and as a primary of agents.

# Certificate, how it is refused, what is said of it.
IMPOSTORS = (
    ("of an authority that nobody knows", "impostor-stranger", "UNKNOWN_CA", "unknown authority"),
    ("of our own authority for another's name", "impostor-own", "UNKNOWN_CA", "unknown authority"),
    ("that has expired", "impostor-expired", "CERTIFICATE_EXPIRED", "expired"),
    ("that was revoked", "impostor-revoked", "CERTIFICATE_REVOKED", "revoked"),
    ("of another name", "impostor-name", "BAD_CERTIFICATE", "is not in it"),
)


class Visit:
    """HOST's daemon, from when it starts until it has been dealt with by ACT(link)."""

    def __init__(self, world, host, to, certificate, act):
        daemon, listener = world.daemon[host], peer.Listener(world.namespace(to), ADDRESSES[to])
        ca = "ca-%s.pem" % ORGANISATION[host]
        daemon.start()
        self.link = listener.accept(world.certificate(certificate), world.certificate(ca))
        self.result, self.ended = None, "nobody came"
        if self.link:
            self.deal(act)
        listener.close()

    def deal(self, act):
        try:
            self.result = None if self.link.ended else act(self.link)
            self.ended = self.link.wait_end()
        except reg.RegistrationError as error:
            self.ended = "as %s" % error


def turned_down(world, what, host, to, certificate, act, ended, heard, cause, names):
    """HEARD: of a Link and what ACT gave, whether no more came than may."""
    daemon = world.daemon[host]
    visit = Visit(world, host, to, certificate, act)
    problems = [] if visit.ended == ended else ["it ended %s, not %s" % (visit.ended, ended)]
    if visit.link:
        octets = visit.link.heard
        problems += [] if heard(octets, visit.result) else ["%s came" % (octets.hex() or "nothing")]
        problems += ["%s was revealed" % name for name in world.revealed(octets)]
        visit.link.close()
    problems += daemon.judge_log(cause, names)
    if host == "pc":
        problems += daemon.judge_store()
    daemon.stop()
    check("%s: %s" % (host, what), problems)


def nothing(octets, _):
    return octets == b""


def setup_alone(octets, _):
    return octets != b"" and octets == peer.setup_request(*peer.parse_setup_request(octets))


def setup_and_kem(octets, server):
    return server is not None and octets == server.said[0] + server.said[2]


def impostors(world):
    for host, to in ("pc", "ps"), ("sc1", "pc"):
        for what, name, reason, cause in IMPOSTORS:
            turned_down(
                world, "a primary's certificate " + what, host, to, "%s-%s" % (name, to),
                lambda link: link, alert(reason), nothing, cause,
                ("[%s]:%d" % (ADDRESSES[to], peer.PORT),),
            )  # fmt: skip


def answering(world, entries=SERVERS, epoch=1, **options):
    """A Server that answers a SETUP so."""

    def act(link):
        server = peer.Server(link, world.random)
        server.take_offer()
        server.answer(entries, epoch, **options)
        return server

    return act


def confirming(world, forge):
    """A Server that answers a KEM by FORGE(server)."""

    def act(link):
        server = answering(world)(link)
        world.secrets["a PairMasterSecret"] = server.agreed().pms
        link.send(forge(server))
        return server

    return act


def forged_hmac(server):
    agreed = server.agreed()
    octets = peer.kem_response(reg.confirmation(agreed.suite, agreed.pms, *agreed.said))
    return octets[:-1 - 32] + bytes([octets[-1 - 32] ^ 1]) + octets[-32:]


TERMS = (
    ("a suite that was not offered", {"aead": 0xFFFF}, "chose a suite that was not offered"),
    ("another mode of operation than is configured", {"secmop": reg.NONE},
     "chose another mode of operation than is configured here"),
    ("a mode of operation that is none", {"secmop": 9},
     "chose a mode of operation that is not known"),
    ("half a public key", {"public": bytes(range(16))}, "sent what is no public key"),
    ("a public key of low order", {"public": bytes(32)}, "sent what is no public key"),
    ("a list that claims ours", {"entries": SERVERS + [peer.entry(ADDRESSES["sc1"], 1)]},
     "which is ours"),
    ("a list that claims everything", {"entries": [peer.entry("::/0", 1)]}, "which is ours"),
    ("a list that claims somebody else's", {"entries": [peer.entry("2001:db8:c::1", 1)]},
     "which is outside of its addresses"),
)  # fmt: skip
CONFIRMATIONS = (
    ("a confirmation of something else", forged_hmac),
    ("a confirmation of no length", lambda server: peer.kem_response(b"")),
    ("a confirmation of another's", lambda server: peer.kem_response(bytes(32))),
)


def servers(world):
    pc = world.daemon["pc"]
    pc.start()
    pc.stop()
    impostors(world)
    for what, options, cause in TERMS:
        turned_down(world, "a server with " + what, "pc", "ps", "ps", answering(world, **options),
                    peer.CLOSED, setup_alone, cause, ("peer a ",))  # fmt: skip
    for what, forge in CONFIRMATIONS:
        turned_down(world, "a server with " + what, "pc", "ps", "ps", confirming(world, forge),
                    peer.CLOSED, setup_and_kem, "confirms something else than was said here",
                    ("peer a ",))  # fmt: skip
    numbered_again(world)


def honest(world, epoch):
    def act(link):
        server = answering(world, epoch=epoch)(link)
        agreed = server.agreed()
        if server.confirm(agreed) is None:
            return None
        link.send(peer.list_response(reg.OK, 0, 1))
        problems = world.daemon["pc"].await_line("in agreement with")
        world.secrets["a PairMasterSecret"] = agreed.pms
        link.close()
        return None if problems else agreed

    return act


def numbered_again(world):
    """A server that goes back behind a negotiation that was: its secret would be used again."""
    visit = Visit(world, "pc", "ps", "ps", honest(world, 5))
    world.daemon["pc"].stop()
    check("pc: an honest server is not kept out", [] if visit.result else ["no agreement"])

    def act(link):
        """Whatever it asks for first, it is to negotiate."""
        first = link.receive()
        if reg.parse_message(first).command == reg.LIST:
            link.send(peer.list_response(peer.RENEGOTIATE, 0, 0))
            link.forget()
        return answering(world, epoch=3)(link)

    turned_down(
        world, "a server that numbers its negotiation as one that was", "pc", "ps", "ps", act,
        peer.CLOSED, setup_alone, "numbers the negotiation as one that was before", ("peer a ",),
    )  # fmt: skip


# Between the two.

RELAY_PORT = 8251


def in_terms(**changes):
    """A change for a relay, of SETUP's response."""

    def change(octets):
        said = reg.parse_message(octets)
        if (said.command, said.direction) != (reg.SETUP, reg.RESPONSE):
            return octets
        terms, public = reg.parse_terms(octets)[:2]
        return peer.setup_response(terms._replace(**changes), public, SERVERS)

    return change


def more_clients(octets):
    said = reg.parse_message(octets)
    if (said.command, said.direction) != (reg.SETUP, reg.REQUEST):
        return octets
    epoch, offer, entries, version = peer.parse_setup_request(octets)
    return peer.setup_request(epoch, offer, entries + [peer.entry("2001:db8:b::66")], version)


def other_salt(octets):
    said = reg.parse_message(octets)
    if (said.command, said.direction) != (reg.KEM, reg.REQUEST):
        return octets
    salt, enc = reg.parse_kem_request(octets)
    return peer.kem_request(bytes(len(salt)), enc)


CHANGES = (
    ("the suites that are offered", peer.offer_only(peer.CHACHA)),
    ("the suite that is chosen", in_terms(aead=peer.CHACHA)),
    ("the mode of operation", in_terms(secmop=reg.TRUSTED_SERVERS)),
    ("the lifetime", in_terms(lifetime_s=0)),
    ("the list of clients", more_clients),
    ("the salt", other_salt),
)


def relayed(world, change):
    """What comes of a negotiation through a relay: it, when pc has had enough or agreed."""
    pc = world.daemon["pc"]
    world.daemon["ps"].mark()
    listener = peer.Listener(world.namespace("pc"), ADDRESSES["pc"], RELAY_PORT)
    pc.start()
    ends = [(world.certificate(host), world.certificate(ca)) for host, ca in
            (("ps", "ca-b.pem"), ("pc", "ca-a.pem"))]  # fmt: skip
    relay = peer.Relay(listener, *ends, world.namespace("pc"), ADDRESSES["ps"], change)
    listener.close()
    return relay


def relay(world):
    ps, pc = world.daemon["ps"], world.daemon["pc"]
    pc.start()
    pc.stop()
    ps.start()
    for what, change in CHANGES:
        middle = relayed(world, change)
        problems = pc.judge_log("confirms something else than was said here", ("peer a ",))
        problems += pc.judge_store() + ps.judge_store()
        problems += ["ps logged %s" % line for line in ps.lines()]
        middle.end()
        pc.stop()
        check("pc: a relay that changes " + what, problems)
    middle = relayed(world, lambda octets: octets)
    problems = pc.await_line("in agreement with") + ps.await_line("is in force")
    check("pc: a relay that changes nothing is not noticed", problems)
    middle.end()
    pc.stop()
    ps.stop()


if __name__ == "__main__":
    kept_out.run({"clients": clients, "servers": servers, "relay": relay})
