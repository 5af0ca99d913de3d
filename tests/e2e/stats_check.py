#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What ownstats was told of its own sockets, against what is true. See test_stats.sh.

stats_check.py serve ADDRESS PORT MS             a TCP echo server that thinks for MS milliseconds
stats_check.py truth FILE NETWORK SERVER LEAST   medians of LEAST samples or more, in milliseconds
stats_check.py flow FILE FLOWS PID               as the agent tells it (pdmctl --json flows)
stats_check.py reasons FILE REASON[?]...         those that were given, in order
stats_check.py counts FILE NAME=VALUE...         of the last answer
stats_check.py asked FILE ASKER LEAST            by those called ASKER, and never answered wrongly
stats_check.py dlsym ADDRESS PORT                asks itself, as a program that only may find the
                                                 library there; ADDRESS answers datagrams
"""
import ctypes
import errno
import json
import os
import socket
import statistics
import sys
import threading
import time

MS = 1_000_000
TOLERANCE = 1.5 * MS  # for other programs on the same processors
LATE = 5 * MS  # the server may wake up so much later, and then that was its delay
DELAYS = ("network_delay", "server_delay", "total_delay")
COUNTERS = (
    "overlapped", "options_sent", "options_received", "lost", "reordered", "duplicates",
    "withdrawn", "auth_failures", "negative", "imprecise", "unstamped",
)  # fmt: skip


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def answers(path):
    return [line for line in lines(path) if "reason" in line]


def expect(ok, *what):
    if not ok:
        sys.exit(" ".join(str(word) for word in what))


# --- a server ---


def answer(connection, seconds):
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := connection.recv(65536):
            time.sleep(seconds)
            connection.sendall(data)


def serve(address, port, think):
    with socket.create_server((address, int(port)), family=socket.AF_INET6) as listener:
        while True:
            connection, _ = listener.accept()
            threading.Thread(
                target=answer, args=(connection, float(think) / 1000), daemon=True
            ).start()


# --- what was told ---


def new_samples(told, name):
    """The latest delay, with the time that the exchange took, wherever one was added."""
    before = 0
    for line in told:
        if line[name]["samples"] == before + 1:
            yield line[name]["last"], line["elapsed"]
        before = line[name]["samples"]


def truth(path, network, server, least):
    told = answers(path)
    true = {"network_delay": float(network) * MS, "server_delay": float(server) * MS}
    for name in DELAYS:
        samples = list(new_samples(told, name))
        expect(len(samples) >= int(least), name, len(samples), "samples")
        if name == "total_delay":
            error = statistics.median(last - elapsed for last, elapsed in samples)
        else:
            error = statistics.median(last for last, _ in samples) - true[name]
        print(f"{name}: {len(samples)} samples, median error {error / MS:.3f} ms")
        most = LATE if name == "server_delay" else TOLERANCE
        expect(-TOLERANCE <= error <= most, name, "is not as it should be")


def flow(path, flows, pid):
    mine = answers(path)[-1]
    theirs = [line for line in lines(flows) if line.get("pid") == int(pid)]
    expect(len(theirs) == 1, len(theirs), "flows of", pid)
    for name in DELAYS:
        expect(mine[name]["samples"] > 0, "no", name)
        for key, value in mine[name].items():
            expect(theirs[0][name][key] == value, name, key, theirs[0][name][key], "not", value)
    for name in COUNTERS:
        expect(theirs[0][name] == mine[name], name, theirs[0][name], "not", mine[name])


def reasons(path, *wanted):
    """One with a question mark may be too short-lived to be told."""
    # The first request has the default budget, and on a busy machine may take longer.
    passing = {"no-agent"} - set(wanted)
    passing |= {word[:-1] for word in wanted if word.endswith("?")}
    given = []
    for line in answers(path):
        if line["reason"] not in passing and line["reason"] not in given[-1:]:
            given.append(line["reason"])
    expect(given == [word for word in wanted if not word.endswith("?")], "given:", *given)


def counts(path, *wanted):
    last = answers(path)[-1]
    for pair in wanted:
        name, value = pair.split("=")
        expect(last[name] == int(value), name, last[name], "not", value)


def asked(path, asker, least):
    found = [line for line in lines(path) if line.get("asker") == asker]
    expect(found, "nobody called", asker)
    for line in found:
        print(line)
        expect(line["asked"] >= int(least) and line["wrong"] == 0, "wrong, or too few")
        expect(line["busy"] * 100 <= line["asked"], "busy too often")


# --- asking without <pdmv2.h> ---

MEASURING, NOT_TAKING_PART, NO_AGENT, NO_FLOW, WHICH_PEER, SOCKET = 0, 1, 2, 4, 6, 11
UDP_SEGMENT = 103


class Stats(ctypes.Structure):
    """The two members that every version has."""

    _fields_ = [("size", ctypes.c_size_t), ("reason", ctypes.c_int)]


def reason_of(fd):
    library = ctypes.CDLL(None, use_errno=True)
    stats = Stats(size=Stats.reason.offset + Stats.reason.size)
    ctypes.set_errno(errno.ENOTTY)
    expect(library.pdmv2_stats(fd, ctypes.byref(stats)) == 0, "refused")
    expect(ctypes.get_errno() == errno.ENOTTY, "errno is", ctypes.get_errno())
    return stats.reason


def told(what, fd, wanted):
    reason = reason_of(fd)
    # The first request has the default budget, and on a busy machine may take longer.
    if reason == NO_AGENT and wanted == NO_FLOW:
        print(f"{what}: the agent did not answer in time")
        return
    expect(reason == wanted, f"{what}: {reason}, not {wanted}")


def told_in_child(what, fd, wanted):
    child = os.fork()
    if child == 0:
        os._exit(reason_of(fd))
    reason = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    expect(reason == wanted, f"{what}: {reason}, not {wanted}")


def exchange(sock):
    sock.settimeout(5)
    sock.send(b"x")
    expect(sock.recv(10) == b"x", "no echo")


def dlsym(address, port):
    with open("/dev/null", "rb") as file:
        told("a file", file.fileno(), NOT_TAKING_PART)
        number = file.fileno()
    told("a closed descriptor", number, NOT_TAKING_PART)
    told("none", -1, NOT_TAKING_PART)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        told("IPv4", sock.fileno(), NOT_TAKING_PART)
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
        sock.bind(("::", 0))
        sock.listen()
        told("a listener", sock.fileno(), NO_FLOW)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        told("not connected", sock.fileno(), WHICH_PEER)
        sock.connect((address, int(port)))
        told("connected", sock.fileno(), NO_FLOW)
        exchange(sock)
        for _ in range(20):
            if reason_of(sock.fileno()) != NO_AGENT:
                break
            time.sleep(0.1)
            exchange(sock)
        told("after an exchange", sock.fileno(), MEASURING)
        told_in_child("in a child", sock.fileno(), NO_FLOW)
        sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
        told("with segments", sock.fileno(), SOCKET)
        sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 0)
        told("without", sock.fileno(), MEASURING)
        sock.connect(("::1", int(port)))
        told("connected anew", sock.fileno(), NO_FLOW)


if __name__ == "__main__":
    what = {
        f.__name__: f for f in (serve, truth, flow, reasons, counts, asked, dlsym)
    }.get(sys.argv[1] if len(sys.argv) > 1 else "")
    if what is None:
        sys.exit(__doc__)
    what(*sys.argv[2:])
