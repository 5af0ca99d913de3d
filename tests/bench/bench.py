# SPDX-License-Identifier: BSD-2-Clause
"""The figures of make bench that need two programs in turns, or valgrind.

Usage: bench.py BUILD WORK, where WORK/NAME/sock are the agents that tests/bench.sh started.
"""

import os
import re
import socket
import subprocess
import tempfile
import time

from slices import BUILD, WORK, Slices, agent_env, figure, median_ratio, shim_env

ROUNDS = 2000


def against_floor(name, env, header_len):
    ours = Slices([f"{BUILD}/tests/bench/volley", "bare"], env)
    floor = Slices([f"{BUILD}/tests/bench/volley", str(header_len)])
    for program in (ours, floor):
        program.run(ROUNDS)
    figure(name, median_ratio(lambda: ours.run(ROUNDS)[0], lambda: floor.run(ROUNDS)[0]), "ratio")
    ours.end()
    floor.end()


def callgrind(args, env, **popen):
    """Starts args under callgrind; returns the process and where its profile will be."""
    out = tempfile.NamedTemporaryFile(dir=WORK, suffix=".callgrind").name
    command = ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}", *args]
    return subprocess.Popen(command, env=env, **popen), out


def instructions(profile):
    with open(profile, encoding="ascii", errors="replace") as f:
        return int(re.search(r"^(?:totals|summary): (\d+)", f.read(), re.M).group(1))


def instructions_of(profile, function):
    """Of one call of the shim's function, callees included."""
    text = subprocess.run(["callgrind_annotate", "--inclusive=yes", "--threshold=100", "--auto=no", profile],
                          capture_output=True, text=True, check=True).stdout
    total = re.search(rf"^\s*([\d,]+) .*:{function} \[.*libpdmv2", text, re.M).group(1)
    return int(total.replace(",", ""))


def per_packet(env, rounds=(2000, 6000)):
    """Instructions of one send and of one receive in volley: the slope between two lengths of run."""
    counts = []
    for n in rounds:
        process, profile = callgrind([f"{BUILD}/tests/bench/volley", "bare"], env,
                                     stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        process.communicate(f"{n}\n")
        counts.append([instructions_of(profile, f) for f in ("send", "recv")])
    packets = 2 * (rounds[1] - rounds[0])
    return [(b - a) // packets for a, b in zip(*counts)]


UNBOUND = """server:
 interface: ::1
 port: 5353
 do-daemonize: no
 chroot: ""
 username: ""
 directory: "{0}"
 pidfile: ""
 use-syslog: no
 access-control: ::/0 allow
 local-zone: "test." static
 local-data: "a.test. AAAA 2001:db8::2"
remote-control:
 control-enable: no
"""
QUERY = bytes.fromhex("12340100000100000000000001610474657374" "00001c0001")


def ask_unbound(count):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        s.settimeout(0.2)
        s.connect(("::1", 5353))
        answered = 0
        deadline = time.monotonic() + 120
        while answered < count and time.monotonic() < deadline:
            try:
                s.send(QUERY)
                s.recv(512)
                answered += 1
            except OSError:
                time.sleep(0.05)
        if answered < count:
            raise SystemExit("bench: unbound does not answer")


def unbound_instructions(env, count):
    config = f"{WORK}/unbound.conf"
    with open(config, "w", encoding="ascii") as f:
        f.write(UNBOUND.format(WORK))
    process, profile = callgrind(["unbound", "-d", "-c", config], env, stderr=subprocess.DEVNULL)
    try:
        ask_unbound(count)
    finally:
        process.terminate()
        process.wait()
    return instructions(profile)


def idle(counts=(500, 2500)):
    """A whole run of unbound, from its start to its end, and one more query."""
    with_shim, without = ([unbound_instructions(env, n) for n in counts]
                          for env in (agent_env("other"), None))
    figure("udp_idle_vs_none", with_shim[1] / without[1], "ratio")
    figure("udp_idle_per_query_vs_none",
           (with_shim[1] - with_shim[0]) / (without[1] - without[0]), "ratio")


def many_flows():
    program = Slices([f"{BUILD}/tests/bench/many", "2001:db8::1", "2001:db8:1::"], agent_env("many"))
    flows = 50_000 # each a flow at both ends
    program.run("2000 1")
    before = program.run("1 1")[1]
    program.run(f"{2 * flows} {flows}")
    opened = program.run(f"{flows} {flows}")[1]
    chunk = 20_000
    ratio = median_ratio(lambda: program.run(f"{chunk} {flows}")[0], lambda: program.run(f"{chunk} 1")[0])
    status = subprocess.run([f"{BUILD}/pdmctl", "-s", f"{WORK}/many/sock", "status"],
                            capture_output=True, text=True, check=True).stdout
    program.end()
    figure("flows_live", int(re.search(r"flows +(\d+)", status).group(1)), "flows")
    figure("flows_100k_vs_1", ratio, "ratio")
    figure("bytes_per_flow", (opened - before) * 1024 // flows // 2, "octets")


against_floor("udp_encrypted_vs_floor", agent_env("loopback"), 40)
against_floor("udp_plain_vs_floor", shim_env(PDMV2_MODE="plain"), 24)
against_floor("udp_rfc8250_vs_floor", shim_env(PDMV2_MODE="rfc8250"), 16)
idle()
for mode, environment in (("encrypted", agent_env("loopback")),
                          ("plain", shim_env(PDMV2_MODE="plain")),
                          ("idle", agent_env("other"))):
    sent, received = per_packet(environment)
    figure(f"send_{mode}_instructions", sent, "instructions")
    figure(f"receive_{mode}_instructions", received, "instructions")
many_flows()
