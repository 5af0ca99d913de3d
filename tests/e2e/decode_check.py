#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Holds what pdmctl decode says of a capture against others who know.

    decode_check.py witness DECODED CAPTURE [SECRET]   every option, as the witness reads it
    decode_check.py tshark DECODED CAPTURE             every RFC 8250 option, as tshark reads it
    decode_check.py wireshark CAPTURE DISCLOSED [SECRET] [--give-key]   every PDMv2 option, as the
                    dissector shows it with what `pdmctl decode -x` wrote, or without: -; or with
                    the key
    decode_check.py schema DECODED                     every line, by the schema
    decode_check.py sum DECODED OPTIONS     so many options are in all flows together
    decode_check.py delays DECODED DIRECTORY --network MS --beyond-client MS --beyond-server MS
                    --server MS [--one-sided]   the delays that were set, and what the hosts' agents
                    measured, or the client's alone

DECODED is what `pdmctl decode -v -j` printed, without -v for sum and delays; DIRECTORY holds client.json and server.json, flows as
`pdmctl -j flows` shows them. SECRET is `--key FILE` and `--aead NAME`.
"""
import argparse
import decimal
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "witness"))

import capture  # noqa: E402
import pdm_option as pdm  # noqa: E402
import pdm_witness  # noqa: E402

SCHEMA = os.path.join(os.path.dirname(__file__), "..", "..", "conf", "schema", "pdmctl-decode-1.json")
DISSECTOR = os.path.join(os.path.dirname(__file__), "..", "..", "conf", "wireshark", "pdmv2.lua")
LONGEST_SCALE = 66  # of the times that the dissector shows as such
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
# Samples that one of the two has and the other has not, in any run; and the share of a host's that
# a capture must have.
UNSEEN = 2
SHARED = 0.6


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


# What the witness says is wrong with an option, and what decode calls that.
FAULTS = {"present twice": "repeated", "no key fits": "not_decrypted", "version": "bad_version"}


def status_of(row):
    """Of a record of the witness."""
    if "error" not in row:
        return "read"
    known = (FAULTS[name] for name in FAULTS if row["error"].startswith(name))
    return next(known, "malformed")


def witness_rows(args):
    suite = pdm.Suite(aead_id=pdm.AEAD_NAMES[args.aead])
    psk = pdm_witness.read_key_file(args.key) if args.key else None
    captured = capture.packets(args.capture)
    return list(pdm_witness.decode_packets(captured, psk, suite, args.generations))


def tally(names):
    return ", ".join("%d %s" % (names.count(name), name) for name in sorted(set(names)))


def check_witness(args):
    expected = witness_rows(args)
    decoded = read_lines(args.decoded, "option")
    demand(len(decoded) == len(expected), len(decoded), "options for", len(expected))
    demand(expected, "no option in", args.capture)
    seen = []
    for ours, theirs in zip(decoded, expected):
        at = "at %d:" % theirs["time_ns"]
        status = status_of(theirs)
        demand(ours["status"] == status, at, ours["status"], "and not", status)
        if status != "read":
            seen.append(status)
            continue
        pairs = {
            "time_ns": theirs["time_ns"],
            "from": name_of(theirs["src"], theirs["sport"]),
            "to": name_of(theirs["dst"], theirs["dport"]),
            "protect": theirs["format"],
            **{field: theirs[field] for field in BY_FORMAT[theirs["format"]]},
        }
        for field, value in pairs.items():
            demand(ours[field] == value, at, field, "is", ours[field], "and not", value)
        seen.append(theirs["format"])
    return tally(seen)


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


DISSECTED = {
    "pdmv2.prseq": "prseq",
    "pdmv2.f": "f",
    "pdmv2.kri": "kri",
    "pdmv2.global_pointer": "global_pointer",
    "pdmv2.psntp": "psntp",
    "pdmv2.psnlr": "psnlr",
    "pdmv2.scale_dtlr": "scale_dtlr",
    "pdmv2.scale_dtls": "scale_dtls",
    "pdmv2.delta_tlr": "delta_tlr",
    "pdmv2.delta_tls": "delta_tls",
    "pdmv2.time_tlr": "delta_tlr_ns",
    "pdmv2.time_tls": "delta_tls_ns",
}
DISSECTOR_FAULTS = ("malformed", "bad_version", "repeated", "not_decrypted")


def dissect(args):
    """{time: {field: text}} of the packets in which the dissector finds anything."""
    names = ["frame.time_epoch", *DISSECTED, *("pdmv2." + fault for fault in DISSECTOR_FAULTS)]
    command = ["tshark", "-n", "-r", args.capture, "-X", "lua_script:" + DISSECTOR, "-Y", "pdmv2"]
    if args.disclosed != "-":
        command += ["-o", "pdmv2.decrypted:" + args.disclosed]
    if args.give_key:
        command += ["-o", "pdmv2.key:" + args.key]
    command += ["-T", "fields", *(word for name in names for word in ("-e", name))]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    demand("Lua" not in run.stderr, run.stderr)
    rows = (dict(zip(names, line.split("\t"))) for line in run.stdout.splitlines())
    return {whole_ns(row.pop("frame.time_epoch")): row for row in rows}


def whole_ns(seconds):
    """Of a time that tshark printed."""
    return int(decimal.Decimal(seconds) * 10**9)


def check_dissected(row, shown):
    for name, field in DISSECTED.items():
        if field == "kri" and row["format"] == "plain":
            demand(shown[name] == "", "a Kri of a clear option")
        elif name.startswith("pdmv2.time_"):
            # "delta_tlr_ns" is scaled by "scale_dtlr".
            if row["scale_d" + field.split("_")[1]] <= LONGEST_SCALE:
                demand(whole_ns(shown[name]) == row[field], name, "is", shown[name], "for", row)
        else:
            demand(shown[name] == str(row[field]), name, "is", shown[name], "for", row)


def check_wireshark(args):
    shown, seen = dissect(args), []
    opens = args.give_key or args.disclosed != "-"
    for row in witness_rows(args):
        status = status_of(row)
        if row.get("format") == "rfc8250":
            demand(row["time_ns"] not in shown, "the dissector shows what Wireshark does", row)
            continue
        demand(row["time_ns"] in shown, "the dissector does not show", row)
        ours = shown.pop(row["time_ns"])
        if status == "read" and row["format"] == "encrypted" and not opens:
            status = "not_decrypted"
        faults = [fault for fault in DISSECTOR_FAULTS if ours["pdmv2." + fault]]
        demand(faults == ([] if status == "read" else [status]), faults, "for", row)
        if status == "read":
            check_dissected(row, ours)
        seen.append(row["format"] if status == "read" else status)
    demand(seen and not shown, "the dissector shows what is none:", shown)
    return tally(seen)


def check_sum(args):
    options = sum(flow["options"] + flow["duplicates"] for flow in read_lines(args.decoded, "flow"))
    demand(options == args.options, options, "options in all flows, and not", args.options)
    whole = read_lines(args.decoded, "capture")[0]
    demand(whole["evicted"] > 0, "nothing was evicted")
    return "%d options, %d conversations, %d of them evicted" % (
        options, whole["conversations"], whole["evicted"],
    )  # fmt: skip


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
    """The same exchanges, but for some, by the capture and by the host that measured them: a host
    takes no sample before its agent answered, a capture none where a second request went out before
    the answer came. TOTAL is the largest number that went into a difference."""
    demand(theirs is not None and ours is not None, name, ours, "host:", theirs)
    demand(ours["samples"] >= SHARED * theirs["samples"], name, ours, "host:", theirs)
    others = UNSEEN + abs(ours["samples"] - theirs["samples"])
    spread = max(ours["max"], theirs["max"]) - min(ours["min"], theirs["min"])
    allowed = RESOLUTION * total + spread * others / min(ours["samples"], theirs["samples"])
    demand(abs(ours["mean"] - theirs["mean"]) <= allowed, name, ours, "host:", theirs)


def check_delays(args):
    flows = read_lines(args.decoded, "flow")
    client = next(flow for flow in flows if flow["to"].endswith("]:%d" % ECHO_PORT))
    server = next(flow for flow in flows if flow["from"].endswith("]:%d" % ECHO_PORT))
    network = within("network", client["network_delay"], args.network)
    if not args.one_sided:
        within("network for the server", server["network_delay"], args.network)
    think = within("server", client["server_delay"], args.server)
    for name, flow, least in (
        ("network behind the capture", client, args.beyond_client),
        ("network before the capture", server, args.beyond_server),
    ):
        if least:
            within(name, flow["beyond_delay"], least)
    total = client["network_delay"]["max"] + client["server_delay"]["max"]
    sides = ((client, "client"), (server, "server"))
    for flow, side in sides[:1] if args.one_sided else sides:
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
        "witness": check_witness, "tshark": check_tshark, "wireshark": check_wireshark,
        "schema": check_schema, "sum": check_sum, "delays": check_delays,
    }  # fmt: skip
    operands = {
        "witness": ["decoded", "capture"], "tshark": ["decoded", "capture"],
        "wireshark": ["capture", "disclosed"],
    }  # fmt: skip
    for name, check in checks.items():
        command = commands.add_parser(name)
        for operand in operands.get(name, ["decoded"]):
            command.add_argument(operand)
        if name in ("witness", "wireshark"):
            command.add_argument("--key")
            command.add_argument("--aead", default="aes-256-gcm")
            command.add_argument("--generations", type=int, default=1)
        if name == "wireshark":
            command.add_argument("--give-key", action="store_true")
        if name == "sum":
            command.add_argument("options", type=int)
        if name == "delays":
            command.add_argument("directory")
            command.add_argument("--one-sided", action="store_true")
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
