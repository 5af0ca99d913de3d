#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A client and a server of protocol 253, for experiments (RFC 3692), over raw sockets.

    raw_pair.py serve ADDRESS THINK_MS
    raw_pair.py ask ADDRESS COUNT INTERVAL [connect]
"""
import socket
import struct
import sys
import time

PROTOCOL = 253
WAIT_S = 2


def serve(address, think_ms):
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, PROTOCOL) as sock:
        sock.bind((address, 0))
        while True:
            data, peer = sock.recvfrom(2048)
            time.sleep(float(think_ms) / 1000)
            sock.sendto(data, peer)


def ask(address, count, interval, connect=None):
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, PROTOCOL) as sock:
        sock.settimeout(WAIT_S)
        if connect:
            sock.connect((address, 0))
        for number in range(int(count)):
            request = struct.pack(">Q", number) + b"x" * 56
            sent = sock.send(request) if connect else sock.sendto(request, (address, 0))
            reply, (peer, port, _, _) = sock.recvfrom(2048)
            print(number, sent, reply == request, peer, port, flush=True)
            time.sleep(float(interval))


if __name__ == "__main__":
    {"serve": serve, "ask": ask}[sys.argv[1]](*sys.argv[2:])
