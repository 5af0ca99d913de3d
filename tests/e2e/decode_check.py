#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Holds what pdmctl decode says of a capture against others who know.

    decode_check.py witness DECODED CAPTURE [SECRET]   every option, as the witness reads it
    decode_check.py tshark DECODED CAPTURE             every RFC 8250 option, as tshark reads it
    decode_check.py schema DECODED                     every line, by the schema
    decode_check.py delays DECODED DIRECTORY --network MS --beyond-client MS --beyond-server MS
                    --server MS    the delays that were set, and what the hosts' agents measured

DECODED is what `pdmctl decode -v -j` printed; DIRECTORY holds client.json and server.json, flows as
`pdmctl -j flows` shows them. SECRET is `--key FILE` and `--aead NAME`.
"""
import argparse
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "witness"))

import capture  # noqa: E402
import pdm_option as pdm  # noqa: E402
import pdm_witness  # noqa: E402

SCHEMA = os.path.join(os.path.dirname(__file__), "..", "..", "conf", "schema", "pdmctl-decode-1.json")
FIELDS = (
    "psntp", "psnlr", "scale_dtlr", "delta_tlr", "delta_tlr_ns", "scale_dtls", "delta_tls",
    "delta_tls_ns",
)  # fmt: skip
BY_FORMAT = {
    "rfc8250": FIELDS,
    "plain": (*FIELDS, "prseq", "f", "global_pointer"),
    "encrypted": (*FIELDS, "prseq", "f", "global_pointer", "kri"),
}
ECHO_PORT = 7
MS = 1_000_000
# The deltas have 16 bits: a difference of two is true to so much of the larger.
RESOLUTION = 2 * 2.0**-15
# What a busy machine adds to the delays that are set; what the hosts saw is held against closely.
LATE_MS = 20
# Samples that one of the two has and the other has not: before a host takes part, and the last.
UNSEEN = 4


class Failed(Exception):
    """A check did not hold; the text says which."""


def demand(holds, *words):
    if not holds:
        raise Failed(" ".join(str(word) for word in words))


def read_lines(path, kind):
    with open(path, encoding="ascii") as source:
        return [line for line in map(json.loads, source) if line["type"] == kind]


# Options.


def name_of(address, port):
    return "[%s]:%d" % (address, port)


def check_witness(args):
    suite = pdm.Suite(aead_id=pdm.AEAD_NAMES[args.aead])
    psk = pdm_witness.read_key_file(args.key) if args.key else None
    expected = list(pdm_witness.decode_packets(capture.packets(args.capture), psk, suite))
    decoded = read_lines(args.decoded, "option")
    demand(len(decoded) == len(expected), len(decoded), "options for", len(expected))
    formats = {}
    for ours, theirs in zip(decoded, expected):
        at = "at %d:" % theirs["time_ns"]
        demand("error" not in theirs, at, theirs.get("error"))
        demand(ours["status"] in ("read", "duplicate"), at, ours["status"])
        pairs = {
            "time_ns": theirs["time_ns"],
            "from": name_of(theirs["src"], theirs["sport"]),
            "to": name_of(theirs["dst"], theirs["dport"]),
            "protect": theirs["format"],
            **{field: theirs[field] for field in BY_FORMAT[theirs["format"]]},
        }
        for field, value in pairs.items():
            demand(ours[field] == value, at, field, "is", ours[field], "and not", value)
        formats[theirs["format"]] = formats.get(theirs["format"], 0) + 1
    demand(formats, "no option in", args.capture)
    return ", ".join("%d %s options" % (count, name) for name, count in formats.items())


TSHARK = {
    "ipv6.opt.pdm.scale_dtlr": "scale_dtlr",
    "ipv6.opt.pdm.scale_dtls": "scale_dtls",
    "ipv6.opt.pdm.psn_this_pkt": "psntp",
    "ipv6.opt.pdm.psn_last_recv": "psnlr",
    "ipv6.opt.pdm.delta_last_recv": "delta_tlr",
    "ipv6.opt.pdm.delta_last_sent": "delta_tls",
}


def check_tshark(args):
    command = ["tshark", "-n", "-r", args.capture, "-Y", "ipv6.opt.pdm.psn_this_pkt", "-T", "fields"]
    for field in TSHARK:
        command += ["-e", field]
    table = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = [line.split("\t") for line in table.splitlines()]
    decoded = read_lines(args.decoded, "option")
    demand(rows and len(rows) == len(decoded), len(decoded), "options, tshark has", len(rows))
    for row, ours in zip(rows, decoded):
        theirs = dict(zip(TSHARK.values(), map(int, row)))
        for field, value in theirs.items():
            demand(ours[field] == value, field, "is", ours[field], "and for tshark", value)
    return "%d options" % len(rows)


def check_schema(args):
    import jsonschema  # not needed by the other checks

    with open(SCHEMA, encoding="ascii") as source:
        schema = json.load(source)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    types = {}
    with open(args.decoded, encoding="ascii") as source:
        for line in source:
            record = json.loads(line)
            errors = [error.message for error in validator.iter_errors(record)]
            demand(not errors, line.strip(), errors[:1])
            types[record["type"]] = types.get(record["type"], 0) + 1
    demand(types.get("capture") == 1, "not one line of the whole capture")
    return ", ".join("%d of %s" % (count, name) for name, count in sorted(types.items()))


# Delays.


def flow_of_host(directory, side):
    with open(os.path.join(directory, side + ".json"), encoding="ascii") as source:
        flows = [flow for flow in map(json.loads, source) if flow["type"] == "flow"]
    flows = [flow for flow in flows if flow["options_sent"] > 0]
    demand(len(flows) == 1, side, "has", len(flows), "flows")
    return flows[0]


def within(name, delay, least_ms):
    """Between what was set and what the machine may have added; in the median of a run that is
    little, so the mean is what is looked at, and the least closely."""
    demand(delay is not None, name, "was never measured")
    least, mean = delay["min"] / MS, delay["mean"] / MS
    demand(
        least_ms * (1 - RESOLUTION) <= least and mean <= least_ms + LATE_MS,
        name, "is %.3f ms at least, %.3f on average" % (least, mean), "for", least_ms,
    )  # fmt: skip
    return mean


def same(name, ours, theirs, total):
    """The same exchanges, but for a few, by the capture and by the host that measured them. TOTAL
    is the largest number that went into a difference."""
    demand(abs(ours["samples"] - theirs["samples"]) <= UNSEEN, name, ours, theirs)
    allowed = RESOLUTION * total
    for figure in ("min", "max"):
        # One that only the one has can be the least or the largest of it.
        demand(
            abs(ours[figure] - theirs[figure]) <= allowed + MS, name, figure, ours, "host:", theirs
        )
    spread = theirs["max"] - theirs["min"]
    demand(
        abs(ours["mean"] - theirs["mean"]) <= allowed + spread * UNSEEN / theirs["samples"],
        name, "mean", ours, "host:", theirs,
    )  # fmt: skip


def check_delays(args):
    flows = read_lines(args.decoded, "flow")
    client = next(flow for flow in flows if flow["to"].endswith("]:%d" % ECHO_PORT))
    server = next(flow for flow in flows if flow["from"].endswith("]:%d" % ECHO_PORT))
    network = within("network", client["network_delay"], args.network)
    within("network for the server", server["network_delay"], args.network)
    think = within("server", client["server_delay"], args.server)
    for name, flow, least in (
        ("network behind the capture", client, args.beyond_client),
        ("network before the capture", server, args.beyond_server),
    ):
        if least:
            within(name, flow["beyond_delay"], least)
    total = client["network_delay"]["max"] + client["server_delay"]["max"]
    for flow, side in ((client, "client"), (server, "server")):
        host = flow_of_host(args.directory, side)
        for kind in ("network_delay", "server_delay"):
            same("%s's %s" % (side, kind), flow[kind], host[kind], total)
        for counter in ("lost", "reordered", "duplicates", "negative"):
            demand(flow[counter] == 0, side, counter, flow[counter])
    return "network %.3f ms, server %.3f ms, as the agents say" % (network, think)


def arguments():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    checks = {
        "witness": check_witness, "tshark": check_tshark, "schema": check_schema,
        "delays": check_delays,
    }  # fmt: skip
    for name, check in checks.items():
        command = commands.add_parser(name)
        command.add_argument("decoded")
        if name in ("witness", "tshark"):
            command.add_argument("capture")
        if name == "witness":
            command.add_argument("--key")
            command.add_argument("--aead", default="aes-256-gcm")
        if name == "delays":
            command.add_argument("directory")
            for delay in ("network", "server", "beyond-client", "beyond-server"):
                command.add_argument("--" + delay, type=float, default=0)
        command.set_defaults(check=check)
    return parser.parse_args()


if __name__ == "__main__":
    chosen = arguments()
    try:
        print(chosen.check(chosen))
    except Failed as why:
        sys.exit("decode_check: %s" % why)
