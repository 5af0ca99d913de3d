# SPDX-License-Identifier: BSD-2-Clause
"""make bench: packets per second of pdmctl decode against tshark printing the RFC 8250 fields of the
same file, in turns.

Usage: decode.py BUILD WORK
"""

import subprocess
import sys
import time

from slices import BUILD, WORK, figure, median_ratio

PACKETS = 200_000
PAIRS = 5
FIELDS = ("scale_dtlr", "scale_dtls", "psn_this_pkt", "psn_last_recv", "delta_last_recv",
          "delta_last_sent")
CAPTURE = f"{WORK}/exchanges.pcap"

DECODE = [f"{BUILD}/pdmctl", "decode"]
TSHARK = ["tshark", "-n", "-r", CAPTURE, "-T", "fields",
          *(word for field in FIELDS for word in ("-e", f"ipv6.opt.pdm.{field}"))]


def make(path, packets):
    subprocess.run([sys.executable, "-B", "tests/e2e/decode_captures.py", "exchanges", path, str(packets)],
                   check=True)


def seconds(command):
    began = time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.monotonic() - began


make(CAPTURE, PACKETS)
figure("decode_vs_tshark", median_ratio(lambda: seconds(TSHARK), lambda: seconds([*DECODE, CAPTURE]), PAIRS),
       "ratio")
