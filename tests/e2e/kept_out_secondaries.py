#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Who is kept out by primaries as a secondary: run by test_kept_out.sh; see kept_out.py.

    strangers    by certificates that are not believed, and lists that he is not on
    secondaries  one that is enrolled, and asks for what is others'

All six daemons run.
"""
import os
import subprocess
import time

import kept_out
import registration_peer as peer
from kept_out import (  # isort: skip
    ADDRESSES, CLIENTS, NOBODY, OPEN, ORGANISATION, SETTLED_S, alert, asking, check, registered,
    say,
)  # fmt: skip

reg = peer.reg


# Certificate, how it is refused, what is said of it. {}: of the daemon's organisation.
STRANGERS = (
    ("of an authority that nobody knows", "stranger-{}", "UNKNOWN_CA", "unknown authority"),
    ("that vouches for itself", "self-{}", "UNKNOWN_CA", "unknown authority (self-signed)"),
    ("that has expired", "expired-{}", "CERTIFICATE_EXPIRED", "expired"),
    ("that is not valid yet", "future-{}", "BAD_CERTIFICATE", "not valid yet"),
    ("that was revoked", "revoked-{}", "CERTIFICATE_REVOKED", "revoked"),
    ("for servers alone", "purpose-{}", "UNSUPPORTED_CERTIFICATE", "not made for this end"),
)


def strangers(world):
    for host, to in ("ss2", "ps"), ("sc2", "pc"):
        daemon, org = world.daemon[to], ORGANISATION[to]
        for what, name, reason, cause in STRANGERS:
            world.kept_out(
                "a certificate " + what, daemon,
                lambda: say(world.connect(host, to, name.format(org)), peer.secret_request()),
                alert(reason), b"", "certificate of",
            )  # fmt: skip
            line = daemon.lines()
            if line and cause not in line[0]:
                check("and why", ["%s is not in %s" % (cause, line)])
        world.kept_out(
            "no certificate", daemon,
            lambda: say(world.connect(host, to, None), peer.secret_request()),
            "alert TLSV13_ALERT_CERTIFICATE_REQUIRED", b"", "no certificate",
        )  # fmt: skip
    strangers_at_ps(world)
    world.check_agents()


def strangers_at_ps(world):
    ps = world.daemon["ps"]
    ask = peer.secret_request()
    offer = peer.setup_request(0, peer.OFFER, CLIENTS)
    world.kept_out(
        "TLS 1.2", ps,
        lambda: world.connect("ss2", "ps", "ss2", newest=peer.ssl.TLSVersion.TLSv1_2),
        "alert TLSV1_ALERT_PROTOCOL_VERSION", b"", "TLS: unsupported protocol",
    )  # fmt: skip
    world.kept_out(
        "a certificate of ours for the other organisation's secondary", ps,
        lambda: say(world.connect("sc2", "ps", "claims-ss1"), ask),
        peer.CLOSED, b"", "no peer that connects to us has the certificate's name",
    )  # fmt: skip
    world.kept_out(
        "the other organisation's secondary", ps,
        lambda: say(world.connect("sc2", "ps", "sc2"), offer),
        peer.CLOSED, b"", "no peer that connects to us has the certificate's name",
    )  # fmt: skip
    world.kept_out(
        "a secondary that has the peer's name", ps,
        lambda: say(world.connect("ss2", "ps", "poses"), offer),
        peer.CLOSED, b"", "it sent a message that is not for a primary",
    )  # fmt: skip
    world.kept_out(
        "a secondary that is on no list", ps,
        lambda: say(world.connect("ss2", "ps", "unlisted"), ask),
        peer.CLOSED, peer.refusal(reg.SECRET), NOBODY + ", which is on no list of ours or revoked",
    )  # fmt: skip
    world.kept_out(
        "a message of another version", ps,
        lambda: say(world.connect("ss2", "ps", "ss2"), b"\x02" + ask[1:]),
        peer.CLOSED, b"", "sent what is no message of this version",
    )  # fmt: skip
    world.kept_out(
        "a message that is too long", ps,
        lambda: say(world.connect("ss2", "ps", "ss2"), ask[:4] + b"\xff" * 4),
        peer.CLOSED, b"", "or longer than one may be",
    )  # fmt: skip


# Who is somebody, and asks for more.


def secondaries(world):
    world.collect()
    own, other = ADDRESSES["sc2"], ADDRESSES["sc1"]
    server = ADDRESSES["ss1"]
    agent = registered(world, "sc2")
    pair, epoch = agent.pair, agent.epoch.epoch
    agent.link.close()
    polls = (
        ("a POLL as another secondary", other, server),
        ("a POLL for a server that is on no list", own, NOBODY),
        ("a POLL for another client", own, other),
        ("a POLL for itself", own, own),
    )
    for what, mine, theirs in polls:
        request = pair, epoch, mine, theirs
        world.kept_out(
            what, world.daemon["pc"],
            lambda: asking(world, "sc2", peer.poll_request(*request)),
            OPEN, peer.poll_refusal(*request), "its POLL is refused", asker="sc2",
        )  # fmt: skip
    others = ("a pair that is none", pair + 7, epoch), ("a secret to come", pair, epoch + 1)
    for what, number, when in others:
        request = number, when, own, server
        world.kept_out(
            "a POLL for " + what, world.daemon["pc"],
            lambda: asking(world, "sc2", peer.poll_request(*request)),
            OPEN, peer.poll_refusal(*request), "its POLL is refused", asker="sc2",
        )  # fmt: skip
    at_server(world)
    revoked_while_connected(world)
    world.check_agents()
    revoked_by_administrator(world)


def at_server(world):
    ps = world.daemon["ps"]
    agent = registered(world, "ss2")
    pair, epoch = agent.pair, agent.epoch.epoch
    agent.link.close()
    request = pair, epoch, ADDRESSES["ss2"], ADDRESSES["sc1"]
    world.kept_out(
        "a POLL of the side that does not poll", ps,
        lambda: asking(world, "ss2", peer.poll_request(*request)),
        OPEN, peer.poll_refusal(*request), "its POLL is refused", "ss2",
    )  # fmt: skip
    block = pair, epoch, ADDRESSES["ss1"]
    world.kept_out(
        "a BLOCK as another secondary", ps,
        lambda: asking(world, "ss2", peer.block_request(*block)),
        OPEN, peer.block_refusal(*block), "its BLOCK is refused", "ss2",
    )  # fmt: skip
    kem = peer.kem_request(bytes(32), bytes(32))
    world.kept_out(
        "a KEM of a secondary", ps,
        lambda: asking(world, "ss2", kem),
        peer.CLOSED, b"", "it sent a message that is not for a primary", "ss2",
    )  # fmt: skip
    known = peer.message(reg.SECRET, reg.REQUEST, b"\xff\xff\0\0" + bytes(36))
    world.kept_out(
        "a SECRET that is shorter than it says", ps,
        lambda: asking(world, "ss2", known),
        peer.CLOSED, b"", "its SECRET is malformed", "ss2",
    )  # fmt: skip
    # Nobody else's is in what it is given anyway.
    agent = world.agent("ss2")
    found = world.revealed(agent.link.heard)
    agent.link.close()
    check("ps: a secondary is given its own alone", [] if found == ["ss2's"] else [repr(found)])


def pki(world, *command):
    here = os.path.dirname(os.path.abspath(__file__))
    subprocess.run(
        ["bash", "-c", '. "$0"; "$@"', os.path.join(here, "../net/pki.sh"), *command], check=True
    )


def revoked_while_connected(world):
    """Its certificate, in a list that is read anew."""
    ps = world.daemon["ps"]

    def attempt():
        agent = world.agent("ss1", "ss1-second")
        agent.link.forget()
        pki(world, "pki_revoke", world.directory, "ca-a", "ss1-second")
        pki(world, "pki_crl", world.directory, "ca-a")
        ps.reload()
        return agent.link

    world.kept_out(
        "a certificate that is revoked while it is connected", ps, attempt,
        peer.CLOSED, b"", "its certificate has expired or was revoked", "ss1",
    )  # fmt: skip


def revoked_by_administrator(world):
    """Nothing more for it, and of what it had no use: another secret is negotiated."""
    pc, agent = world.daemon["pc"], registered(world, "sc2")
    before = registered(world, "sc1")
    before.link.close()
    pc.mark()
    pc.pdmctl("revoke", ADDRESSES["sc2"])
    how = agent.link.wait_end()
    problems = [] if how == peer.CLOSED else ["it ended %s" % how]
    if agent.link.heard != peer.refusal(reg.SECRET):
        problems.append("%s came" % agent.link.heard.hex())
    time.sleep(SETTLED_S)
    told = [line for line in pc.lines() if agent.link.name in line]
    if len(told) != 1 or "refused" not in told[0]:
        problems.append("pc logged %s" % told)
    agent.link.close()
    check("pc: a secondary that its administrator revokes", problems)
    world.kept_out(
        "and when it comes again", pc,
        lambda: say(world.connect("sc2", "pc", "sc2"), peer.secret_request()),
        peer.CLOSED, peer.refusal(reg.SECRET), "on no list of ours or revoked",
    )  # fmt: skip
    after = registered(world, "sc1")
    after.link.close()
    old, new = before.epoch.epoch, after.epoch.epoch
    check("pc: the others have another secret then", [] if new > old else ["still %d" % old])


if __name__ == "__main__":
    kept_out.run({"strangers": strangers, "secondaries": secondaries})
