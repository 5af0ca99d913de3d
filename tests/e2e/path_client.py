#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Talks to echo services as a program would, and tells how long that took.

path_client.py first PROTO ADDRESS PORT             milliseconds to the first octet of the answer
path_client.py talk PROTO ADDRESS PORT SECONDS      an exchange a line: when it began (seconds since
                                                    1970), milliseconds (- if no answer came)
path_client.py spray PREFIX COUNT PORT SECONDS      datagrams to PREFIX1, PREFIX2 and so on, in turn
"""
import socket
import sys
import time

PAUSE = 0.05  # seconds between exchanges
PATIENCE = {"tcp": 5.0, "udp": 0.2}  # a datagram may be lost: then the next is sent
REQUEST = b"x" * 64


def connect(proto, address, port):
    kind = socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM
    sock = socket.socket(socket.AF_INET6, kind)
    sock.settimeout(PATIENCE[proto])
    sock.connect((address, int(port)))
    if proto == "tcp":
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def exchange(sock):
    """Milliseconds, or None if nothing came."""
    began = time.monotonic()
    sock.send(REQUEST)
    try:
        answer = sock.recv(len(REQUEST))
    except TimeoutError:
        return None
    if not answer:
        sys.exit("path_client: the server has closed")
    return (time.monotonic() - began) * 1000


def first(proto, address, port):
    began = time.monotonic()
    sock = connect(proto, address, port)
    if exchange(sock) is None:
        sys.exit("path_client: no answer")
    print(f"{(time.monotonic() - began) * 1000:.1f}")


def talk(proto, address, port, seconds):
    sock = connect(proto, address, port)
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        began = time.time()
        took = exchange(sock)
        print(f"{began:.6f} {'-' if took is None else f'{took:.1f}'}", flush=True)
        time.sleep(PAUSE)


def spray(prefix, count, port, seconds):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    peers = [(f"{prefix}{n:x}", int(port)) for n in range(1, int(count) + 1)]
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        for peer in peers:
            sock.sendto(REQUEST, peer)
            time.sleep(0.0005)


if __name__ == "__main__":
    {"first": first, "talk": talk, "spray": spray}[sys.argv[1]](*sys.argv[2:])
