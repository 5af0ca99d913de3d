# SPDX-License-Identifier: BSD-2-Clause
"""What pdmping --json reports for each probe, beside what captures of the same run say."""
import json
import os
import struct
import sys
from collections import namedtuple

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "witness"))

import capture  # noqa: E402
import truth  # noqa: E402

ECHO_PORT = 7

# Times in nanoseconds; network and server are None where pdmping says n/a.
Probe = namedtuple("Probe", "seq network server overlapped true_network true_server")


def read_ping(path):
    """({seq: reply}, summary) of a run."""
    replies, summary = {}, None
    with open(path, encoding="ascii") as source:
        for line in source:
            event = json.loads(line)
            if event["type"] == "reply" and not event["duplicate"]:
                replies[event["seq"]] = event
            elif event["type"] == "summary":
                summary = event
    return replies, summary


def sequence_of(packet):
    """The probe's number, with which its payload begins."""
    return struct.unpack_from(">Q", packet.payload)[0]


def exchanges(path, port=ECHO_PORT):
    """{seq: (request, reply)} of the answered probes in a capture of one run."""
    pairs = truth.pair(capture.packets(path), port)
    return {sequence_of(request): (request, reply) for request, reply in pairs if reply}


def time_between(pair):
    request, reply = pair
    return reply.time_ns - request.time_ns


def join(replies, at_client, at_server):
    """The probes of a run. The network's truth is what the server's capture leaves of the time that
    the client's saw: from the request's leaving the client to the reply's arrival there."""
    joined = []
    for seq, reply in sorted(replies.items()):
        server = time_between(at_server[seq])
        joined.append(
            Probe(
                seq,
                reply["network"]["delay"],
                reply["server"]["delay"],
                reply["server"].get("overlapped", False),
                time_between(at_client[seq]) - server,
                server,
            )
        )
    return joined


def load(directory):
    """The probes of the run whose files tests/e2e/ping.sh left in DIRECTORY."""
    replies, summary = read_ping(os.path.join(directory, "ping.json"))
    at_client = exchanges(os.path.join(directory, "client.pcap"))
    at_server = exchanges(os.path.join(directory, "server.pcap"))
    return join(replies, at_client, at_server), summary
