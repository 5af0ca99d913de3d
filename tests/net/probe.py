#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Numbered datagrams, for the tests of the link simulator.

    probe.py send ADDRESS COUNT plain|option   sends COUNT datagrams, with a PDM option or without
    probe.py count                             counts them until 2 s of silence, one line of JSON
    probe.py rtt ADDRESS COUNT                 ICMPv6 echo; median round trip in microseconds
"""
import json
import socket
import statistics
import struct
import sys
import time

PORT = 9
SILENCE = 2
PACE = 0.0001
BODY = bytes(range(60))
IPV6_DSTOPTS = 59
OPTION = bytes.fromhex("0001" "0f0a" "0000" "0001" "0000" "0000" "0000" "0100")


def send(address, count, kind):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.connect((address, PORT))
        if kind == "option":
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_DSTOPTS, OPTION)
        start = time.monotonic()
        for number in range(1, count + 1):
            sock.send(struct.pack(">I", number) + BODY)
            while time.monotonic() - start < number * PACE:
                pass


def count_received():
    seen, last = set(), 0
    tally = dict(received=0, unique=0, duplicates=0, reordered=0, damaged_options=0)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVDSTOPTS, 1)
        sock.bind(("::", PORT))
        sock.settimeout(SILENCE * 5)
        print("ready", flush=True)
        while True:
            try:
                data, control, _, _ = sock.recvmsg(2048, 256)
            except TimeoutError:
                break
            sock.settimeout(SILENCE)
            number = struct.unpack(">I", data[:4])[0]
            tally["received"] += 1
            tally["damaged_options"] += any(octets[1:] != OPTION[1:] for _, _, octets in control)
            if number in seen:
                tally["duplicates"] += 1
                continue
            seen.add(number)
            tally["reordered"] += number < last
            last = max(last, number)
    tally["unique"] = len(seen)
    print(json.dumps(tally))


def rtt(address, count):
    times = []
    echo = socket.getprotobyname("ipv6-icmp")
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, echo) as sock:
        sock.settimeout(SILENCE)
        for number in range(count):
            start = time.monotonic_ns()
            sock.sendto(struct.pack(">BBHHH", 128, 0, 0, 7, number), (address, 0))
            while sock.recv(64)[0] != 129:
                pass
            times.append(time.monotonic_ns() - start)
    print(int(statistics.median(times)) // 1000)


def main():
    if sys.argv[1] == "send":
        send(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    elif sys.argv[1] == "count":
        count_received()
    else:
        rtt(sys.argv[2], int(sys.argv[3]))


if __name__ == "__main__":
    main()
