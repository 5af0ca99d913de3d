#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""How long a bounded number of echoes takes: exchange_time.py ADDRESS PORT SOCKETS EACH [PID...].

Opens SOCKETS sockets, one after another, has EACH datagrams echoed on every one, and prints the
milliseconds that it took in all, the start of the interpreter left out. Half way it stops (SIGSTOP)
each PID. Exit status 1 if an echo does not come or is another's."""

import os
import signal
import socket
import sys
import time

WAIT_S = 2.0


def exchange(address, port, number, each):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        s.settimeout(WAIT_S)
        s.connect((address, port))
        for n in range(each):
            sent = f"{number} {n}".encode()
            s.send(sent)
            if s.recv(len(sent) + 1) != sent:
                sys.exit(f"{sent!r} was not echoed")


def main(address, port, sockets, each, *pids):
    begin = time.perf_counter()
    for number in range(sockets):
        if number == sockets // 2:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
        exchange(address, port, number, each)
    print(f"{(time.perf_counter() - begin) * 1000:.3f}")


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit("usage: exchange_time.py ADDRESS PORT SOCKETS EACH [PID...]")
    main(sys.argv[1], *map(int, sys.argv[2:]))
