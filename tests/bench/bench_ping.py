# SPDX-License-Identifier: BSD-2-Clause
"""The figures of make bench for pdmping, and what each should be:

    pdmping_flood_vs_ping              at least 0.8, of packets per second: echoes to a kernel, as
                                       fast as they are answered, beside ping -f of iputils
    pdmping_flood_with_option_vs_ping  no floor: the same where each echo has an option (PDMv2 in
                                       the clear), which ping's have not

Usage: bench_ping.py BUILD WORK, where WORK/NAME/sock are the agents that tests/bench.sh started.
"""

import json
import os
import re
import subprocess

from slices import BUILD, WORK, figure, median_ratio

FAR_ADDR = "2001:db8:2::2"
COUNT = 40_000
PAIRS = 15


def rate(args, env=None):
    """Packets per second, as the program itself counts and times them."""
    text = subprocess.run([*args, "-f", "-q", "-c", str(COUNT), FAR_ADDR], env=env,
                          capture_output=True, text=True, check=True).stdout
    counts = re.search(r"(\d+) packets transmitted, (\d+) received, .*time (\d+)ms", text)
    sent, received, ms = (int(n) for n in counts.groups())
    if sent != COUNT or received < COUNT * 0.99:
        raise SystemExit(f"bench: echoes got lost: {counts.group(0)}")
    return received * 1000 / ms


def options_sent(ours, env):
    text = subprocess.run([*ours, "--json", "-q", "-f", "-c", "1000", FAR_ADDR], env=env,
                          capture_output=True, text=True, check=True).stdout
    return json.loads(text.splitlines()[-1])["options"]["sent"]


def flood(name, settings, with_option):
    env = {**os.environ, **settings}
    ours = [f"{BUILD}/pdmping", "--icmp"]
    if (options_sent(ours, env) > 900) != with_option:
        raise SystemExit("bench: echoes have an option, or have none, against expectation")
    figure(name, median_ratio(lambda: rate(ours, env), lambda: rate(["ping", "-6"]), PAIRS), "ratio")


flood("pdmping_flood_vs_ping", {"PDMV2_AGENT": f"{WORK}/other/sock"}, False)
flood("pdmping_flood_with_option_vs_ping", {"PDMV2_MODE": "plain"}, True)
