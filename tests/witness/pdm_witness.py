#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""An independent reader of PDM: takes a capture and a key, prints what each option says.

    pdm_witness.py [--key FILE] [--aead NAME] [--generations N] FILE.pcap

One JSON line per packet that carries an option: time_ns, src, sport, dst, dport, proto,
payload_len, format, then the option's fields with their times in whole nanoseconds too, or
"error" with the reason for which a receiver would ignore it. Without a key, encrypted options
show their clear fields only.
"""
import argparse
import json
import string
import sys
from collections import namedtuple

from capture import CaptureError, packets, parse_packet, read_pcap
from pdm_option import (
    AEAD_NAMES,
    KDF_NAMES,
    OPTION_TYPE,
    Fields,
    Key,
    OptionError,
    Suite,
    derive,
    dstopts_header,
    find_options,
    flow_secret,
    hkdf,
    kri_key,
    open_option,
    parse_option,
    plain_option,
    rfc8250_option,
    scale,
    scale_ns,
    seal_option,
    shared_secret_psk,
    tuple_bytes,
    unscale_ns,
)

__all__ = [
    "Fields", "FlowKeys", "Key", "OptionError", "Suite", "Witness", "decode_packets", "derive",
    "dstopts_header", "find_options", "hkdf", "open_option", "packets", "parse_packet",
    "plain_option", "read_key_file", "read_pcap", "rfc8250_option", "scale", "scale_ns",
    "seal_option", "tuple_bytes", "unscale_ns",
]  # fmt: skip

# The search: a Kri is a generation (upper 32 bits) and a counter (lower 32).
REMEMBERED = 8
COUNTERS_AHEAD = 128
COUNTERS_BEHIND = 16  # of a Kri whose first packet comes late
COUNTERS_AT_START = 64
PSK_DIGITS = 64


def read_key_file(path):
    """A pre-shared key: 64 hexadecimal digits."""
    with open(path, encoding="ascii") as source:
        text = source.read().strip()
    if len(text) != PSK_DIGITS or set(text) - set(string.hexdigits):
        raise ValueError("%s: not 64 hexadecimal digits" % path)
    return bytes.fromhex(text)


class FlowKeys:
    """The keys of one directed flow, and which Kri were last seen to fit."""

    def __init__(self, suite, shared_secret, five_tuple, generations):
        self.suite = suite
        self.secret = flow_secret(suite, shared_secret, five_tuple)
        self.generations = generations
        self.recent = []
        self.cache = {}

    def key(self, kri):
        if kri not in self.cache:
            self.cache[kri] = kri_key(self.suite, self.secret, kri)
        return self.cache[kri]

    def candidates(self):
        """Every Kri worth a try, the likeliest first."""
        yield from self.recent
        tops = {}
        for kri in self.recent:
            tops[kri >> 32] = max(tops.get(kri >> 32, 0), kri & 0xFFFFFFFF)
        for generation in sorted(tops, reverse=True):
            top = tops[generation]
            for counter in range(top + 1, min(top + 1 + COUNTERS_AHEAD, 2**32)):
                yield generation << 32 | counter
            for counter in range(max(0, top - COUNTERS_BEHIND), top):
                yield generation << 32 | counter
        newest = max(tops, default=-1)
        later = range(newest + 1, newest + 1 + self.generations)
        for generation in [*later, *range(newest)]:
            for counter in range(COUNTERS_AT_START):
                yield generation << 32 | counter

    def open(self, option, f):
        """(Kri, fields) of an option by search; OptionError when no candidate fits."""
        for kri in self.candidates():
            if kri & 1 != f:
                continue
            try:
                fields = open_option(self.suite, self.key(kri), option)
            except OptionError:
                continue
            if kri in self.recent:
                self.recent.remove(kri)
            self.recent = [kri, *self.recent[: REMEMBERED - 1]]
            return kri, fields
        raise OptionError("no key fits")


Secret = namedtuple("Secret", "suite shared epoch")


class Witness:
    """Decodes the options of a capture; keeps the flows' keys between packets."""

    def __init__(self, psk=None, suite=Suite(), generations=16, opt_type=OPTION_TYPE):
        self.suite, self.generations, self.opt_type = suite, generations, opt_type
        self.psk, self.flows = psk, {}

    def secrets(self, _packet):
        """Those that the two ends of a packet may have in common."""
        if self.psk is None:
            return []
        return [Secret(self.suite, shared_secret_psk(self.suite, self.psk), None)]

    def keys_of(self, packet):
        """(Secret, FlowKeys) of a packet's flow."""
        five_tuple = tuple_bytes(packet.src, packet.sport, packet.dst, packet.dport, packet.proto)
        if five_tuple not in self.flows:
            self.flows[five_tuple] = [
                (secret, FlowKeys(secret.suite, secret.shared, five_tuple, self.generations))
                for secret in self.secrets(packet)
            ]
        return self.flows[five_tuple]

    def open(self, keys, option, f):
        """What is found out about an encrypted option, and its fields."""
        for secret, flow in keys:
            try:
                kri, fields = flow.open(option, f)
            except OptionError:
                continue
            found = {"kri": kri}
            if secret.epoch is not None:
                found["epoch"] = secret.epoch
            return found, fields
        raise OptionError("no key fits")

    def decode_option(self, packet, option):
        parsed = parse_option(option)
        fields, keys = parsed.pop("fields", None), self.keys_of(packet)
        if fields is None and keys:
            found, fields = self.open(keys, option, parsed["f"])
            parsed.update(found)
        if fields is not None:
            parsed.update(fields._asdict())
            parsed["delta_tlr_ns"] = unscale_ns(fields.delta_tlr, fields.scale_dtlr)
            parsed["delta_tls_ns"] = unscale_ns(fields.delta_tls, fields.scale_dtls)
        return parsed

    def decode(self, packet):
        """A dict for a packet with an option (or a malformed options header), else None."""
        record = packet._asdict()
        record["payload_len"] = len(record.pop("payload"))
        del record["dstopts"], record["transport"]
        try:
            found = [o for header in packet.dstopts for o in find_options(header, self.opt_type)]
            if not found:
                return None
            if len(found) > 1:
                raise OptionError("present twice")
            record.update(format=None, option=found[0].hex())
            record.update(self.decode_option(packet, found[0]))
        except OptionError as error:
            record["error"] = str(error)
        return record


def decode_packets(captured, psk=None, suite=Suite(), generations=16):
    """Yields a dict for each packet that carries an option; see Witness.decode."""
    witness = Witness(psk, suite, generations)
    for packet in captured:
        record = witness.decode(packet)
        if record is not None:
            yield record


def main():
    parser = argparse.ArgumentParser(description="Print the PDM options of a capture.")
    parser.add_argument("--key", help="file with the pre-shared key, 64 hexadecimal digits")
    parser.add_argument("--aead", choices=sorted(AEAD_NAMES), default="aes-256-gcm")
    parser.add_argument("--kdf", choices=sorted(KDF_NAMES), default="hkdf-sha256")
    parser.add_argument("--generations", type=int, default=16, help="generations to search")
    parser.add_argument("capture")
    args = parser.parse_args()
    suite = Suite(0, KDF_NAMES[args.kdf], AEAD_NAMES[args.aead])
    try:
        psk = read_key_file(args.key) if args.key else None
        for record in decode_packets(packets(args.capture), psk, suite, args.generations):
            print(json.dumps(record))
    except (CaptureError, OSError, ValueError) as error:
        sys.exit("pdm_witness: %s" % error)


if __name__ == "__main__":
    main()
