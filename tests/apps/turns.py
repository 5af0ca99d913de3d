#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Requests and responses over TCP whose sizes and think times both ends know beforehand.

    turns.py serve ADDRESS PORT --plan PLAN [--ahead] [--writes N] [--each] [--tls CERTIFICATE]
             [--congestion NAME]
    turns.py ask ADDRESS PORT --plan PLAN --count N [--window W] [--writes N] [--pause MS] [--epoll]
             [--each] [--tls] [--congestion NAME] [--flows FILE PDMCTL]

PLAN is a list, with commas, of REQUEST:RESPONSE:MS: octets asked with, octets answered with, and
the milliseconds between; it begins anew when it is over. Request number k of the server's life is
answered as its entry k says. An --ahead server reads all that comes and lets each request take its
time behind the one before; another leaves what it has not come to in its socket.

The client has --window requests under way, on one connection, or with --each one connection for
each request. It prints a JSON line for each response: its number, the local port and, if the
library is there, the samples that it made since the line before."""

import argparse
import ctypes
import json
import os
import select
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import deque

CHUNK = 65536
MS_PER_S = 1000
US_PER_S = 1_000_000
GAP_S = 0.0005  # between the writes of one message
PATIENCE_S = 20.0


def parse_plan(text):
    return [tuple(float(word) for word in entry.split(":")) for entry in text.split(",")]


def payload(number, size):
    return bytes([number % 251]) * int(size)


def send_parts(connection, data, writes):
    """In so many pieces, for which the kernel gets the time to send each."""
    size = max(1, -(-len(data) // writes))
    for at in range(0, len(data), size):
        if at:
            time.sleep(GAP_S)
        connection.sendall(data[at : at + size])


def quick(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.settimeout(PATIENCE_S)
    return connection


def control_congestion(unconnected, name):
    """Some kinds pace what is sent, and go on when another is chosen on a connection: then a
    segment leaves later than it is written."""
    unconnected.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())


# --- the server ---


class Server:
    def __init__(self, args):
        self.plan, self.writes = parse_plan(args.plan), args.writes
        self.ahead, self.each = args.ahead, args.each
        self.next, self.lock = 0, threading.Lock()
        self.tls = None
        if args.tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(args.tls)
        self.listener = socket.create_server((args.address, args.port), family=socket.AF_INET6)
        control_congestion(self.listener, args.congestion)

    def take(self):
        """The next request's number and its entry of the plan."""
        with self.lock:
            self.next += 1
            return self.next - 1, self.plan[(self.next - 1) % len(self.plan)]

    def run(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(
                target=self.serve, args=(connection, *self.take()), daemon=True
            ).start()

    def serve(self, connection, number, entry):
        try:
            connection = quick(connection)
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            (self.serve_ahead if self.ahead else self.serve_one)(connection, number, entry)
        except OSError as problem:
            print("turns:", problem, file=sys.stderr, flush=True)
        connection.close()

    def serve_one(self, connection, number, entry):
        while True:
            request, response, think = entry
            left = int(request)
            while left > 0:
                data = connection.recv(left)
                if not data:
                    return
                left -= len(data)
            time.sleep(think / MS_PER_S)
            send_parts(connection, payload(number, response), self.writes)
            if self.each:
                connection.recv(1)
                return
            number, entry = self.take()

    def serve_ahead(self, connection, number, entry):
        waiting, held, free_at = deque(), 0, 0.0
        while True:
            pause = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
            if select.select([connection], [], [], pause)[0]:
                data = connection.recv(CHUNK)
                if not data:
                    return
                held += len(data)
            while held >= entry[0]:
                held -= int(entry[0])
                free_at = max(free_at, time.monotonic()) + entry[2] / MS_PER_S
                waiting.append((free_at, payload(number, entry[1])))
                number, entry = self.take()
            while waiting and waiting[0][0] <= time.monotonic():
                send_parts(connection, waiting.popleft()[1], self.writes)


# --- what the library measures: struct pdmv2_stats of shim/pdmv2.h ---


class Delay(ctypes.Structure):
    _fields_ = [("samples", ctypes.c_uint64)] + [
        (name, ctypes.c_int64) for name in ("last", "min", "mean", "max")
    ]


COUNTERS = (
    "overlapped", "options_sent", "options_received", "lost", "reordered", "duplicates",
    "auth_failures", "negative", "imprecise", "unstamped",
)  # fmt: skip


class Stats(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("reason", ctypes.c_int),
        ("network", Delay),
        ("server", Delay),
        ("total", Delay),
        ("last_overlapped", ctypes.c_int64),
    ] + [(name, ctypes.c_uint64) for name in COUNTERS]


class Figures:
    """The samples of one connection since they were last asked for."""

    def __init__(self):
        self.ask = getattr(ctypes.CDLL(None), "pdmv2_stats", None)
        self.before = Stats()

    def since(self, fd):
        now = Stats(size=ctypes.sizeof(Stats))
        if self.ask is None or self.ask(fd, ctypes.byref(now)) != 0 or now.reason != 0:
            return {}
        seen = {
            name: (getattr(now, name).last, getattr(now, name).samples - before)
            for name, before in (
                ("network", self.before.network.samples),
                ("server", self.before.server.samples),
            )
        }
        self.before = now
        figures = {name: last for name, (last, count) in seen.items() if count}
        figures["samples"] = {name: count for name, (_, count) in seen.items()}
        figures.update({name: getattr(now, name) for name in COUNTERS})
        return figures


# --- the client ---


class Client:
    def __init__(self, args):
        self.args, self.plan = args, parse_plan(args.plan)
        self.answered, self.asked, self.held = 0, 0, 0
        self.connection, self.figures, self.poll = None, None, None

    def entry(self, number):
        return self.plan[number % len(self.plan)]

    def connect(self):
        connection = quick(socket.socket(socket.AF_INET6, socket.SOCK_STREAM))
        control_congestion(connection, self.args.congestion)
        connection.connect((self.args.address, self.args.port))
        if self.args.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = context.wrap_socket(connection)
        self.connection, self.figures = connection, Figures()
        if self.args.epoll:
            connection.setblocking(False)
            self.poll = select.epoll()
            self.poll.register(connection, select.EPOLLIN | select.EPOLLET)

    def receive(self):
        if self.poll is None:
            data = self.connection.recv(CHUNK)
            if not data:
                raise ConnectionError("the server closed")
            return len(data)
        if not self.poll.poll(PATIENCE_S):
            raise TimeoutError("nothing came")
        got = 0
        try:
            while data := self.connection.recv(CHUNK):
                got += len(data)
        except BlockingIOError:
            return got
        raise ConnectionError("the server closed")

    def send(self):
        data = payload(self.asked, self.entry(self.asked)[0])
        if self.poll is None:
            send_parts(self.connection, data, self.args.writes)
        else:
            while data:
                select.select([], [self.connection], [], PATIENCE_S)
                data = data[self.connection.send(data) :]
        self.asked += 1

    def report(self, figures):
        port = self.connection.getsockname()[1]
        print(json.dumps({"k": self.answered, "port": port, **figures}))

    def read(self):
        """All of one response at least."""
        figures = {}
        while self.held < self.entry(self.answered)[1]:
            self.held += self.receive()
            figures.update(self.figures.since(self.connection.fileno()))
        while self.answered < self.asked and self.held >= self.entry(self.answered)[1]:
            self.held -= int(self.entry(self.answered)[1])
            self.report(figures)
            figures = {}
            self.answered += 1

    def run(self):
        while self.answered < self.args.count:
            if self.connection is None:
                self.connect()
            while self.asked < min(self.args.count, self.answered + self.args.window):
                self.send()
            self.read()
            if self.args.each:
                self.close()
            if self.args.pause:
                time.sleep(self.args.pause / MS_PER_S)
        if self.args.flows:
            self.flows(*self.args.flows)
        self.close()

    def flows(self, path, pdmctl):
        """What the agent shows of them while the connection stands."""
        clean = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        with open(path, "wb") as out:
            subprocess.run([pdmctl, "-j", "flows"], stdout=out, env=clean, check=True)

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection, self.poll = None, None


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("serve", "ask"))
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("--plan", required=True)
    parser.add_argument("--ahead", action="store_true")
    parser.add_argument("--writes", type=int, default=1)
    parser.add_argument("--tls", nargs="?", const=True)
    parser.add_argument("--congestion", default="cubic")
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--window", type=int, default=1)
    parser.add_argument("--pause", type=float, default=0)
    parser.add_argument("--epoll", action="store_true")
    parser.add_argument("--each", action="store_true")
    parser.add_argument("--flows", nargs=2)
    return parser.parse_args()


if __name__ == "__main__":
    ARGS = arguments()
    (Server if ARGS.what == "serve" else Client)(ARGS).run()
