#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Holds what pdmperf -C ... -J told against what was set, and against its schema. FILE is its output.

    perf_net_check.py keys OURS IPERF3       all of iperf3's keys that ours has too are at their places
    perf_net_check.py agree OURS IPERF3 PERCENT   so much at most is between the received rates
    perf_net_check.py rate FILE BITS PERCENT      the received rate
    perf_net_check.py whole FILE STREAMS     a document without error: sums are those of the streams
    perf_net_check.py octets FILE KEY BYTES  end.KEY.bytes, that many and at most a block a stream more
    perf_net_check.py truth FILE NETWORK SERVER   of transactions, in ms
    perf_net_check.py loss FILE DROPPED REORDERED   what the link says it did
    perf_net_check.py verdict FILE PARTY PERCENT MS   at least so many percent and ms
    perf_net_check.py error FILE TEXT        the error says so, what came before is there
    perf_net_check.py interrupted FILE       cut short, without an error
    perf_net_check.py reason FILE TOKEN      no probe has a delay, and why
    perf_net_check.py omitted FILE INTERVALS so many are omitted, and not in the sum
    perf_net_check.py stream FILE            events: start, intervals, end, pdm
    perf_net_check.py mask FILE              the text of a report with its figures made N
    perf_net_check.py hostile HOST PORT      says to the server what no client says
"""
import json
import re
import socket
import struct
import sys

import jsonschema

SCHEMA = "conf/schema/pdmperf-net-1.json"
MS = 1_000_000
NETWORK_OFF = 2 * MS  # at most, of means, on a busy machine
SERVER_OFF = 5 * MS
# What ours does not tell: who else but the two ends loads the processors, IPv4's type of service, ...
NOT_OURS = {
    "start": {"sock_bufsize"},
    "start.test_start": {"blocks", "tos"},
    "end": {
        "cpu_utilization_percent",
        "sender_tcp_congestion",
        "receiver_tcp_congestion",
    },
}
OURS = {"pdm", "bidir"}


class Failed(Exception):
    """A check did not hold; the text says which."""


def demand(holds, *words):
    if not holds:
        raise Failed(" ".join(str(word) for word in words))


def unique(pairs):
    keys = [key for key, _ in pairs]
    demand(len(keys) == len(set(keys)), "a key stands twice:", keys)
    return dict(pairs)


def not_finite(text):
    raise Failed(f"{text} is no JSON")


def read(name):
    with open(name, encoding="ascii") as f:
        text = f.read()
    demand(text.endswith("}\n"), name, "does not end with a whole line")
    document = json.loads(text, object_pairs_hook=unique, parse_constant=not_finite)
    with open(SCHEMA, encoding="ascii") as f:
        schema = json.load(f)
    jsonschema.Draft202012Validator.check_schema(schema)
    errors = jsonschema.Draft202012Validator(schema).iter_errors(document)
    problem = jsonschema.exceptions.best_match(errors)
    demand(problem is None, name, problem)
    return document


def read_iperf(name):
    with open(name, encoding="ascii") as f:
        return json.load(f)  # which has some keys twice


def shape(value, path=""):
    """All places of a document, each with its keys; of an array those of its first and last."""
    found = {}
    if isinstance(value, dict):
        found[path] = set(value)
        for key, member in value.items():
            found.update(shape(member, f"{path}.{key}".strip(".")))
    elif isinstance(value, list):
        for i, member in enumerate(value):
            found.update(shape(member, f"{path}[{i}]"))
    return found


def check_keys(ours, theirs):
    ours, theirs = shape(read(ours)), shape(read_iperf(theirs))
    for path, keys in theirs.items():
        if path.split(".")[-1] in NOT_OURS["end"] or re.match(r"intervals\[[1-9]", path):
            continue
        demand(path in ours, "not there:", path)
        want = keys - NOT_OURS.get(path, set())
        demand(want <= ours[path], path, "lacks", want - ours[path])
        demand(ours[path] - want <= OURS, path, "has more:", ours[path] - want)
    return f"{len(theirs)} places"


def received(document):
    return document["end"]["sum_received"]["bits_per_second"]


def check_agree(ours, theirs, percent):
    a, b = received(read(ours)), received(read_iperf(theirs))
    demand(abs(a - b) <= b * float(percent) / 100, "ours", a, "iperf3's", b)
    return f"{a:.0f} and {b:.0f}"


def check_rate(name, bits, percent):
    got = received(read(name))
    demand(abs(got - float(bits)) <= float(bits) * float(percent) / 100, got, "not", bits)
    return f"{got:.0f}"


def check_whole(name, streams):
    document = read(name)
    end = document["end"]
    demand("error" not in document, document.get("error"))
    demand(not document["pdm"]["interrupted"], "interrupted")
    demand(len(end["streams"]) == int(streams), "streams:", len(end["streams"]))
    sums = [end[key]["bytes"] for key in end if re.match("sum_sent", key)]
    each = [s.get("sender", s.get("udp"))["bytes"] for s in end["streams"]]
    demand(sum(sums) == sum(each) and min(each) > 0, "sums", sums, "of", each)
    for interval in document["intervals"]:
        demand(len(interval["streams"]) == int(streams), "streams in an interval")
        parts = sum(interval[k]["bytes"] for k in interval if k.startswith("sum"))
        demand(parts == sum(s["bytes"] for s in interval["streams"]), "an interval's sum")
    return f"{sums} octets"


def check_octets(name, key, octets):
    document = read(name)
    got = document["end"][key]["bytes"]
    test = document["start"]["test_start"]
    demand(int(octets) <= got < int(octets) + test["blksize"] * test["num_streams"], got)
    demand(got == document["end"][key.replace("sent", "received")]["bytes"], "not all came")
    return f"{got}"


def near(what, got, want, off):
    demand(abs(got - want) <= off, what, got / MS, "ms and not", want / MS)


def check_truth(name, network, server):
    pdm = read(name)["pdm"]
    t = pdm["transaction"]
    network, server = float(network) * MS, float(server) * MS
    demand(t["network"]["samples"] >= 5 and t["server"]["samples"] >= 5, t)
    near("network", t["network"]["mean"], network, NETWORK_OFF)
    near("server", t["server"]["mean"], server, SERVER_OFF)
    near("total", t["total"]["mean"], network + server, NETWORK_OFF + SERVER_OFF)
    demand(t["total"]["samples"] == pdm["transactions"], "each has a total")
    return f"{t['network']['mean'] / MS:.3f} {t['server']['mean'] / MS:.3f}"


def check_loss(name, dropped, reordered):
    document = read(name)
    stream = document["end"]["streams"][0]["udp"]
    pdm = document["pdm"]
    probes = pdm["idle"]["lost"] + pdm["loaded"]["lost"]
    # The link also drops probes, and segments of the control connection, which come again.
    others = int(dropped) - stream["lost_packets"] - probes
    demand(0 <= others <= 4, dropped, "dropped, lost", stream["lost_packets"], "probes", probes)
    demand(abs(stream["out_of_order"] - int(reordered)) <= 4 + int(reordered) // 20,
           reordered, "reordered, told", stream["out_of_order"])
    demand(stream["packets"] >= stream["lost_packets"], "lost more than sent")
    return f"{stream['lost_packets']} lost, {stream['out_of_order']} out of order"


def check_verdict(name, party, percent, ms):
    document = read(name)
    v = document["pdm"]["verdict"]
    demand(v["party"] == party, v)
    demand(party == "none" or (v["percent"] >= int(percent) and v["time"] >= int(ms) * MS), v)
    return f"{v}"


def check_error(name, text):
    document = read(name)
    demand(text in document["error"], document["error"])
    for key in ("start", "intervals", "end", "pdm"):
        demand(key in document, key)
    if document["intervals"]:
        sides = [s for key, s in document["end"].items() if key.startswith("sum_")]
        demand(any(s["bytes"] > 0 for s in sides), "nothing of before is there")
        # Tests that are cut take 2 seconds of 30.
        demand(all(0 < s["seconds"] < 10 for s in sides), sides)
    return document["error"]


def check_interrupted(name):
    document = read(name)
    demand(document["pdm"]["interrupted"] and "error" not in document, document.get("error"))
    demand(document["end"]["sum_sent"]["bytes"] > 0, "no figures")
    demand(document["end"]["sum_received"]["bytes"] > 0, "no figures of the other end")
    return "whole"


def check_reason(name, token):
    pdm = read(name)["pdm"]
    for phase in ("idle", "loaded"):
        for part in ("network", "server"):
            demand(pdm[phase][part]["samples"] == 0, phase, part, pdm[phase][part])
            demand(pdm[phase][part]["reason"] == token, pdm[phase][part])
        demand(pdm[phase]["total"]["samples"] > 0, "no total either")
    demand(pdm["verdict"]["reason"] == token, pdm["verdict"])
    return token


def check_omitted(name, intervals):
    document = read(name)
    omitted = [i for i in document["intervals"] if i["sum"]["omitted"]]
    counted = [i for i in document["intervals"] if not i["sum"]["omitted"]]
    demand(len(omitted) == int(intervals) and counted, len(omitted), "omitted")
    told = sum(i["sum"]["bytes"] for i in counted)
    total = document["end"]["sum_sent"]["bytes"]
    demand(0.9 * total <= told <= total, told, "told of", total)
    demand(counted[0]["sum"]["start"] < 0.1, "the count begins at", counted[0]["sum"]["start"])
    return f"{told} of {total}"


def check_stream(name):
    with open(name, encoding="ascii") as f:
        events = [json.loads(line, object_pairs_hook=unique) for line in f]
    kinds = [event["event"] for event in events]
    demand(kinds[0] == "start" and kinds[-2:] == ["end", "pdm"], kinds)
    demand(kinds[1:-2] and set(kinds[1:-2]) == {"interval"}, kinds)
    return " ".join(kinds)


MASKS = (
    (r"port \d+", "port N"),
    (r"\d+\.\d+-\d+\.\d+ *sec", "N-N sec"),
    (r" +[\d.]+ [KMGT]?Bytes +[\d.]+ [KMGT]?bits/sec", "  N Bytes  N bits/sec"),
    (r" +\d+ +[\d.]+ [KMGT]?Bytes", "  N  N Bytes"),
    (r"(bits/sec) +\d+( packets|  time)", r"\1  N\2"),
    (r"[\d.]+ ms  (lost  )?\d+/\d+ \(0%\)", r"N ms  \1N"),
    (r"=\d+\.\d{3}", "=N"),
    (r"\d+ retransmits", "N retransmits"),
    (r"\d+ transactions", "N transactions"),
    (r"in \d+\.\d+ sec, [\d.]+/sec", "in N sec, N/sec"),
    (r"[\d.]+/sec", "N/sec"),
    (r"(?m)^(\S* +(?:network|server|total)) +.*$", r"\1 N"),
    (r"\d+% of a transaction \([\d.]+ ms\)", "N% of a transaction (N ms)"),
    (r" +retransmits", " retransmits"),
    (r" +N retransmits", "  N retransmits"),
)


def check_mask(name):
    with open(name, encoding="ascii") as f:
        text = f.read()
    for pattern, masked in MASKS:
        text = re.sub(pattern, masked, text)
    text = re.sub(r"verdict: load .*", "verdict: load ...", text)
    return text.rstrip("\n")


def frame(kind, body, version=1):
    return struct.pack(">BBH", version, kind, len(body)) + body


def wanted(streams=1, block=1000, direction=0, duration=10**9, kind=0):
    return struct.pack(">BBBBHIQQQQIIQ", 0, kind, direction, 0, streams, block, 0, duration, 0, 0,
                       64, 64, 0)


def say(where, *octets):
    """What the server answers to them: (type, body), or None if it closes."""
    with socket.create_connection(where, timeout=5) as s:
        for some in octets:
            s.sendall(some)
        head = s.recv(4)
        if len(head) < 4:
            return None
        length = struct.unpack(">H", head[2:])[0]
        return head[1], s.recv(length) if length else b""


TEST, WELCOME, REFUSE, BEGIN, END, STREAM = 1, 2, 3, 5, 6, 8
BUSY, VERSION, TOO_MUCH, OUT_OF_TURN = 1, 2, 3, 4


def check_hostile(host, port):
    where = (host, int(port))

    def refused(why, *octets):
        answer = say(where, *octets)
        demand(answer == (REFUSE, bytes([why])), "answers", answer, "to", octets[0][:20])

    refused(VERSION, b"GET / HTTP/1.1\r\n\r\n")
    refused(VERSION, struct.pack(">BBH", 1, END, 0xFFFF))
    refused(VERSION, frame(TEST, wanted(), version=9))
    refused(TOO_MUCH, frame(TEST, wanted(streams=129)))
    refused(TOO_MUCH, frame(TEST, wanted(streams=0)))
    refused(TOO_MUCH, frame(TEST, wanted(block=1 << 30)))
    refused(TOO_MUCH, frame(TEST, wanted(duration=1 << 62)))
    refused(TOO_MUCH, frame(TEST, wanted(kind=7)))
    refused(TOO_MUCH, frame(TEST, wanted()[:-1]))
    refused(TOO_MUCH, frame(TEST, wanted() + b"x"))
    refused(OUT_OF_TURN, frame(BEGIN, b""))
    demand(say(where, frame(STREAM, bytes(18))) is None, "a cookie of nobody is taken")
    with socket.create_connection(where, timeout=5) as s:
        s.sendall(frame(TEST, wanted()))
        head = s.recv(20)
        demand(head[1] == WELCOME, "not welcome", head)
        s.sendall(frame(BEGIN, b""))
        answer = s.recv(5)
        demand(answer[1] == REFUSE and answer[4] == OUT_OF_TURN, "begins without streams", answer)
    with socket.create_connection(where, timeout=5) as s:
        s.sendall(frame(TEST, wanted()))
        cookie = s.recv(20)[4:]
        demand(say(where, frame(STREAM, cookie + b"\0\1")) is None, "a stream too many")
        demand(say(where, frame(STREAM, cookie + b"\0\0")) == (STREAM, b""), "its stream")
        demand(say(where, frame(STREAM, cookie + b"\0\0")) is None, "its stream once more")
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    for octets in (b"", b"\1", b"x" * 22, frame(STREAM, bytes(18)), b"\1\x08" + bytes(60000)):
        udp.sendto(octets, where)
    return "refused"


def main():
    command, *arguments = sys.argv[1:]
    try:
        print(globals()[f"check_{command}"](*arguments))
    except Failed as failure:
        sys.exit(f"{arguments[0] if arguments else ''}: {failure}")


if __name__ == "__main__":
    main()
