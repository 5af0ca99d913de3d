# SPDX-License-Identifier: BSD-2-Clause
"""Registration in the large: two primaries, of organisation A (servers) and B (clients), and many clients.

Usage: scale.py BUILD WORK PART..., as root in a network namespace with nothing in it. WORK is on a disk,
since what a registration waits for is the disk. One line a figure, `name value unit`. PART is one of
    rate       registrations against the handshakes of openssl s_server, the two in turns
    agents=N   N simulated agents connected at once, and a change of the list told to all of them
    list=N     a list of N prefixes, and a change of it on its way into a real agent's policy
"""

import json
import os
import re
import secrets
import statistics
import subprocess
import sys
import time
from operator import truediv

BUILD, WORK = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
PORT, FLOOR_PORT = 8250, 8251
A, B = "2001:db8:a::1", "2001:db8:b::1"
AGENT = "2001:db8:b::2"
CLIENTS = "2001:db8:b:1::"  # the simulated agents' /64
AT_ONCE = 64  # connections that are not up yet
SLICE, ROUNDS = 500, 9
GROUP = "1"  # of the servers
NEW_SERVER = "2001:db8:a:ffff::"  # with a number behind it: what is added to the list
SERVER_CPU, CLIENT_CPU = "0", str(os.cpu_count() - 1)


def figure(name, value, unit):
    print(f"{name} {value:.3f} {unit}" if isinstance(value, float) else f"{name} {value} {unit}", flush=True)


def run(*args):
    return subprocess.run(args, check=True, stdout=subprocess.PIPE, text=True).stdout


def wait_for(what, happened, seconds=60.0):
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            sys.exit(f"scale: {what}: not within {seconds:.0f} s")
        time.sleep(0.01)


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"^VmRSS:\s+(\d+)", f.read(), re.M).group(1))


def processor_s(pid):
    """Of the process's first thread, which is all that these servers have."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as f:
        return int(f.read().split()[0]) / 1e9


def write(path, text):
    with open(path, "w", encoding="ascii", opener=lambda p, flags: os.open(p, flags, 0o600)) as f:
        f.write(text)


class Talker:
    """A program that answers lines with lines."""

    def __init__(self, *args, **popen):
        self.process = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **popen)

    def begin(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def answer(self):
        line = self.process.stdout.readline()
        if line == "":
            sys.exit(f"scale: {self.process.args[0]} ended")
        return line.split()

    def ask(self, line):
        self.begin(line)
        return self.answer()

    def end(self):
        self.process.stdin.close()
        self.process.wait()


class Daemon:
    def __init__(self, program, home, *prefix):
        self.home = home
        self.log = open(f"{home}/log", "ab")
        self.process = subprocess.Popen([*prefix, f"{BUILD}/{program}", "-c", f"{home}/conf"], stderr=self.log)
        self.pid = self.process.pid
        wait_for(f"{program} in {home}", lambda: self.process.poll() is not None or os.path.exists(f"{home}/sock"))
        if self.process.poll() is not None:
            sys.exit(f"scale: {program} in {home} ended; see its log")

    def end(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


class Primary(Daemon):
    def __init__(self, home, *prefix):
        super().__init__("pdmprimary", home, *prefix)

    def ctl(self, *args):
        return run(f"{BUILD}/pdmctl", "primary", *args, "-s", f"{self.home}/sock")

    def status(self):
        return json.loads(self.ctl("status", "--json"))

    def pair(self):
        """That with the other organisation, the only one."""
        return json.loads(self.ctl("pairs", "--json"))


class Organisations:
    """Both primaries, agreed on a secret; the servers of A are those of the file LIST, or one."""

    def __init__(self, name, servers=None):
        self.home = f"{WORK}/{name}"
        os.mkdir(self.home)
        self.authorities()
        peer = "\n".join(("mode = trusted-servers", "side = server"))
        members = f"list = {servers}" if servers else "members = 2001:db8:a:1::/64"
        self.configure("a", A, f"[servers all]\ngroup = {GROUP}\n{members}", "b", peer)
        self.configure("b", B, "[clients]\nmembers = 2001:db8:b::/48", "a", f"side = client\nconnect = [{A}]:{PORT}")
        self.a = Primary(f"{self.home}/a")
        self.b = Primary(f"{self.home}/b", "taskset", "-c", SERVER_CPU)
        wait_for("a secret of the two primaries", lambda: self.b.pair()["secret"] is not None)

    def authorities(self):
        script = '. tests/net/pki.sh; for o in a b; do pki_ca "$1" "ca-$o" && pki_leaf "$1" "ca-$o" "$o" ' \
                 '"DNS:primary.$o.example" || exit 1; done; pki_leaf "$1" ca-b agent "IP:$2"'
        run("bash", "-c", script, "bash", self.home, AGENT)

    def configure(self, name, addr, members, peer, more):
        home = f"{self.home}/{name}"
        os.mkdir(home, 0o700)
        write(f"{home}/store.key", secrets.token_hex(32))
        write(f"{home}/conf", f"""[primary]
listen = [{addr}]:{PORT}
certificate = ../{name}.pem
certificate_key = ../{name}.key
ca = ../ca-{name}.pem
store = store
store_key = store.key
socket = sock
{members}
[peer {peer}]
certificate_name = primary.{peer}.example
ca = ../ca-{peer}.pem
addresses = 2001:db8:{peer}::/48
{more}
""")

    def agents(self, mode, count, at_once, port=PORT, **popen):
        return Talker(f"{BUILD}/tests/bench/registrations", mode, str(count), str(at_once), CLIENTS,
                      f"{self.home}/ca-b", B, str(port), **popen)

    def real_agent(self):
        home = f"{self.home}/agent"
        os.mkdir(home, 0o700)
        os.mkdir(f"{home}/state")
        write(f"{home}/conf", f"""[agent]
socket = sock
state = state
[association b]
mode = enrolled
primary = [{B}]:{PORT}
primary_name = primary.b.example
certificate = ../agent.pem
certificate_key = ../agent.key
ca = ../ca-b.pem
path = trust
""")
        return Daemon("pdmkeyagent", home)

    def end(self):
        self.b.end()
        self.a.end()


def on(cpu):
    return lambda: os.sched_setaffinity(0, {int(cpu)})


def s_server(home):
    """One connection after the other, each with a certificate that it verifies; no tickets, no output."""
    process = subprocess.Popen(
        ["taskset", "-c", SERVER_CPU, "openssl", "s_server", "-accept", f"[{B}]:{FLOOR_PORT}", "-quiet", "-tls1_3",
         "-cert", f"{home}/b.pem", "-key", f"{home}/b.key", "-CAfile", f"{home}/ca-b.pem", "-Verify", "2",
         "-verify_return_error", "-num_tickets", "0"],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for("openssl s_server", lambda: f":{FLOOR_PORT}" in run("ss", "-Htln"))
    return process


def rate():
    """Server and clients each have a processor. s_server takes one connection after the other, so that more of
    them at once only wait; what is quicker counts."""
    orgs = Organisations("rate")
    floor_server = s_server(orgs.home)
    servers = (orgs.b.pid, floor_server.pid)

    def talkers(mode, *port):
        return [orgs.agents(mode, SLICE, n, *port, preexec_fn=on(CLIENT_CPU)) for n in (AT_ONCE, 1)]

    ours, floor = talkers("registrations"), talkers("handshakes", FLOOR_PORT)
    for talker in (*ours, *floor):
        talker.ask(SLICE // 10)
    rows, before = [], [processor_s(pid) for pid in servers]
    for _ in range(ROUNDS):
        rows.append([SLICE / float(talker.ask(SLICE)[0]) for talker in (*ours, *floor)])
    spent = [processor_s(pid) - s for pid, s in zip(servers, before)]
    many, one, handshakes = ([row[0] for row in rows], [row[1] for row in rows], [max(row[2:]) for row in rows])
    figure("registrations_per_s", statistics.median(many), "1/s")
    figure("tls_handshakes_per_s", statistics.median(handshakes), "1/s")
    figure("registrations_vs_tls_handshakes", statistics.median(map(truediv, many, handshakes)), "ratio")
    figure("registrations_one_by_one_vs_tls_handshakes", statistics.median(map(truediv, one, handshakes)), "ratio")
    figure("registration_processor_vs_tls_handshake", spent[0] / spent[1], "ratio")
    for talker in (*ours, *floor):
        talker.end()
    floor_server.kill()
    floor_server.wait()
    orgs.end()


def agents(count):
    orgs = Organisations("agents")
    held = orgs.agents("hold", count, min(count, AT_ONCE))
    before = resident_kib(orgs.b.pid)
    took = float(held.ask("connect")[0])
    figure("agents_connected", orgs.b.status()["secondaries"], "agents")
    figure("agents_connect_s", took, "s")
    figure("memory_per_secondary_kib", (resident_kib(orgs.b.pid) - before) / count, "KiB")
    octets = int(held.ask("count")[1])
    held.ask("expect")
    began = time.monotonic()
    orgs.a.ctl("add", "server", f"{NEW_SERVER}1", GROUP)
    figure("agents_told_s", float(held.answer()[0]) - began, "s")
    figure("agents_told_octets", (int(held.ask("count")[1]) - octets) / count, "octets")
    figure("agents_still_connected", orgs.b.status()["secondaries"], "agents")
    held.end()
    orgs.end()


def received(pid, peer):
    """Octets of the connection that PID made to PEER."""
    for line in run("ss", "-HOtinp", "state", "established", f"dst [{peer}]:{PORT}").splitlines():
        if f"pid={pid}," in line:
            return int(re.search(r"bytes_received:(\d+)", line).group(1))
    sys.exit(f"scale: no connection to {peer}")


def prefixes(count):
    """Of /80, in A's addresses."""
    path = f"{WORK}/prefixes"
    with open(path, "w", encoding="ascii") as f:
        for i in range(count):
            f.write(f"2001:db8:a:{i >> 12:x}:{i & 0xfff:x}::/80\n")
    return path


def policy_of(count):
    began = time.monotonic()
    orgs = Organisations("list", prefixes(count))
    wait_for("the list at the other primary", lambda: orgs.b.pair()["entries"] == count, 300)
    figure("list_exchange_s", time.monotonic() - began, "s")
    began = time.monotonic()
    agent = orgs.real_agent()
    watcher = Talker(f"{BUILD}/tests/bench/named", f"{agent.home}/sock")
    last = count - 1
    watcher.ask(f"2001:db8:a:{last >> 12:x}:{last & 0xfff:x}::1")
    named_at, entries = watcher.answer()
    figure("list_enrolled_s", float(named_at) - began, "s")
    links = ((agent.pid, B), (orgs.b.pid, A))
    took, octets = [], [[], []]
    for i in range(ROUNDS):
        before = [received(*link) for link in links]
        watcher.ask(f"{NEW_SERVER}{i + 1:x}")
        began = time.monotonic()
        orgs.a.ctl("add", "server", f"{NEW_SERVER}{i + 1:x}", GROUP)
        named_at, entries = watcher.answer()
        took.append(float(named_at) - began)
        for row, link, octets_before in zip(octets, links, before):
            row.append(received(*link) - octets_before)
    figure("list_entries", int(entries), "entries")
    figure("list_change_ms", statistics.median(took) * 1000, "ms")
    figure("list_change_octets_to_agent", statistics.median(octets[0]), "octets")
    figure("list_change_octets_to_primary", statistics.median(octets[1]), "octets")
    for name, daemon in (("primary", orgs.b), ("agent", agent)):
        figure(f"list_{name}_octets_per_entry", resident_kib(daemon.pid) * 1024 / count, "octets")
    watcher.end()
    agent.end()
    orgs.end()


PARTS = {"rate": rate, "agents": agents, "list": policy_of}


def main():
    run("ip", "link", "set", "lo", "up")
    for addr in (A, B, AGENT):
        run("ip", "addr", "add", f"{addr}/128", "dev", "lo", "nodad")
    run("ip", "-6", "route", "add", "local", f"{CLIENTS}/64", "dev", "lo")
    for part in sys.argv[3:]:
        name, _, number = part.partition("=")
        PARTS[name](*([int(number)] if number else []))


main()
