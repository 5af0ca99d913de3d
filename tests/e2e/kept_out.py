# SPDX-License-Identifier: BSD-2-Clause
"""What those have in common who try to be where they are kept out; see test_kept_out.sh.

    PROGRAM PHASE --dir DIRECTORY --namespaces PREFIX --bin DIRECTORY --pids HOST=PID,...

DIRECTORY is that of the organisations' hosts and certificates. For each attempt: how the connection
ended, every octet that came, one line in the daemon's log that names the cause and the asker, a
store that is what it was, and no secret in what came. One line per check; exits 1 if one failed.
"""
import argparse
import glob
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

import registration_peer as peer

reg = peer.reg
ADDRESSES = {
    "pc": "2001:db8:b::1", "sc1": "2001:db8:b::11", "sc2": "2001:db8:b::12",
    "ps": "2001:db8:a::1", "ss1": "2001:db8:a::21", "ss2": "2001:db8:a::22",
}  # fmt: skip
ORGANISATION = {"pc": "b", "sc1": "b", "sc2": "b", "ps": "a", "ss1": "a", "ss2": "a"}
SECONDARIES = ("sc1", "sc2", "ss1", "ss2")
NOBODY = "2001:db8:a::99"
CLIENTS = [peer.entry(ADDRESSES["sc1"]), peer.entry(ADDRESSES["sc2"])]
SERVERS = [peer.entry(ADDRESSES["ss1"], 1), peer.entry(ADDRESSES["ss2"], 1)]
LOG_S, SETTLED_S, QUIET_S = 3.0, 0.15, 0.2
GRACE_S = 2  # of ps, by test_kept_out.sh
OPEN = peer.SILENT  # the connection stays
# What a daemon tells of connections whatever comes of them.
USUAL = re.compile(
    r"connected with |connection lost: (closed|%s)$| registers$|: in agreement with "
    r"|: negotiation \d+ (done: |is in force)|: reloaded$|: serving( \d+ associations)?$"
    r"|pdmprimary: ends$"
)
# What is in a primary's store and in force: not when somebody was seen, what was begun and not
# confirmed, and generations granted to the asker.
STORE = (
    "SELECT pair, name, side, list_version FROM pdmv2_pairs ORDER BY 1",
    "SELECT pair, epoch, state, tag, sealed FROM pdmv2_secrets WHERE state = 1 ORDER BY 1, 2",
    "SELECT pair, side, version FROM pdmv2_lists ORDER BY 1, 2",
    "SELECT pair, side, addr, len, source, grp FROM pdmv2_entries ORDER BY 1, 2, 3, 4, 5",
    "SELECT addr, barred FROM pdmv2_secondaries ORDER BY 1",
    "SELECT pair, epoch, addr, next FROM pdmv2_grants WHERE addr <> ? AND epoch IN"
    " (SELECT epoch FROM pdmv2_secrets WHERE state = 1) ORDER BY 1, 2, 3",
)

failures = 0


def check(what, problems):
    """PROBLEMS: a list of what was wrong."""
    global failures
    failures += bool(problems)
    print("%-4s %s%s" % ("FAIL" if problems else "ok", what, "".join(": " + p for p in problems)))
    sys.stdout.flush()


def in_hex(octets):
    return octets.hex() or "nothing"


class Daemon:
    """A host's, by what it leaves in its directory."""

    def __init__(self, world, host):
        self.world, self.host, self.address = world, host, ADDRESSES[host]
        self.directory = os.path.join(world.directory, host)
        self.pid, self.process = world.pids.get(host), None
        self.at, self.asker, self.kept, self.kept_shown = 0, b"", None, None

    def read_log(self):
        path = os.path.join(self.directory, "log")
        if not os.path.exists(path):
            return ""
        with open(path, encoding="utf-8") as log:
            return log.read()

    def snapshot(self, asker):
        """What is in the store: of a copy, since a primary lets nobody else into it."""
        if self.host not in ("pc", "ps") or not os.path.exists(self.directory + "/store"):
            return None
        with tempfile.TemporaryDirectory() as copy:
            for path in glob.glob(os.path.join(self.directory, "store*")):
                shutil.copy(path, copy)
            store = sqlite3.connect(os.path.join(copy, "store"))
            try:
                return [
                    store.execute(query, [asker] * query.count("?")).fetchall() for query in STORE
                ]
            finally:
                store.close()

    def pdmctl(self, *words):
        """The lines of what it shows; None if no primary runs."""
        done = subprocess.run(
            [os.path.join(self.world.bin, "pdmctl"), "-j", "-s", self.directory + "/primary.sock",
             "primary", *words], capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            return None
        return [json.loads(line) for line in done.stdout.splitlines()]

    def shown(self):
        """As its administrator sees it, without what passes and what is granted to the asker."""
        pairs, secondaries = self.pdmctl("pairs"), self.pdmctl("secondaries")
        for pair in pairs or ():
            del pair["connected"]
            for name in "age_s", "left_s", "previous_left_s":
                (pair["secret"] or {}).pop(name, None)
        for secondary in secondaries or ():
            del secondary["seen_s"], secondary["generations"]
        return None if None in (pairs, secondaries) else pairs + secondaries

    def mark(self, asker=b""):
        """ASKER: the address of a secondary that may register."""
        self.asker, self.at = asker, len(self.read_log())
        self.kept, self.kept_shown = self.snapshot(asker), self.shown()

    def lines(self):
        """That were written since the mark, and are not usual."""
        return [line for line in self.read_log()[self.at :].splitlines() if not USUAL.search(line)]

    def judge_log(self, cause, askers):
        """What is wrong with them: one is to name the cause, and the asker by one of his names."""
        end = time.monotonic() + LOG_S
        while time.monotonic() < end and not any(cause in line for line in self.lines()):
            time.sleep(0.02)
        time.sleep(SETTLED_S)
        lines = self.lines()
        if len(lines) != 1 or cause not in lines[0] or not any(a in lines[0] for a in askers):
            return ["%s logged %s, not one line with \"%s\"" % (self.host, lines, cause)]
        return []

    def judge_store(self):
        """What is another than it was, in its store or to its administrator."""
        changed = list(zip(self.kept or (), self.snapshot(self.asker) or ()))
        if self.kept_shown is not None:
            changed.append((self.kept_shown, self.shown()))
        return ["at %s %s became %s" % (self.host, before, after)
                for before, after in changed if before != after]  # fmt: skip

    def start(self):
        program = "pdmprimary" if self.host in ("pc", "ps") else "pdmkeyagent"
        self.mark()
        with open(os.path.join(self.directory, "log"), "ab") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.world.namespace(self.host),
                 os.path.join(self.world.bin, program), "-c", self.directory + "/conf"],
                stderr=log,
            )  # fmt: skip
        if self.await_line("serving"):
            raise RuntimeError("%s does not start: %s" % (self.host, self.read_log()[self.at :]))

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process = None

    def reload(self):
        os.kill(self.pid, signal.SIGHUP)

    def await_line(self, text, seconds=peer.ANSWER_S):
        """Since the mark, usual or not."""
        end = time.monotonic() + seconds
        while text not in self.read_log()[self.at :]:
            if time.monotonic() > end:
                return ["%s did not log \"%s\"" % (self.host, text)]
            time.sleep(0.02)
        return []


class World:
    def __init__(self, options):
        self.directory, self.prefix, self.bin = options.dir, options.namespaces, options.bin
        items = (item.partition("=") for item in options.pids.split(",") if item)
        self.pids = {host: int(pid) for host, _, pid in items}
        self.secrets = {}
        self.daemon = {host: Daemon(self, host) for host in ADDRESSES}
        for host in self.pids:
            self.daemon[host].mark()
        self.random = random.Random(options.phase)

    def namespace(self, host):
        return self.prefix + host

    def certificate(self, name):
        return os.path.join(self.directory, name)

    def connect(self, host, to, certificate, **tls):
        """CERTIFICATE: a name; None: none."""
        path = self.certificate(certificate) if certificate else None
        return peer.connect(self.namespace(host), ADDRESSES[to], path, **tls)

    def agent(self, host, certificate=None):
        primary = "p" + host[1]
        return peer.Agent(self.connect(host, primary, certificate or host))

    def collect(self):
        """The secrets that secondaries are entitled to, from their primaries."""
        held = {}
        for host in SECONDARIES:
            held[host] = self.agent(host)
            for pair in held[host].pairs:
                for epoch in pair.epochs:
                    for grant in epoch.grants:
                        self.secrets["%s's" % host] = grant.secret
        for client in "sc1", "sc2":
            for server in "ss1", "ss2":
                secret = held[client].poll(ADDRESSES[client], ADDRESSES[server])
                self.secrets["that of %s and %s" % (client, server)] = secret
        for agent in held.values():
            agent.link.close()

    def check_agents(self):
        """Those that have run all the while."""
        told = ["%s logged %s" % (host, line) for host in SECONDARIES if host in self.pids
                for line in self.daemon[host].lines()]  # fmt: skip
        check("the agents of the secondaries notice nothing of it", told)

    def revealed(self, octets):
        """Which secrets are in OCTETS."""
        return [name for name, secret in self.secrets.items() if secret in octets]

    def kept_out(self, what, daemon, attempt, ended, heard, cause, asker=None):
        """ATTEMPT() makes a Link and asks what it should not; HEARD: all that may have come.
        ASKER: a secondary that may register."""
        daemon.mark(reg.packed(ADDRESSES[asker]) if asker else b"")
        what = "%s: %s" % (daemon.host, what)
        try:
            link = attempt()
        except reg.RegistrationError as error:
            check(what, [str(error)])
            return
        how = link.wait_end(QUIET_S if ended == OPEN else peer.ANSWER_S)
        problems = [] if how == ended else ["it ended %s, not %s" % (how, ended)]
        if link.heard != heard:
            problems.append("%s came, not %s" % (in_hex(link.heard), in_hex(heard)))
        problems += ["%s secret was revealed" % name for name in self.revealed(link.heard)]
        link.close()
        problems += daemon.judge_log(cause, (link.name, "peer b ")) + daemon.judge_store()
        check(what, problems)


def alert(name):
    kind = "TLSV1" if name == "UNKNOWN_CA" else "SSLV3"
    return "alert %s_ALERT_%s" % (kind, name)


def say(link, octets):
    """Whatever is to be tried, if the handshake left it a chance."""
    link.send(octets)
    return link


def registered(world, host):
    agent = world.agent(host)
    agent.link.forget()
    return agent


def asking(world, host, request):
    """A link that has registered, and then asked."""
    return say(registered(world, host).link, request)


def run(phases):
    """One of the PHASES, as the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("phase", choices=sorted(phases))
    for name in "dir", "namespaces", "bin", "pids":
        parser.add_argument("--" + name, required=True)
    options = parser.parse_args()
    world = World(options)
    try:
        phases[options.phase](world)
    finally:
        for daemon in world.daemon.values():
            if daemon.process:
                daemon.stop()
    sys.exit(failures > 0)
