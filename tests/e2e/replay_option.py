#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Sends options that were captured on their way to one server to another one.

    replay_option.py CAPTURE SOURCE SERVER COUNT

COUNT of SOURCE's options in CAPTURE, each with a request of its own, from the same address and
port; fails unless each request is answered all the same.
"""
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "witness"))

import capture  # noqa: E402

ECHO_PORT, ANSWER_S, REQUEST = 7, 2, 56
IPV6_DSTOPTS = 59


def main():
    path, source, server, count = sys.argv[1:]
    packets = [p for p in capture.packets(path) if p.src == source and p.dport == ECHO_PORT]
    packets = [p for p in packets if p.dstopts][: int(count)]
    if len(packets) < int(count):
        sys.exit("replay_option: only %d options of %s" % (len(packets), source))
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.bind((source, packets[0].sport))
        sock.settimeout(ANSWER_S)
        for number, packet in enumerate(packets):
            request = b"replay %d".ljust(REQUEST) % number
            control = [(socket.IPPROTO_IPV6, IPV6_DSTOPTS, packet.dstopts[0])]
            sock.sendmsg([request[:REQUEST]], control, 0, (server, ECHO_PORT))
            sock.recv(2048)


if __name__ == "__main__":
    main()
