# SPDX-License-Identifier: BSD-2-Clause
"""What a server's agent does about a peer whose options no key opens; run by test_hostile.sh.

    undecryptable.py --setting log|throttle|filter --port PORT --pdmctl FILE
                     --client-agent SOCKET --server-agent SOCKET CLIENT SERVER

The server's association has `undecryptable` SETTING. Options are forged in the name of flows that
begin and end, so that each would be searched for at once; how often its agent was asked tells
whether they are. The same peer is honest, too. One line per check; exits 1 if one failed.
"""
import argparse
import json
import os
import sys
import time

import hostile
from hostile import Line, Lost, World, check, header, same

FLOWS = 20
FORGED = 5  # options in the name of each
HONEST = 20
PAUSE_S = 0.02
KNOWN_S = 5.0  # within which a flow is open, on a busy machine too
SETTLED_S = 20.0  # and a search is over
SETTLE_PAUSE_S = 0.3
THROTTLE_S = 10.0


class Peer:
    def __init__(self, args):
        self.args, self.world = args, World(args)

    def searches(self):
        lines = self.world.run(self.args.pdmctl, "-j", "-s", self.args.server_agent, "status")
        return json.loads(lines.splitlines()[0])["searches"]

    def line(self):
        """A new flow that the server's agent knows."""
        line, end = Line(self.args, self.args.port), time.monotonic() + KNOWN_S
        while True:
            line.honest()
            try:
                self.world.server(line)
                return line
            except Lost:
                if time.monotonic() > end:
                    raise
            time.sleep(PAUSE_S)

    def honest(self, line):
        for _ in range(HONEST):
            line.honest()
            time.sleep(PAUSE_S)
        return self.world.server(line)

    def forge(self):
        """In the name of a new flow; how many of the options were counted as such."""
        line = self.line()
        for _ in range(FORGED):
            option = hostile.pdm.clear_part(hostile.pdm.LEN_ENCRYPTED, 1, 0) + os.urandom(30)
            line.hostile(header([option]))
        line.drain()
        return self.world.server(line)["auth_failures"]

    def asked(self, flows):
        """Forges in as many flows: searches, and options that were counted."""
        before = self.searches()
        counted = sum(self.forge() for _ in range(flows))
        return self.searches() - before, counted

    def settle(self):
        """Until a search has failed, and nothing more is asked for."""
        end = time.monotonic() + SETTLED_S
        while time.monotonic() < end:
            if self.asked(1)[0] == 0:
                return True
            time.sleep(SETTLE_PAUSE_S)
        return False


def all_counted(name, counted):
    """On a busy machine an honest option may come before its key was found, and counts, too."""
    check("%s: and counted" % name, counted >= FLOWS * FORGED, counted)


def unhindered(peer, name):
    asked, counted = peer.asked(FLOWS)
    check("%s: forged in %d flows, searched for" % (name, FLOWS), asked >= FLOWS, asked)
    all_counted(name, counted)


def hindered(peer, name):
    check("%s: one search, and then none" % name, peer.settle())
    began = time.monotonic()
    asked, counted = peer.asked(FLOWS)
    same("%s: forged in %d flows, searched for" % (name, FLOWS), asked, 0)
    all_counted(name, counted)
    return began


def honest_goes_on(peer, name, line, before):
    after = peer.honest(line)
    taken = after["options_received"] - before["options_received"]
    same("%s: honest options of a flow from before" % name, taken, HONEST)
    new = peer.honest(peer.line())
    check("%s: of a new flow" % name, new["options_received"] > HONEST / 2, new["options_received"])
    same("%s: of these, refused" % name, new["auth_failures"] + after["auth_failures"], 0)


def main():
    parser = argparse.ArgumentParser()
    for name in "setting", "pdmctl", "client-agent", "server-agent":
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("client")
    parser.add_argument("server")
    args = parser.parse_args()
    peer, name = Peer(args), "undecryptable = %s" % args.setting

    line = peer.line()
    before = peer.honest(line)
    if args.setting == "log":
        unhindered(peer, name)
    else:
        began = hindered(peer, name)
    honest_goes_on(peer, name, line, before)
    if args.setting == "throttle":
        time.sleep(max(0.0, began + THROTTLE_S - time.monotonic()))
        check("%s: after a while, searched for again" % name, peer.asked(1)[0] > 0)
    return 1 if hostile.failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Lost as error:
        check("run", False, error)
        sys.exit(1)
