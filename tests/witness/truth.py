#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The server's true delay per request, from a capture at the server's interface.

    truth.py --port PORT [--client-port PORT] [--proto NUMBER] [--match echo|order] FILE.pcap

One JSON line per request: client, client_port, request_ns, response_ns, server_ns (the response's
stamp less the request's; null if unanswered) and payload (hexadecimal). Requests and responses pair
within their flow, in order; with `echo` only where the payloads are equal.
"""
import argparse
import json
import sys

from capture import CaptureError, packets


def match_echo(request, response):
    """An echoing service returns the request's payload."""
    return request.payload == response.payload


def match_order(_request, _response):
    """The first response belongs to the first request that waits."""
    return True


MATCHES = {"echo": match_echo, "order": match_order}


def pair(captured, port, client_port=None, proto=17, match=match_echo):
    """A list of [request, response or None], in the order of the requests."""
    pairs, waiting = [], {}
    for packet in captured:
        if packet.proto != proto:
            continue
        if packet.dport == port and client_port in (None, packet.sport):
            entry = [packet, None]
            pairs.append(entry)
            flow = (packet.src, packet.sport, packet.dst)
            waiting.setdefault(flow, []).append(entry)
        elif packet.sport == port and client_port in (None, packet.dport):
            queue = waiting.get((packet.dst, packet.dport, packet.src), [])
            for entry in queue:
                if match(entry[0], packet):
                    entry[1] = packet
                    queue.remove(entry)
                    break
    return pairs


def describe(request, response):
    answered = response is not None
    return {
        "client": request.src,
        "client_port": request.sport,
        "request_ns": request.time_ns,
        "response_ns": response.time_ns if answered else None,
        "server_ns": response.time_ns - request.time_ns if answered else None,
        "payload": request.payload.hex(),
    }


def main():
    parser = argparse.ArgumentParser(description="Print the server's true delay per request.")
    parser.add_argument("--port", type=int, required=True, help="the server's port")
    parser.add_argument("--client-port", type=int)
    parser.add_argument("--proto", type=int, default=17, help="IP protocol number, default UDP")
    parser.add_argument("--match", choices=sorted(MATCHES), default="echo")
    parser.add_argument("capture")
    args = parser.parse_args()
    try:
        captured = packets(args.capture)
        match = MATCHES[args.match]
        for request, response in pair(captured, args.port, args.client_port, args.proto, match):
            print(json.dumps(describe(request, response)))
    except (CaptureError, OSError) as error:
        sys.exit("truth: %s" % error)


if __name__ == "__main__":
    main()
