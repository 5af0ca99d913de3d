# SPDX-License-Identifier: BSD-2-Clause
"""The figure of make bench for pdmperf: at least 0.9.

    pdmperf_vs_curl    requests a second, against curl's of as many URLs; both over one connection
                       that is kept, pdmperf's with encrypted options

Usage: bench_perf.py BUILD WORK FAR, as bench_tcp.py.
"""

import json
import os
import subprocess
import time

from far import FAR_ADDR, make_page, start_nginx
from slices import BUILD, WORK, figure, median_ratio

PAIRS = 21
REQUESTS = 3000
PORT = 9007
URL = f"http://[{FAR_ADDR}]:{PORT}/page"
AGENT = {"PDMV2_AGENT": f"{WORK}/web/sock"}


def took(args, **more):
    began = time.monotonic()
    output = subprocess.run(args, env={**os.environ, **more}, check=True, stdout=subprocess.PIPE).stdout
    return time.monotonic() - began, output


def pdmperf():
    seconds, output = took([f"{BUILD}/pdmperf", "-q", "-n", str(REQUESTS), URL], **AGENT)
    if f"{REQUESTS} requests answered, 1 connection,".encode() not in output:
        raise SystemExit(f"bench: {output}")
    return seconds


def curl():
    return took(["curl", "-s", "-o", "/dev/null", f"{URL}?[1-{REQUESTS}]"])[0]


def must_measure():
    """What runs without options would be measured in vain."""
    events = took([f"{BUILD}/pdmperf", "--json", "-n", str(REQUESTS), URL], **AGENT)[1].splitlines()
    if json.loads(events[-1])["network"]["samples"] == 0:
        raise SystemExit("bench: no request was measured")


make_page()
server = start_nginx(PORT, {"LD_PRELOAD": os.path.abspath(f"{BUILD}/libpdmv2.so"), **AGENT})
must_measure()
figure("pdmperf_vs_curl", median_ratio(curl, pdmperf, PAIRS), "ratio")
server.terminate()
server.wait()
