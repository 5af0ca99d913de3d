# SPDX-License-Identifier: BSD-2-Clause
"""Talks to tests/apps/dropdaemon.c over UDP and TCP, has it give root up, and talks on.

    drop_client.py ADDRESS PORT MARK

What came back goes to standard output; the time just before "drop" goes to the file MARK.
"""
import socket
import sys
import time

ROUNDS = 20
PAUSE = 0.015  # longer than a stream waits between two options


def connect(address):
    connection = socket.create_connection(address, timeout=5)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def ask(name, sock, message):
    sock.send(message)
    print(name, sock.recv(2048).decode())


def talk(phase, sockets):
    for i in range(ROUNDS):
        for name, sock in sockets.items():
            ask(name, sock, f"{phase} {i}".encode())
        time.sleep(PAUSE)


def main():
    address = (sys.argv[1], int(sys.argv[2]))
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    udp.settimeout(5)
    udp.connect(address)
    sockets = {"udp": udp, "accepted as root": connect(address)}
    talk("root", sockets)
    with open(sys.argv[3], "w", encoding="ascii") as mark:
        print(time.time(), file=mark)
    ask("udp", udp, b"drop")
    sockets["accepted as user"] = connect(address)
    talk("user", sockets)
    ask("udp", udp, b"end")


main()
