#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A UDP echo service that is fast but for one request in EVERY, which it answers after STALL_MS.

    stalling_echo.py PORT EVERY STALL_MS
"""
import socket
import sys
import time


def main():
    port, every, stall_ms = (int(word) for word in sys.argv[1:])
    served = 0
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.bind(("::", port))
        while True:
            data, peer = sock.recvfrom(65536)
            served += 1
            if served % every == 0:
                time.sleep(stall_ms / 1000)
            sock.sendto(data, peer)


if __name__ == "__main__":
    main()
