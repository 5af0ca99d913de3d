#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes tests/vectors/core.json and core_vectors.h: what the witness computes, for the C tests.

    make_vectors.py [DIRECTORY]

The labelled-HKDF cases are RFC 9180's own (appendices A.2.1 and A.4.1), not the witness's.
"""
import json
import os
import sys

import pdm_option as pdm

PSKS = [bytes(range(32)), bytes([0xA5]) * 32, bytes(range(255, 223, -1))]
SUITES = [pdm.Suite(0, kdf, aead) for kdf in (1, 3) for aead in (2, 3)]
TUPLES = [
    ("udp_request", "2001:db8:1::1", 40001, "2001:db8:2::1", 7, 17),
    ("udp_reply", "2001:db8:2::1", 7, "2001:db8:1::1", 40001, 17),
    ("tcp", "2001:db8:1::1", 65535, "2001:db8:2::1", 443, 6),
    ("link_local", "fe80::1", 5353, "fe80::ff:fe00:2", 5353, 17),
    ("echo_request", "2001:db8:1::1", 0x1234, "2001:db8:2::1", 0, 58),
    ("echo_reply", "2001:db8:2::1", 0, "2001:db8:1::1", 0x1234, 58),
    ("no_ports", "::1", 0, "::1", 0, 89),
]
KRIS = [0, 1, 2**32, 2**32 + 5, 2**64 - 1]
FIELDS = [
    pdm.Fields(0, 0, 1, 1, 0, 0, 0),
    pdm.Fields(45, 40, 0x01020304, 0x1122, 0x3344, 0x8D88, 0x9ABC),
    pdm.Fields(255, 255, 2**32 - 1, 65535, 65535, 65535, 65535),
]
PRSEQS = [1, 0x2AAA, 0x7FFF]
NANOSECONDS = [0, 1, 2, 999, 1000, 1001, 65535, 65536, 39838000, 32311072000, 10**9, 3 * 10**9]
NANOSECONDS += [4 * 10**9, 20 * 10**6, 20000001, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1]
ATTOSECONDS = [0, 1, 65535, 65536, 65537, 131071, 131072, 2**64 - 1, 2**64, 2**93]

# RFC 9180 appendices A.2.1 (HKDF-SHA256, ChaCha20-Poly1305) and A.4.1 (HKDF-SHA512, AES-128-GCM):
# the base mode's key schedule, in the order in which section 5.1 computes it.
RFC9180 = [
    {
        "suite": [32, 1, 3],
        "nk": 32,
        "shared_secret": "0bbe78490412b4bbea4812666f7916932b828bba79942424abb65244930d69a7",
        "key_schedule_context": "00431df6cd95e11ff49d7013563baf7f11588c75a6611e"
        "e2a4404a49306ae4cfc5b69c5718a60cc5876c358d3f7fc31ddb598503f67be58ea1"
        "e798c0bb19eb9796",
        "secret": "5b9cd775e64b437a2335cf499361b2e0d5e444d5cb41a8a53336d8fe402282c6",
        "key": "ad2744de8e17f4ebba575b3f5f5a8fa1f69c2a07f6e7500bc60ca6e3e3ec1c91",
        "base_nonce": "5c4d98150661b848853b547f",
        "exporter_secret": "a3b010d4994890e2c6968a36f64470d3c824c8f5029942feb11e7a74b2921922",
    },
    {
        "suite": [16, 3, 1],
        "nk": 16,
        "shared_secret": "02f584736390fc93f5b4ad039826a3fa08e9911bd1215a3db8e8791ba533cafd",
        "key_schedule_context": "005b8a3617af7789ee716e7911c7e77f84cdc4cc46e60f"
        "b7e19e4059f9aeadc00585e26874d1ddde76e551a7679cd47168c466f6e1f705cc93"
        "74c192778a34fcd5ca221d77e229a9d11b654de7942d685069c633b2362ce3b3d8ea"
        "4891c9a2a87a4eb7cdb289ba5e2ecbf8cd2c8498bb4a383dc021454d70d46fcbbad1"
        "252ef4f9",
        "secret": "0c7acdab61693f936c4c1256c78e7be30eebfe466812f9cc49f0b58dc970"
        "328dfc03ea359be0250a471b1635a193d2dfa8cb23c90aa2e25025b892a725353eeb",
        "key": "090ca96e5f8aa02b69fac360da50ddf9",
        "base_nonce": "9c995e621bf9a20c5ca45546",
        "exporter_secret": "4a7abb2ac43e6553f129b2c5750a7e82d149a76ed56dc342d7b"
        "ca61e26d494f4855dff0d0165f27ce57756f7f16baca006539bb8e4518987ba61048"
        "0ac03efa8",
    },
]


def rfc9180_cases():
    """(suite, salt or prk, label, info or ikm, output) of each extract and expand."""
    info, psk_id = b"Ode on a Grecian Urn", b""
    extract, expand = [], []
    for case in RFC9180:
        suite = case["suite"]
        octets = {k: bytes.fromhex(v) for k, v in case.items() if isinstance(v, str)}
        nh = pdm.hash_len(pdm.Suite(*suite))
        context, secret = octets["key_schedule_context"], octets["secret"]
        extract += [
            dict(suite=suite, salt=b"", label="psk_id_hash", ikm=psk_id, prk=context[1 : 1 + nh]),
            dict(suite=suite, salt=b"", label="info_hash", ikm=info, prk=context[1 + nh :]),
            dict(suite=suite, salt=octets["shared_secret"], label="secret", ikm=b"", prk=secret),
        ]
        expand += [
            dict(suite=suite, prk=secret, label=label, info=context, out=octets[name])
            for label, name in (
                ("key", "key"),
                ("base_nonce", "base_nonce"),
                ("exp", "exporter_secret"),
            )
        ]
    return extract, expand


def tuple_cases():
    names = ("name", "saddr_text", "sport", "daddr_text", "dport", "proto")
    rows = []
    for case in TUPLES:
        row = dict(zip(names, case))
        row["bytes"] = pdm.tuple_bytes(*case[1:])
        row["saddr"], row["daddr"] = row["bytes"][:16], row["bytes"][18:34]
        rows.append(row)
    return rows


def secret_cases():
    return [
        dict(
            suite=list(suite),
            psk=psk,
            shared_secret=pdm.shared_secret_psk(suite, psk),
            nh=pdm.hash_len(suite),
        )
        for psk in PSKS
        for suite in SUITES
    ]


def flow_cases(secrets, tuples):
    rows = []
    for si, secret in enumerate(secrets):
        suite = pdm.Suite(*secret["suite"])
        for ti, row in enumerate(tuples):
            flow = pdm.flow_secret(suite, secret["shared_secret"], row["bytes"])
            rows.append(dict(secret_index=si, tuple_index=ti, flow_secret=flow))
    return rows


def key_cases(secrets, flows):
    rows = []
    for fi, flow in enumerate(flows):
        if flow["secret_index"] >= len(SUITES) or flow["tuple_index"] > 1:
            continue
        suite = pdm.Suite(*secrets[flow["secret_index"]]["suite"])
        for kri in KRIS:
            key = pdm.kri_key(suite, flow["flow_secret"], kri)
            rows.append(
                dict(flow_index=fi, suite=list(suite), kri=kri, key=key.key, nonce=key.base_nonce)
            )
    return rows


def sealed_cases(keys):
    rows = []
    for ki, row in enumerate(keys):
        suite, key = pdm.Suite(*row["suite"]), pdm.Key(row["kri"], row["key"], row["nonce"])
        for fields, prseq in zip(FIELDS, PRSEQS):
            option = pdm.seal_option(suite, key, fields, prseq)
            rows.append(
                dict(
                    key_index=ki,
                    fields=fields._asdict(),
                    prseq=prseq,
                    f=row["kri"] & 1,
                    plaintext=pdm.pack_metrics(fields),
                    nonce=pdm.packet_nonce(key.base_nonce, prseq),
                    option=option,
                    header=pdm.dstopts_header(option, 17),
                )
            )
    return rows


def clear_cases():
    """Headers without encryption: nothing in them depends on a key."""
    plain, rfc8250 = [], []
    for fields, random in zip(FIELDS, PRSEQS):
        for f in (0, 1):
            option = pdm.plain_option(fields, random, f)
            plain.append(
                dict(
                    next_header=17,
                    random=random,
                    f=f,
                    fields=fields._asdict(),
                    header=pdm.dstopts_header(option, 17),
                )
            )
        fields = fields._replace(global_pointer=0)
        header = pdm.dstopts_header(pdm.rfc8250_option(fields), 6)
        rfc8250.append(dict(next_header=6, fields=fields._asdict(), header=header))
    return plain, rfc8250


def scale_cases():
    ns, asec = [], []
    for nanoseconds in NANOSECONDS:
        value, dropped = pdm.scale_ns(nanoseconds)
        back = pdm.unscale_ns(value, dropped)
        ns.append(dict(ns=nanoseconds, value=value, scale=dropped, ns_floor=back))
    for attoseconds in ATTOSECONDS:
        value, dropped = pdm.scale(attoseconds)
        high, low = divmod(attoseconds, 2**64)
        asec.append(dict(asec_high=high, asec_low=low, value=value, scale=dropped))
    return ns, asec


def vectors():
    out = {}
    out["labeled_extract"], out["labeled_expand"] = rfc9180_cases()
    out["tuples"], out["secrets"] = tuple_cases(), secret_cases()
    out["flows"] = flow_cases(out["secrets"], out["tuples"])
    out["keys"] = key_cases(out["secrets"], out["flows"])
    out["sealed"] = sealed_cases(out["keys"])
    out["plain_headers"], out["rfc8250_headers"] = clear_cases()
    out["scale_ns"], out["scale_asec"] = scale_cases()
    return out


# The C structs: for each table its name, and of each member the key above and the C declaration.
# A member that ends in _len is the length of the one that it names.
FIELD_MEMBERS = [
    ("scale_dtlr", "uint8_t scale_dtlr"),
    ("scale_dtls", "uint8_t scale_dtls"),
    ("global_pointer", "uint32_t global_pointer"),
    ("psntp", "uint16_t psntp"),
    ("psnlr", "uint16_t psnlr"),
    ("delta_tlr", "uint16_t delta_tlr"),
    ("delta_tls", "uint16_t delta_tls"),
]
SUITE_MEMBERS = ["uint16_t kem_id", "uint16_t kdf_id", "uint16_t aead_id"]
SUITE, FIELD = ("suite", "struct vec_suite suite"), ("fields", "struct vec_fields fields")
TABLES = {
    "labeled_extract": [
        SUITE,
        ("salt", "uint8_t salt[32]"),
        ("salt_len", "size_t salt_len"),
        ("label", "const char *label"),
        ("ikm", "uint8_t ikm[32]"),
        ("ikm_len", "size_t ikm_len"),
        ("prk", "uint8_t prk[64]"),
        ("prk_len", "size_t prk_len"),
    ],
    "labeled_expand": [
        SUITE,
        ("prk", "uint8_t prk[64]"),
        ("prk_len", "size_t prk_len"),
        ("label", "const char *label"),
        ("info", "uint8_t info[129]"),
        ("info_len", "size_t info_len"),
        ("out", "uint8_t out[64]"),
        ("out_len", "size_t out_len"),
    ],
    "tuples": [
        ("name", "const char *name"),
        ("saddr", "uint8_t saddr[16]"),
        ("sport", "uint16_t sport"),
        ("daddr", "uint8_t daddr[16]"),
        ("dport", "uint16_t dport"),
        ("proto", "uint8_t proto"),
        ("bytes", "uint8_t bytes[37]"),
    ],
    "secrets": [
        SUITE,
        ("psk", "uint8_t psk[32]"),
        ("nh", "size_t nh"),
        ("shared_secret", "uint8_t shared_secret[64]"),
    ],
    "flows": [
        ("secret_index", "size_t secret_index"),
        ("tuple_index", "size_t tuple_index"),
        ("flow_secret", "uint8_t flow_secret[64]"),
    ],
    "keys": [
        ("flow_index", "size_t flow_index"),
        SUITE,
        ("kri", "uint64_t kri"),
        ("key", "uint8_t key[32]"),
        ("nonce", "uint8_t base_nonce[12]"),
    ],
    "sealed": [
        ("key_index", "size_t key_index"),
        FIELD,
        ("prseq", "uint16_t prseq"),
        ("f", "uint8_t f"),
        ("plaintext", "uint8_t plaintext[14]"),
        ("nonce", "uint8_t nonce[12]"),
        ("option", "uint8_t option[36]"),
        ("header", "uint8_t header[40]"),
    ],
    "plain_headers": [
        ("next_header", "uint8_t next_header"),
        ("random", "uint16_t random"),
        ("f", "uint8_t f"),
        FIELD,
        ("header", "uint8_t header[24]"),
    ],
    "rfc8250_headers": [
        ("next_header", "uint8_t next_header"),
        FIELD,
        ("header", "uint8_t header[16]"),
    ],
    "scale_ns": [
        ("ns", "uint64_t ns"),
        ("value", "uint16_t value"),
        ("scale", "uint8_t scale"),
        ("ns_floor", "uint64_t ns_floor"),
    ],
    "scale_asec": [
        ("asec_high", "uint64_t asec_high"),
        ("asec_low", "uint64_t asec_low"),
        ("value", "uint16_t value"),
        ("scale", "uint8_t scale"),
    ],
}
NOTES = {
    "labeled_extract": "RFC 9180 appendices A.2.1 and A.4.1",
    "labeled_expand": "RFC 9180 appendices A.2.1 and A.4.1",
    "flows": "flow_secret is nh octets of the secret at secret_index",
    "keys": "flow_index is into vec_flows",
    "sealed": "key_index is into vec_keys; f is the Kri's lowest bit; next header 17",
    "scale_ns": "ns_floor: whole nanoseconds of value << scale",
}


def c_value(row, key):
    if key.endswith("_len"):
        return "%d" % len(row[key[:-4]])
    value = row[key]
    if isinstance(value, bytes):
        return "{%s}" % (", ".join("0x%02x" % octet for octet in value) or "0")
    if isinstance(value, str):
        return '"%s"' % value
    if isinstance(value, (list, dict)):
        numbers = value.values() if isinstance(value, dict) else value
        return "{%s}" % ", ".join("%#xU" % number for number in numbers)
    return "%#xU" % value if value < 2**32 else "%#xULL" % value


def c_struct(name, declarations):
    return "struct vec_%s {\n%s};\n" % (name, "".join("    %s;\n" % d for d in declarations))


def c_header(tables):
    out = [
        "/* SPDX-License-Identifier: BSD-2-Clause */",
        "/* Test vectors made by tests/witness/make_vectors.py: do not edit. */",
        "#ifndef TESTS_VECTORS_CORE_VECTORS_H",
        "#define TESTS_VECTORS_CORE_VECTORS_H",
        "",
        "#include <stddef.h>",
        "#include <stdint.h>",
        "",
        "/* clang-format off */",
        "",
        "#define VEC_COUNT(table) (sizeof(table) / sizeof((table)[0]))",
        "",
        c_struct("suite", SUITE_MEMBERS),
        c_struct("fields", [declaration for _, declaration in FIELD_MEMBERS]),
    ]
    for name, members in TABLES.items():
        if name in NOTES:
            out.append("/* %s */" % NOTES[name])
        singular = name[:-1] if name.endswith("s") and not name.endswith("_ns") else name
        out.append(c_struct(singular, [declaration for _, declaration in members]))
        out.append("static const struct vec_%s vec_%s[] = {" % (singular, name))
        for row in tables[name]:
            values = ",\n     ".join(c_value(row, key) for key, _ in members)
            out.append("    {%s}," % values)
        out.append("};\n")
    return "\n".join(out + ["/* clang-format on */", "", "#endif", ""])


def as_json(value):
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(type(value))


def render():
    """The content of each file by name."""
    tables = vectors()
    return {
        "core.json": json.dumps(tables, indent=1, default=as_json) + "\n",
        "core_vectors.h": c_header(tables),
    }


def main():
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vectors")
    directory = sys.argv[1] if len(sys.argv) > 1 else beside
    os.makedirs(directory, exist_ok=True)
    for name, text in render().items():
        with open(os.path.join(directory, name), "w", encoding="ascii") as out:
            out.write(text)


if __name__ == "__main__":
    main()
